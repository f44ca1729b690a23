/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_CHAINS_H
#define AE_TESTS_CHAINS_H

/* Frames of any length in several packets, cut at random (rand), each byte told by its place and
 * the frame's number. */

#include <aether/packet.h>

/* NULL: the pool has too few packets. At most `segments` of them, none beyond what it can hold; the
 * first holds 14 bytes or more. */
struct ae_packet *chain_make(struct ae_pool *pool, uint32_t number, uint32_t length,
                             uint32_t segments);

/* The test fails where it is not the frame of that number and length, in packets of this pool. */
void chain_check(const struct ae_packet *packet, const struct ae_pool *pool, uint32_t number,
                 uint32_t length);

uint8_t chain_byte(uint32_t number, uint32_t at);

#endif
