/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "chains.h"

uint8_t chain_byte(uint32_t number, uint32_t at)
{
    return (uint8_t)(number * 31 + at * 7 + (at >> 8));
}

/* Of so many bytes in so many segments, how many are in the next one. */
static uint32_t cut(uint32_t left, uint32_t segments, uint32_t room, uint32_t least)
{
    uint32_t most = left - (segments - 1) < room ? left - (segments - 1) : room;

    if ((segments - 1) * (uint64_t)room + least < left)
        least = left - (segments - 1) * room;
    return least + (uint32_t)rand() % (most - least + 1);
}

struct ae_packet *chain_make(struct ae_pool *pool, uint32_t number, uint32_t length,
                             uint32_t segments)
{
    uint32_t room = pool->buffer_size - AE_PACKET_HEADROOM, fewest = (length + room - 1) / room;
    struct ae_packet *first = NULL, *last = NULL;
    uint32_t count, at = 0;

    if (segments > length - 13)
        segments = length - 13;
    count = segments <= fewest ? fewest : fewest + (uint32_t)rand() % (segments - fewest + 1);
    if (ae_pool_available(pool) < count)
        return NULL;
    for (; count; count--) {
        struct ae_packet *packet = ae_packet_get(pool);

        packet->length = cut(length - at, count, room, first ? 1 : 14);
        packet->more = (uint8_t)(count - 1);
        for (uint32_t i = 0; i < packet->length; i++)
            packet->data[i] = chain_byte(number, at++);
        if (last)
            last->next = packet;
        else
            first = packet;
        last = packet;
    }
    return first;
}

void chain_check(const struct ae_packet *packet, const struct ae_pool *pool, uint32_t number,
                 uint32_t length)
{
    uint32_t at = 0;

    assert_int_equal(ae_packet_total(packet), length);
    assert_true(packet->length >= 14);
    for (; packet; packet = ae_packet_next(packet)) {
        assert_ptr_equal(packet->pool, pool);
        assert_false(packet->in_pool);
        assert_in_range(packet->length, 1, pool->buffer_size);
        assert_true(packet->data >= packet->buffer &&
                    packet->data + packet->length <= packet->buffer + pool->buffer_size);
        if (packet->more)
            assert_int_equal(packet->next->more, packet->more - 1);
        for (uint32_t i = 0; i < packet->length; i++, at++)
            if (packet->data[i] != chain_byte(number, at))
                fail_msg("frame %u differs at byte %u of %u", number, at, length);
    }
}
