/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_MADE_TRACEFS_H
#define AE_TESTS_MADE_TRACEFS_H

/*
 * A tracefs below a made-up root: a directory that is made in instances/ has the files of one, and
 * is removed with them, as the kernel has it. For this the program's mkdir and rmdir are those of
 * this file.
 */

#include <stdint.h>

#define MADE_TRACEFS_CPUS 3 /* per_cpu/cpu900, cpu901, cpu902 */

/* After made_root_begin. clocks: the content of trace_clock. */
void made_tracefs_begin(const char *clocks);

/* Instances that are made from now on lack this tracepoint; NULL: none. */
void made_tracefs_without(const char *tracepoint);

/* Instances made since then. */
unsigned made_tracefs_count(void);

/* Where one is, from 0, below the root: "" once it is removed. */
const char *made_tracefs_path(unsigned instance);

/* Writes a file of one; NULL: removes it. */
void made_tracefs_put(unsigned instance, const char *file, const char *text);

/* Appends a line as the kernel prints it to what a CPU recorded; task: "NAME-PID", without the
 * dash. */
void made_tracefs_event(unsigned instance, unsigned cpu, const char *task, int pid, uint64_t ticks,
                        const char *event);

#endif
