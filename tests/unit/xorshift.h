/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_XORSHIFT_H
#define AE_TESTS_XORSHIFT_H

#include <stdint.h>

/* xorshift64: the same numbers in every run. */
static uint64_t next_random(void)
{
    static uint64_t x = 88172645463325252ull;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

#endif
