/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_COUNTERS_H
#define AE_PARTITION_COUNTERS_H

/*
 * What the kernel counted on a set of CPUs, summed over them: interrupts ("irq:24", "irq:LOC"),
 * softirqs ("softirq:TIMER") and how often a task was put onto a CPU ("sched:slices"). Taken from
 * /proc/interrupts, /proc/softirqs and /proc/schedstat; reading those disturbs no other CPU.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cpus.h"

struct ae_counter {
    char name[40];
    uint64_t value;
};

struct ae_counters {
    struct ae_counter *items;
    size_t count, capacity;
};

/* A file that is not there adds nothing; -ENOMEM and read errors are returned. Free in any case. */
int ae_counters_read(struct ae_counters *counters, const struct ae_cpus *cpus);
void ae_counters_free(struct ae_counters *counters);

/* Tables headed by "CPU0 CPU1 ..." with rows "NAME: count count ...". */
int ae_counters_parse_table(struct ae_counters *counters, const char *prefix, const char *text,
                            const struct ae_cpus *cpus);
/* Documentation/scheduler/sched-stats.rst, versions 14 to 17: the ninth number of a cpu line. */
int ae_counters_parse_schedstat(struct ae_counters *counters, const char *text,
                                const struct ae_cpus *cpus);

/*
 * How much a counter grew since `before`; one that was not there grew from nothing. The kernel
 * counts interrupts and softirqs in 32 bits: one that ran over is told from one that began anew, as
 * a number that was given to another interrupt does. False then: it is known only that it grew by
 * so much since.
 */
bool ae_counters_growth(const struct ae_counters *before, const struct ae_counter *after,
                        uint64_t *growth);

const struct ae_counter *ae_counters_find(const struct ae_counters *counters, const char *name);

#endif
