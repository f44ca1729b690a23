/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/limits.h"

void ae_limits_begin(struct ae_limits *limits, uint64_t now)
{
    limits->counted_ms = now;
    limits->settled_ms = now + AE_LIMITS_SETTLE_MS;
}

void ae_limits_quiet(struct ae_limits *limits, uint64_t now)
{
    limits->counted_ms = now < limits->settled_ms ? now : limits->settled_ms;
}

void ae_limits_held(struct ae_limits *limits, uint64_t duration)
{
    limits->counted_ms += duration;
    limits->settled_ms += duration;
    if (limits->asked_ms)
        limits->asked_ms += duration;
}

void ae_limits_ask(struct ae_limits *limits, uint64_t now)
{
    if (!limits->asked_ms)
        limits->asked_ms = now;
}

void ae_limits_signal(struct ae_limits *limits, uint64_t now)
{
    uint64_t first = __atomic_load_n(&limits->signalled_ms, __ATOMIC_RELAXED);

    if (!first)
        __atomic_store_n(&limits->signalled_ms, now, __ATOMIC_RELAXED);
    else if (now - first >= AE_LIMITS_AGAIN_MS)
        __atomic_store_n(&limits->insisted, 1, __ATOMIC_RELAXED);
}

/* Our own doing may have moved a moment past the present one. */
static uint64_t since(uint64_t moment, uint64_t now)
{
    return now > moment ? now - moment : 0;
}

enum ae_limits_answer ae_limits_look(const struct ae_limits *limits, uint64_t now)
{
    if (__atomic_load_n(&limits->insisted, __ATOMIC_RELAXED))
        return AE_LIMITS_END;
    if (limits->asked_ms)
        return since(limits->asked_ms, now) >= limits->grace_ms ? AE_LIMITS_END : AE_LIMITS_ASK;
    if (__atomic_load_n(&limits->signalled_ms, __ATOMIC_RELAXED) ||
        (limits->stop_after_ms && since(limits->counted_ms, now) >= limits->stop_after_ms))
        return AE_LIMITS_ASK;
    return AE_LIMITS_GO_ON;
}
