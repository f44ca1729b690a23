/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_TIMER_H
#define AETHER_TIMER_H

/*
 * Timers for a hot loop: no system call, no allocation once made, and bounded work a turn.
 *
 *     ae_timers_create(&timers, 1000, &err);
 *     ae_timer_set(timers, &session->timer, now + ae_clock_from_ns(200000000));
 *     while (ae_worker_running(worker)) {
 *         now = ae_clock_ticks();
 *         while ((timer = ae_timers_due(timers, now)) && budget--)
 *             ...                          what contains it; it may be set again at once
 *     }
 *
 * A timer is part of what it is about, and is set at most once. Setting one, clearing one and
 * taking one that is due cost the logarithm of how many are set; asking whether any is due costs a
 * comparison. Each call takes one, so how many a turn takes is the loop's to say; those of the same
 * time come in no order.
 *
 * Times are ticks of ae_clock_ticks, whose wrap does no harm as long as all that are set, and now,
 * lie within 2^63 of each other. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <aether/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AE_TIMERS_MOST (1u << 24)

/* Zeroed before it is set first. */
struct ae_timer {
    uint64_t at;    /* ticks, while it is set */
    uint32_t place; /* in the heap, from 1; 0: it is not set */
};

/* The first is the earliest; the rest is a heap. */
struct ae_timers {
    uint32_t count;
    uint32_t room;
    struct ae_timer **heap; /* each no later than those in twice its place, and one behind */
};

/* For at most `room` timers set at once, 1 to AE_TIMERS_MOST. -EINVAL, -ENOMEM. */
int ae_timers_create(struct ae_timers **timers, uint32_t room, struct ae_error *err);

/* Timers that are set are forgotten as they are: set them no more. NULL is allowed. */
void ae_timers_destroy(struct ae_timers *timers);

static inline bool ae_timer_is_set(const struct ae_timer *timer)
{
    return timer->place != 0;
}

/* To be due at that time, or at that time instead; one that has passed is due at once. False: as
 * many as there is room for are set. */
bool ae_timer_set(struct ae_timers *timers, struct ae_timer *timer, uint64_t at);

/* No-op for one that is not set. */
void ae_timer_clear(struct ae_timers *timers, struct ae_timer *timer);

/* The earliest timer; NULL: none is set. */
static inline struct ae_timer *ae_timers_next(const struct ae_timers *timers)
{
    return timers->count ? timers->heap[1] : NULL;
}

/* The earliest timer that is due, which is set no more; NULL: none is due. */
static inline struct ae_timer *ae_timers_due(struct ae_timers *timers, uint64_t now)
{
    struct ae_timer *first = ae_timers_next(timers);

    if (!first || (int64_t)(now - first->at) < 0)
        return NULL;
    ae_timer_clear(timers, first);
    return first;
}

#ifdef __cplusplus
}
#endif

#endif
