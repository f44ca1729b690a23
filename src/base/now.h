/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_NOW_H
#define AE_BASE_NOW_H

#include <stdint.h>
#include <time.h>

/* Milliseconds of CLOCK_MONOTONIC, for what may take a while. May be called from a signal
 * handler. */
static inline int64_t ae_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
