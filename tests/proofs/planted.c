/* SPDX-License-Identifier: Apache-2.0 */

/* Faults of each kind that the proofs look for, and one that is none: if cbmc does not tell them
 * apart, the proofs are worth nothing. */

#include "any.h"

void planted(void)
{
    uint32_t place = nondet_u32(), rounds = any_below(20);
    int32_t number = (int32_t)any_below(1u << 31);
    uint8_t bytes[4];

    prove(rounds < 20);
    prove(place != 123456789);
    if (place < 5)
        bytes[place] = 1;
    number++;
    for (uint32_t i = 0; i < rounds; i++)
        bytes[0] = 0;
}
