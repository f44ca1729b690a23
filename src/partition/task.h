/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_TASK_H
#define AE_PARTITION_TASK_H

/* Tasks (threads) and where they may run: proc(5), /proc/PID/stat and /proc/PID/status. */

#include <stdint.h>
#include <sys/types.h>

#include "base/cpus.h"

struct ae_task {
    pid_t id;
    pid_t process; /* the thread group it belongs to */
    pid_t parent;
    uint64_t start; /* clock ticks after boot: with the id, a name that is never used again */
    bool kernel;    /* a kernel thread */
    bool immovable; /* the kernel pinned it: its affinity cannot be set */
    char name[64];
    struct ae_cpus allowed;
};

/* -EINVAL for text that is not of that form. */
int ae_task_parse_stat(struct ae_task *task, const char *text);
int ae_task_parse_status(struct ae_task *task, const char *text);

/* -ESRCH when there is no such task. */
int ae_task_read(struct ae_task *task, pid_t id);

/* Every task there is; those that end meanwhile are left out. Stops at non-zero. */
int ae_task_each(int (*each)(const struct ae_task *task, void *context), void *context);

/* Is it the thread that runs RCU's callbacks of a CPU? *cpu becomes that CPU. */
bool ae_task_offloads(const struct ae_task *task, unsigned *cpu);

/* Is the task in the partition's CPU set? */
bool ae_task_in_partition(pid_t id, const char *partition);

#endif
