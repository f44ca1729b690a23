/* SPDX-License-Identifier: Apache-2.0 */

/* A binary heap (Knuth, The Art of Computer Programming, volume 3, 5.2.3), each of whose timers
 * knows its place, so that it can leave from anywhere. */

#include <aether/timer.h>

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"

int ae_timers_create(struct ae_timers **out, uint32_t room, struct ae_error *err)
{
    struct ae_timers *timers;

    if (!room || room > AE_TIMERS_MOST)
        return ae_error_set(err, -EINVAL, "room for %u timers: 1 to %u are possible", room,
                            AE_TIMERS_MOST);
    timers = calloc(1, sizeof(*timers) + (room + (size_t)1) * sizeof(timers->heap[0]));
    if (!timers)
        return ae_error_set(err, -ENOMEM, "making room for %u timers: out of memory", room);
    timers->room = room;
    timers->heap = (struct ae_timer **)(timers + 1);
    *out = timers;
    return 0;
}

void ae_timers_destroy(struct ae_timers *timers)
{
    free(timers);
}

static bool is_before(const struct ae_timer *one, const struct ae_timer *other)
{
    return (int64_t)(one->at - other->at) < 0;
}

static void put(struct ae_timers *timers, struct ae_timer *timer, uint32_t place)
{
    timers->heap[place] = timer;
    timer->place = place;
}

/* Moves into its place what would be at this one, where there is a hole. */
static void settle(struct ae_timers *timers, struct ae_timer *timer, uint32_t place)
{
    struct ae_timer **heap = timers->heap;

    for (; place > 1 && is_before(timer, heap[place / 2]); place /= 2)
        put(timers, heap[place / 2], place);
    for (uint32_t child; (child = 2 * place) <= timers->count; place = child) {
        if (child < timers->count && is_before(heap[child + 1], heap[child]))
            child++;
        if (!is_before(heap[child], timer))
            break;
        put(timers, heap[child], place);
    }
    put(timers, timer, place);
}

bool ae_timer_set(struct ae_timers *timers, struct ae_timer *timer, uint64_t at)
{
    if (!timer->place) {
        if (timers->count == timers->room)
            return false;
        timer->place = ++timers->count;
    }
    timer->at = at;
    settle(timers, timer, timer->place);
    return true;
}

void ae_timer_clear(struct ae_timers *timers, struct ae_timer *timer)
{
    uint32_t place = timer->place;
    struct ae_timer *last;

    if (!place)
        return;
    timer->place = 0;
    last = timers->heap[timers->count--];
    if (last != timer)
        settle(timers, last, place);
}
