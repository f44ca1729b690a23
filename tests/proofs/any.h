/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ANY_H
#define ANY_H

/* cbmc looks at all values at once of what these return: a proof holds for each of them. */

#include <stdbool.h>
#include <stdint.h>

bool nondet_bool(void);
uint16_t nondet_u16(void);
uint32_t nondet_u32(void);
uint64_t nondet_u64(void);

#define assume(condition) __CPROVER_assume(condition)
#define prove(condition)  __CPROVER_assert(condition, #condition)

static inline uint32_t any_below(uint32_t limit)
{
    uint32_t value = nondet_u32();

    assume(value < limit);
    return value;
}

#endif
