/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_DEADLINE_H
#define AETHER_DEADLINE_H

/*
 * A bound on the time between two turns of a loop. Turns that take longer are counted, with when
 * and how long (<aether/loop.h>); a turn in time costs a subtraction, a comparison and an addition.
 *
 *     ae_deadline_open(&deadline, worker, "poll", 20000, &err);
 *     ae_quiet_enter(worker, NULL, &err);
 *     ae_deadline_begin(&deadline, ae_clock_ticks());
 *     while (ae_worker_running(worker)) {
 *         ae_deadline_turn(&deadline, ae_clock_ticks());
 *         ...
 *     }
 *
 * Times are ticks of ae_clock_ticks, whose wrap does no harm. Of the worker's thread. The worker is
 * not finished before its last turn.
 */

#include <stdint.h>

#include <aether/error.h>
#include <aether/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ae_shared_loop;

struct ae_deadline {
    uint64_t last; /* turn, ticks */
    uint64_t bound;
    uint64_t start;
    uint64_t *turns;
    struct ae_shared_loop *loop;
};

/* bound_ns: 1 to 10^10. The name is cut to fit AE_WORKER_NAME. Not after ae_quiet_enter. -ENOSPC:
 * the worker has AE_WORKER_LOOPS. */
int ae_deadline_open(struct ae_deadline *deadline, struct ae_worker *worker, const char *name,
                     uint64_t bound_ns, struct ae_error *err);

/* The first turn begins now; also after something that is meant to take long. */
static inline void ae_deadline_begin(struct ae_deadline *deadline, uint64_t now)
{
    deadline->last = now;
    if (!*deadline->turns)
        deadline->start = now;
}

/* Counts a turn that took longer than the bound; see ae_deadline_turn. */
void ae_deadline_missed(const struct ae_deadline *deadline, uint64_t ticks);

/* A turn has ended, and the next begins. */
static inline void ae_deadline_turn(struct ae_deadline *deadline, uint64_t now)
{
    uint64_t took = now - deadline->last;

    deadline->last = now;
    ++*deadline->turns;
    if (__builtin_expect(took > deadline->bound, 0))
        ae_deadline_missed(deadline, took);
}

#ifdef __cplusplus
}
#endif

#endif
