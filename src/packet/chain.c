/* SPDX-License-Identifier: Apache-2.0 */

/* Frames in several packets, as bytes. */

#include <errno.h>
#include <string.h>

#include "base/checksum.h"
#include "packet/sum.h"

static uint32_t least(uint32_t one, uint32_t other)
{
    return one < other ? one : other;
}

int ae_packet_append(struct ae_packet *packet, const void *bytes, uint32_t length)
{
    struct ae_pool *pool = packet->pool;
    uint32_t room = pool->buffer_size - AE_PACKET_HEADROOM, here, more;
    struct ae_packet *last = packet;
    const uint8_t *from = bytes;

    while (last->more)
        last = last->next;
    here = least(length, ae_packet_tailroom(last));
    more = (length - here) / room + ((length - here) % room != 0);
    if (more > UINT8_MAX - (uint32_t)packet->more)
        return -EMSGSIZE;
    if (more > ae_pool_available(pool)) {
        pool->exhausted++;
        return -ENOBUFS;
    }
    for (; more && packet != last; packet = packet->next)
        packet->more = (uint8_t)(packet->more + more);
    for (;;) {
        memcpy(last->data + last->length, from, here);
        last->length += here;
        last->more = (uint8_t)more;
        if (!more)
            return 0;
        from += here;
        length -= here;
        here = least(length, room);
        last->next = ae_packet_get(pool);
        last = last->next;
        more--;
    }
}

uint32_t ae_packet_read(const struct ae_packet *packet, uint32_t offset, void *bytes,
                        uint32_t length)
{
    uint8_t *to = bytes;
    uint32_t done = 0;

    for (; packet && done < length; packet = ae_packet_next(packet)) {
        uint32_t skip = least(offset, packet->length);
        uint32_t here = least(length - done, packet->length - skip);

        if (here)
            memcpy(to + done, packet->data + skip, here);
        offset -= skip;
        done += here;
    }
    return done;
}

void ae_packet_trim(struct ae_packet *packet, uint32_t length)
{
    struct ae_packet *last = packet, *rest;
    uint8_t more = 0;

    for (; last->more && last->length < length; last = last->next, more++)
        length -= last->length;
    last->length = least(last->length, length);
    rest = ae_packet_next(last);
    for (; packet != last; packet = packet->next)
        packet->more = more--;
    last->more = 0;
    if (rest)
        ae_packet_put(rest);
}

uint16_t ae_packet_sum(const struct ae_packet *packet, uint32_t offset, uint32_t length)
{
    uint32_t done = 0;
    uint64_t sum = 0;

    for (; packet && done < length; packet = ae_packet_next(packet)) {
        uint32_t skip = least(offset, packet->length);
        uint32_t here = least(length - done, packet->length - skip);
        uint16_t part = ae_sum_bytes(packet->data + skip, here);

        /* Behind an odd number of bytes, each is the other half of its word. */
        sum += done % 2 ? __builtin_bswap16(part) : part;
        offset -= skip;
        done += here;
    }
    return ae_sum_fold(sum);
}
