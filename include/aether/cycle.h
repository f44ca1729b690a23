/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_CYCLE_H
#define AETHER_CYCLE_H

/*
 * A control loop: a turn is released every period, at times that are fixed when the first is.
 *
 *     ae_cycle_open(&cycle, worker, "control", 250000, 0, &err);
 *     ae_quiet_enter(worker, NULL, &err);
 *     while (ae_worker_running(worker)) {
 *         ae_cycle_wait(&cycle);
 *         ...                              read, compute, write
 *     }
 *     ae_cycle_end(&cycle, ae_clock_ticks());
 *
 * Release n is n periods behind the first, so that nothing adds up. Their rate is the counter's, as
 * ae_clock_calibrate has measured it, and off the wall clock's by some parts in a million.
 *
 * A turn has until its deadline, counted from its release and not from when it began; one that ends
 * later has missed it. Releases that have passed by then are skipped and counted: the next turn is
 * that of the next release, in its time, never two in a row to catch up. So a stall is seen as what
 * it was: one turn that took all of it, and a release skipped for each period that it took.
 *
 * What is recorded is in <aether/loop.h>. Times are ticks of ae_clock_ticks, whose wrap does no
 * harm. Of the worker's thread. The worker is not finished before its last turn.
 */

#include <stdbool.h>
#include <stdint.h>

#include <aether/clock.h>
#include <aether/error.h>
#include <aether/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ae_shared_loop;

struct ae_cycle {
    uint64_t period_ns;
    uint64_t bound;   /* of a turn, ticks */
    uint64_t start;   /* release 0, ticks */
    uint64_t release; /* of the turn that goes on, or of the next, ticks */
    uint64_t number;  /* of that release */
    bool started, turning;
    struct ae_shared_loop *loop;
};

/*
 * period_ns: 1000 to 10^10; deadline_ns: 1 to that, 0: the period. The name is cut to fit
 * AE_WORKER_NAME. Not after ae_quiet_enter. -ENOSPC: the worker has AE_WORKER_LOOPS.
 */
int ae_cycle_open(struct ae_cycle *cycle, struct ae_worker *worker, const char *name,
                  uint64_t period_ns, uint64_t deadline_ns, struct ae_error *err);

/* The turn has ended; returns when the next is released. The first call starts the cycle: its first
 * release is a period from now. */
uint64_t ae_cycle_end(struct ae_cycle *cycle, uint64_t now);

/* A turn begins, released by what ae_cycle_end returned last; how late it is is recorded. */
void ae_cycle_begin(struct ae_cycle *cycle, uint64_t now);

/*
 * Ends a turn, spins until the next is released, and begins it. It spins without ae_clock_relax,
 * which would be part of the error. A loop that has something to do meanwhile, such as to poll a
 * port, calls ae_cycle_end, does it until then, and calls ae_cycle_begin.
 */
static inline void ae_cycle_wait(struct ae_cycle *cycle)
{
    uint64_t release = ae_cycle_end(cycle, ae_clock_ticks()), now;

    do
        now = ae_clock_ticks();
    while ((int64_t)(now - release) < 0);
    ae_cycle_begin(cycle, now);
}

#ifdef __cplusplus
}
#endif

#endif
