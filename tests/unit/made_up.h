/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_MADE_UP_H
#define AE_TESTS_MADE_UP_H

/*
 * A made-up machine: a directory with the files of one, and an imitation of how a kernel answers
 * writes. CPUs 0-7, two threads to a core (0-1, 2-3, ...), memory node 0 with CPUs 0-3 and node 1
 * with 4-7, cgroup v2, interrupts, tasks, a network card and two PCI functions.
 *
 * Files that steer it: /made-up/invalid (an isolated CPU set turns invalid), /made-up/pages (huge
 * pages there are), /made-up/stubborn (a card is not taken), /proc/irq/N/managed (refuses to move),
 * /proc/irq/N/lazy (moves, but not yet).
 */

#include <stdbool.h>
#include <stddef.h>

/* cmocka fixtures; the machine is built anew each time. */
int made_up_begin(void **state);
int made_up_end(void **state);

/* Puts a file with the text, making directories. */
void made_up_put(const char *path, const char *text);
void made_up_remove(const char *path);

/* Reads a file, without trailing white space, into a buffer that the next call reuses. */
const char *made_up_get(const char *path);

/* The files that every made-up machine has, by number; NULL behind the last. */
const char *made_up_path(size_t index);

/* A task. flags: 0x00200000 a kernel thread, 0x04000000 pinned by the kernel. */
void made_up_task(int id, int parent, const char *name, unsigned flags, const char *cpus);
const char *made_up_task_cpus(int id);

/* /etc/aether/partitions.d/NAME.conf */
void made_up_config(const char *name, const char *text);

/* Every file and its text, but /run and /etc; the caller frees. */
char *made_up_dump(void);

/* A machine with cgroup v1 CPU sets instead. */
void made_up_cgroup_v1(void);

#endif
