/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MEASURE_GAP_H
#define AE_MEASURE_GAP_H

/*
 * The gap loop: reads the CPU's counter back to back and notes every pair of readings that lie
 * further apart than a threshold. In such a gap something other than the loop had the CPU.
 *
 * One process per CPU, for a thread's siblings could disturb it. Each is pinned, has its memory
 * locked and written beforehand, makes no system call while it measures, ends by itself, and dies
 * with its parent. It runs under SCHED_OTHER unless a real-time priority is asked for.
 */

#include <stdbool.h>
#include <stdint.h>

#include <aether/error.h>
#include <aether/histogram.h>

#include "base/cpus.h"

#define AE_GAP_SECONDS_MAX  (7 * 24 * 3600)
#define AE_GAP_CAPACITY_MAX (1U << 20)

/* Readings of the counter: the last one before the gap and the first one after it. */
struct ae_gap {
    uint64_t start;
    uint64_t end;
};

struct ae_gap_options {
    struct ae_cpus cpus;   /* one process each */
    uint64_t duration_ns;  /* up to AE_GAP_SECONDS_MAX seconds */
    uint64_t threshold_ns; /* a gap is longer than this */
    uint32_t capacity; /* gaps kept per CPU, 1 to AE_GAP_CAPACITY_MAX; further ones are counted */
    int fifo_priority; /* 1 to 99: SCHED_FIFO; 0: SCHED_OTHER */
};

/* What one CPU's loop saw. All times in ticks. */
struct ae_gap_record {
    uint32_t cpu;
    uint32_t error;   /* errno of what kept it from running, or 0 */
    uint32_t failed;  /* enum ae_gap_step that error belongs to */
    uint32_t cpu_end; /* where it ran when it ended: the same, unless it was moved */
    bool locked;      /* its memory was locked */
    uint64_t start, end;
    uint64_t readings;
    uint64_t shortest; /* between two readings: what the loop itself costs */
    uint64_t longest;
    uint64_t gaps;     /* all of them; kept + overflow */
    uint64_t overflow; /* gaps counted but not kept */
    uint64_t gap_ticks;
    uint64_t voluntary, involuntary, minor_faults, major_faults; /* getrusage, the loop only */
    struct ae_histogram lengths;                                 /* of all gaps, ns */
    uint32_t kept;
    struct ae_gap *items; /* in the order of time */
};

enum ae_gap_step {
    AE_GAP_STEP_NONE,
    AE_GAP_STEP_PIN,
    AE_GAP_STEP_PRIORITY,
    AE_GAP_STEP_DIED, /* the process was killed; error is 0 */
};

struct ae_gap_run {
    unsigned count;
    struct ae_gap_record *records; /* in the order of CPU numbers */
    void *shared;
    uint64_t shared_size;
};

/*
 * Measures all CPUs at once and waits for the end, itself on other CPUs if it may run on any. Needs
 * ae_clock_calibrate. On failure every process is gone. -EINVAL: options out of range, or a CPU
 * that is not online; -EINTR: a signal came.
 */
int ae_gap_run(struct ae_gap_run *run, const struct ae_gap_options *options, struct ae_error *err);

void ae_gap_run_free(struct ae_gap_run *run);

/*
 * The loop itself, on the CPU it is called on, from `begin` to `deadline` (ticks). Coming late to
 * its begin is a gap like any other. For ae_gap_run and tests.
 */
void ae_gap_loop(struct ae_gap_record *record, uint64_t begin, uint64_t threshold,
                 uint64_t deadline, uint32_t capacity);

/* How many gaps were 2^power ns long or longer, and shorter than 2^(power+1). */
#define AE_GAP_POWERS 34
uint64_t ae_gap_count_power(const struct ae_gap_record *record, unsigned power);

#endif
