/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_MADE_E1000E_H
#define AE_TESTS_MADE_E1000E_H

/* The registers of an 82574L that its owner uses, as the datasheet has them, on a made-up
 * function. */

#include <stdbool.h>
#include <stdint.h>

#include "made_function.h"
#include "port/intel/e1000e_regs.h"

struct made_e1000e {
    bool gone; /* reads are all ones */
    bool never_reset, never_nvm, never_stops;
    bool masters;   /* GIO master enable */
    unsigned stops; /* how often it was told to master the bus no more */
    bool linked;
    uint8_t mac[6];
    bool no_mac;                                /* the NVM's address is not valid */
    uint64_t ns;                                /* its clock */
    bool clock_stands, clock_jumps, clock_lies; /* its upper half is another at each reading */
    uint32_t gone_after;                        /* reads until it is gone; 0: it stays */
};

extern struct made_e1000e made_e1000e;

void made_e1000e_begin(void);
uint32_t made_e1000e_get(uint32_t offset);
void made_e1000e_set(uint32_t offset, uint32_t value);

#endif
