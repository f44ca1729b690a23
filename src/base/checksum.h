/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_CHECKSUM_H
#define AE_BASE_CHECKSUM_H

/* The Internet checksum (RFC 1071), on sums that are not yet folded or complemented. */

#include <stddef.h>
#include <stdint.h>

/* The one's complement sum of bytes as they lie in memory, folded to 16 bits; any alignment. */
uint16_t ae_sum_bytes(const void *bytes, size_t length);

static inline uint16_t ae_sum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* What a field of UDP's or TCP's is to hold: never 0, by which UDP says that there is none (RFC
 * 768), but 0xffff, which adds up to the same. */
static inline uint16_t ae_sum_finish(uint64_t sum)
{
    uint16_t checksum = (uint16_t)~ae_sum_fold(sum);

    return checksum ? checksum : 0xffff;
}

/* Of the pseudo-header (RFC 768); addresses as on the wire, length in host order. */
static inline uint64_t ae_sum_pseudo(uint32_t source, uint32_t destination, uint8_t protocol,
                                     uint16_t length)
{
    return (uint64_t)source + destination + __builtin_bswap16(protocol) + __builtin_bswap16(length);
}

#endif
