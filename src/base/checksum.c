/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"

#include <string.h>

uint16_t ae_sum_bytes(const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    uint64_t sum = 0;

    /* 32-bit words into 64 bits: 2^32 of them would fit before a carry is lost. */
    for (; length >= 8; at += 8, length -= 8) {
        uint64_t word;

        memcpy(&word, at, 8);
        sum += (word & 0xffffffff) + (word >> 32);
    }
    if (length) {
        uint64_t word = 0;

        /* What is missing counts as zero, at whatever length the bytes end. */
        memcpy(&word, at, length);
        sum += (word & 0xffffffff) + (word >> 32);
    }
    return ae_sum_fold(sum);
}
