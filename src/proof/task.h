/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PROOF_TASK_H
#define AE_PROOF_TASK_H

/* What the kernel counts for one process: /proc/PID/status, stat and sched (proc(5)). */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cpus.h"

#define AE_TASK_COUNTERS 5

extern const struct ae_task_counter_name {
    const char *name;
    bool needed; /* a proof is incomplete without it */
} ae_task_counter_names[AE_TASK_COUNTERS];

struct ae_task_counters {
    uint64_t value[AE_TASK_COUNTERS];
    bool seen[AE_TASK_COUNTERS];

    /* Was it there at all? An idle CPU is quiet too. */
    char state; /* 'R' running, 'S' sleeping, ...; 0: not seen */
    bool cpu_time_seen;
    uint64_t cpu_time; /* user and kernel, in clock ticks (sysconf(_SC_CLK_TCK)) */

    /* Who is it, and where? */
    uint64_t start; /* in clock ticks after boot: with the id, a name that is never used again; 0:
                       not seen */
    int processor;  /* on which it runs, or ran last; -1: not seen */
    long threads;   /* 0: not seen */
    bool allowed_seen;
    struct ae_cpus allowed; /* it may run there */
};

/* -ESRCH: there is no such process. */
int ae_task_counters_read(struct ae_task_counters *counters, pid_t pid);

/* The parsers, for text that may be anything. */
void ae_task_counters_parse_status(struct ae_task_counters *counters, const char *text);
void ae_task_counters_parse_stat(struct ae_task_counters *counters, const char *text);
void ae_task_counters_parse_sched(struct ae_task_counters *counters, const char *text);

#endif
