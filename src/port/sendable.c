/* SPDX-License-Identifier: Apache-2.0 */
#include "port/sendable.h"

#define IP_HEADER  20u /* the shortest */
#define UDP_HEADER 8u
#define TCP_HEADER 20u

struct ae_sendable ae_sendable_make(const struct ae_pool *pool, uint32_t longest, uint32_t segments)
{
    uint32_t room = pool->buffer_size - AE_PACKET_SEND_HEADROOM;
    uint32_t in_one = longest < room ? longest : room;

    return (struct ae_sendable){.pool = pool,
                                .span = in_one - AE_FRAME_MIN,
                                .spare = room - in_one,
                                .longest = longest,
                                .segments = segments};
}

bool ae_offload_is_sound(const struct ae_packet *packet)
{
    bool udp = packet->flags & AE_PACKET_SEND_UDP_CHECKSUM;
    bool tcp = packet->flags & AE_PACKET_SEND_TCP_CHECKSUM;
    uint32_t l4_header = tcp ? TCP_HEADER : udp ? UDP_HEADER : 0;

    if (!(packet->flags & AE_SEND_CHECKSUMS))
        return true;
    /* The offsets tell the device where to read and write: inside the frame, or not at all. */
    return !(udp && tcp) && packet->l3_offset >= AE_FRAME_MIN &&
           packet->l4_offset >= packet->l3_offset + IP_HEADER &&
           packet->length >= packet->l4_offset + l4_header;
}

/* Of a segment that lies `from` bytes or more into its buffer. Its length may be any. */
static enum ae_refusal why_not_segment(const struct ae_packet *packet,
                                       const struct ae_sendable *sendable, uint32_t from)
{
    uint32_t room = sendable->pool->buffer_size - from;
    uint64_t start;

    if (packet->pool != sendable->pool)
        return AE_REFUSAL_POOL;
    if (packet->in_pool)
        return AE_REFUSAL_NOT_YOURS;
    if (packet->length == 0 || packet->length > room)
        return AE_REFUSAL_LENGTH;
    start = (uintptr_t)packet->data - (uintptr_t)packet->buffer - from;
    return start > room - packet->length ? AE_REFUSAL_PLACE : AE_REFUSAL_NONE;
}

/* What is behind the first packet is looked at one by one, for each says whether there is another;
 * as many as that one says, or it is no chain. */
static enum ae_refusal why_not_chain(const struct ae_packet *packet,
                                     const struct ae_sendable *sendable)
{
    uint64_t total = packet->length;

    if (packet->more >= sendable->segments)
        return AE_REFUSAL_SEGMENTS;
    for (unsigned more = packet->more; more-- > 0;) {
        enum ae_refusal refusal;

        packet = packet->next;
        if (!packet || packet->more != more)
            return AE_REFUSAL_SEGMENTS;
        refusal = why_not_segment(packet, sendable, 0);
        if (refusal)
            return refusal;
        total += packet->length;
    }
    return total > sendable->longest ? AE_REFUSAL_LENGTH : AE_REFUSAL_NONE;
}

enum ae_refusal ae_refusal_of(const struct ae_packet *packet, const struct ae_sendable *sendable,
                              uint32_t offloads)
{
    uint32_t asked = packet->flags & AE_SEND_OFFLOADS;
    enum ae_refusal refusal = why_not_segment(packet, sendable, AE_PACKET_SEND_HEADROOM);

    if (!refusal && packet->length < AE_FRAME_MIN)
        refusal = AE_REFUSAL_LENGTH;
    if (!refusal)
        refusal = why_not_chain(packet, sendable);
    if (!refusal && asked && (asked & ~offloads || !ae_offload_is_sound(packet)))
        refusal = AE_REFUSAL_OFFLOAD;
    return refusal;
}

void ae_refuse(struct ae_queue *queue, const struct ae_packet *packet,
               const struct ae_sendable *sendable, uint32_t offloads)
{
    queue->counters->send_bad++;
    queue->refusal = ae_refusal_of(packet, sendable, offloads);
}

const char *ae_refusal_text(enum ae_refusal refusal)
{
    static const char *const texts[] = {
        [AE_REFUSAL_NONE] = "nothing was refused",
        [AE_REFUSAL_FULL] = "the ring is full",
        [AE_REFUSAL_AWAY] = "nobody is at the other end, or the ring is broken",
        [AE_REFUSAL_NOT_YOURS] = "the packet was put or sent before",
        [AE_REFUSAL_POOL] = "the packet is of another domain",
        [AE_REFUSAL_SEGMENTS] =
            "the frame is in more packets than the port takes, or they are no chain",
        [AE_REFUSAL_LENGTH] = "the frame is too short or too long",
        [AE_REFUSAL_PLACE] = "the frame is not in its buffer behind the headroom",
        [AE_REFUSAL_OFFLOAD] = "the port does not have the offload, or it cannot be done",
    };

    return refusal < sizeof(texts) / sizeof(texts[0]) ? texts[refusal] : "unknown";
}
