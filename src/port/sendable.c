/* SPDX-License-Identifier: Apache-2.0 */
#include "port/sendable.h"

#define IP_HEADER  20u /* the shortest */
#define UDP_HEADER 8u
#define TCP_HEADER 20u

struct ae_sendable ae_sendable_make(const struct ae_pool *pool, uint32_t longest)
{
    uint32_t room = pool->buffer_size - AE_PACKET_SEND_HEADROOM;

    if (longest > room)
        longest = room;
    return (struct ae_sendable){
        .pool = pool, .span = longest - AE_FRAME_MIN, .spare = room - longest};
}

bool ae_offload_is_sound(const struct ae_packet *packet)
{
    bool udp = packet->flags & AE_PACKET_SEND_UDP_CHECKSUM;
    bool tcp = packet->flags & AE_PACKET_SEND_TCP_CHECKSUM;
    uint32_t l4_header = tcp ? TCP_HEADER : udp ? UDP_HEADER : 0;

    /* The offsets tell the device where to read and write: inside the frame, or not at all. */
    return !(udp && tcp) && packet->l3_offset >= AE_FRAME_MIN &&
           packet->l4_offset >= packet->l3_offset + IP_HEADER &&
           packet->length >= packet->l4_offset + l4_header;
}

static enum ae_refusal why(const struct ae_packet *packet, const struct ae_sendable *sendable,
                           uint32_t offloads)
{
    uint32_t asked = packet->flags & AE_SEND_OFFLOADS;

    if (packet->pool != sendable->pool)
        return AE_REFUSAL_POOL;
    if (packet->in_pool)
        return AE_REFUSAL_NOT_YOURS;
    if (packet->more)
        return AE_REFUSAL_SEGMENTS;
    if (packet->length - AE_FRAME_MIN > sendable->span)
        return AE_REFUSAL_LENGTH;
    if (!ae_packet_may_be_sent(packet, sendable, AE_SEND_OFFLOADS))
        return AE_REFUSAL_PLACE;
    return asked & ~offloads || (asked && !ae_offload_is_sound(packet)) ? AE_REFUSAL_OFFLOAD
                                                                        : AE_REFUSAL_NONE;
}

void ae_refuse(struct ae_queue *queue, const struct ae_packet *packet,
               const struct ae_sendable *sendable, uint32_t offloads)
{
    queue->counters->send_bad++;
    queue->refusal = why(packet, sendable, offloads);
}

const char *ae_refusal_text(enum ae_refusal refusal)
{
    static const char *const texts[] = {
        [AE_REFUSAL_NONE] = "nothing was refused",
        [AE_REFUSAL_FULL] = "the ring is full",
        [AE_REFUSAL_AWAY] = "nobody is at the other end, or the ring is broken",
        [AE_REFUSAL_NOT_YOURS] = "the packet was put or sent before",
        [AE_REFUSAL_POOL] = "the packet is of another queue's pool",
        [AE_REFUSAL_SEGMENTS] = "the frame is in several packets",
        [AE_REFUSAL_LENGTH] = "the frame is too short or too long",
        [AE_REFUSAL_PLACE] = "the frame is not in its buffer behind the headroom",
        [AE_REFUSAL_OFFLOAD] = "the port does not have the offload, or it cannot be done",
    };

    return refusal < sizeof(texts) / sizeof(texts[0]) ? texts[refusal] : "unknown";
}
