/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_CLOCK_PAIR_H
#define AE_BASE_CLOCK_PAIR_H

#include <stdint.h>

/* The CPU's counter and CLOCK_MONOTONIC_RAW, which no time service adjusts, at one moment. */
struct ae_clock_pair {
    uint64_t ticks; /* ae_clock_ticks */
    uint64_t ns;
    uint64_t width; /* they lie no further apart than so many ticks */
};

/* As close together as one of a few tries gets them. */
struct ae_clock_pair ae_clock_pair_read(void);

#endif
