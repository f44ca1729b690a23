/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/clock.h>

#include <errno.h>
#include <time.h>

#include "base/clock_pair.h"
#include "base/error.h"

#define NS_PER_SECOND  UINT64_C(1000000000)
#define CALIBRATION_NS (20 * 1000 * 1000)

static uint64_t hz;

static uint64_t monotonic_raw(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

struct ae_clock_pair ae_clock_pair_read(void)
{
    struct ae_clock_pair best = {0};
    uint64_t narrowest = UINT64_MAX;

    for (int i = 0; i < 8; i++) {
        uint64_t before = ae_clock_ticks();
        uint64_t ns = monotonic_raw();
        uint64_t after = ae_clock_ticks();

        if (after - before < narrowest) {
            narrowest = after - before;
            best = (struct ae_clock_pair){before + (after - before) / 2, ns, after - before};
        }
    }
    return best;
}

int ae_clock_calibrate(struct ae_error *err)
{
    struct ae_clock_pair first, last;

    if (hz)
        return 0;
    first = ae_clock_pair_read();
    do {
        last = ae_clock_pair_read();
    } while (last.ns - first.ns < CALIBRATION_NS);
    if (last.ticks <= first.ticks)
        return ae_error_set(err, -EIO,
                            "calibrating the clock: the CPU's time counter went from %llu to %llu "
                            "in 20 ms; Aether needs a counter that runs (on x86, a TSC)",
                            (unsigned long long)first.ticks, (unsigned long long)last.ticks);
    hz = (uint64_t)((__uint128_t)(last.ticks - first.ticks) * NS_PER_SECOND / (last.ns - first.ns));
    return 0;
}

uint64_t ae_clock_hz(void)
{
    return hz;
}

uint64_t ae_clock_to_ns(uint64_t ticks)
{
    return hz ? (uint64_t)((__uint128_t)ticks * NS_PER_SECOND / hz) : 0;
}

uint64_t ae_clock_from_ns(uint64_t ns)
{
    return (uint64_t)((__uint128_t)ns * hz / NS_PER_SECOND);
}
