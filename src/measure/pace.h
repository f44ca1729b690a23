/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MEASURE_PACE_H
#define AE_MEASURE_PACE_H

/*
 * An open loop: request i is meant for start + i / rate, whether or not the answers keep up, and
 * latency is counted from then. Times are ticks of ae_clock_ticks.
 */

#include <stdint.h>

struct ae_pace {
    uint64_t start;
    uint64_t hz;
    uint64_t rate; /* per second; 0: back to back, the next is meant for when the last came back */
};

static inline uint64_t ae_pace_intended(const struct ae_pace *pace, uint64_t request)
{
    /* Whole seconds apart, so that nothing is lost to rounding however long it runs. */
    return pace->start + request / pace->rate * pace->hz +
           request % pace->rate * pace->hz / pace->rate;
}

#endif
