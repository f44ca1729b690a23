/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_LOOP_H
#define AETHER_LOOP_H

/*
 * Loops whose time is kept: what a worker's deadlines (<aether/deadline.h>) and cycles
 * (<aether/cycle.h>) have recorded. It lies in memory that the worker shares with its supervisor,
 * which reads it while the worker runs, and when it has ended. All of it is the worker's own word.
 */

#include <stdbool.h>
#include <stdint.h>

#include <aether/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AE_WORKER_LOOPS 8 /* of a worker, at most */
#define AE_LOOP_MISSES  16
#define AE_LOOP_POWERS  35

/* Times in ns. Percentiles are at most 1/16 above the true value, and never below it; all of them
 * are 0 when count is. */
struct ae_loop_times {
    uint64_t count;
    uint64_t min, p50, p99, p99_9, p99_99, max;
    /* How many were 0 (the first), and from 2^(i - 1) to below 2^i; those above 10 s are in the
     * last. */
    uint64_t powers[AE_LOOP_POWERS];
};

struct ae_loop_miss {
    uint64_t at_ns;   /* since the loop began */
    uint64_t took_ns; /* the turn */
};

struct ae_worker_loop {
    char name[AE_WORKER_NAME];
    bool cyclic;        /* a cycle; false: a deadline, whose period, skipped and wakeup are 0 */
    uint64_t period_ns; /* between releases */
    uint64_t bound_ns;  /* of a turn: from its release, or from the turn before */
    uint64_t turns;
    uint64_t misses;             /* turns that took longer than their bound */
    uint64_t skipped;            /* releases that passed while a turn before them went on */
    struct ae_loop_times wakeup; /* from a release to the turn's beginning */
    struct ae_loop_times missed; /* what turns took that missed */
    unsigned last_count;
    struct ae_loop_miss last[AE_LOOP_MISSES]; /* the last misses, the oldest first */
};

/* What the loops of this worker say now. Returns how many there are; fills at most `count`. */
unsigned ae_worker_loops(const struct ae_worker *worker, struct ae_worker_loop *loops,
                         unsigned count);

#ifdef __cplusplus
}
#endif

#endif
