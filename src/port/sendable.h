/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_SENDABLE_H
#define AE_PORT_SENDABLE_H

/*
 * What may be sent: one rule for all drivers, the one that ae_send promises in <aether/port.h>. A
 * driver's device reads what the packet says, so a packet that says something wrong would have it
 * read another frame, or memory that holds none.
 */

#include <stdbool.h>
#include <string.h>

#include <aether/packet.h>
#include <aether/port.h>

#define AE_FRAME_MIN      14u                /* an Ethernet header */
#define AE_FRAME_MAX(mtu) ((mtu) + 14u + 4u) /* with one VLAN tag */

#define AE_SEND_CHECKSUMS                                                    \
    ((uint32_t)(AE_PACKET_SEND_IPV4_CHECKSUM | AE_PACKET_SEND_UDP_CHECKSUM | \
                AE_PACKET_SEND_TCP_CHECKSUM))
#define AE_SEND_OFFLOADS (AE_SEND_CHECKSUMS | (uint32_t)AE_PACKET_SEND_TIMESTAMP)

/* Flags, in_pool and more in one word, so that one test is enough for all. */
#define AE_PACKET_WORD_IN_POOL (UINT64_C(0xff) << 32)
#define AE_PACKET_WORD_MORE    (UINT64_C(0xff) << 56)

_Static_assert(offsetof(struct ae_packet, flags) % 8 == 0 &&
                   offsetof(struct ae_packet, in_pool) == offsetof(struct ae_packet, flags) + 4 &&
                   offsetof(struct ae_packet, more) == offsetof(struct ae_packet, flags) + 7,
               "one word, little-endian");

static inline uint64_t ae_packet_word(const struct ae_packet *packet)
{
    uint64_t word;

    memcpy(&word, (const uint8_t *)packet + offsetof(struct ae_packet, flags), sizeof(word));
    return word;
}

/* What a queue lets out; made when it is attached. */
struct ae_sendable {
    const struct ae_pool *pool; /* whose packets */
    uint32_t span;              /* bytes of the longest frame in one packet, less the shortest */
    uint32_t spare;             /* so far behind the first place there is, that frame still fits */
    uint32_t longest;           /* bytes of the longest frame in several packets */
    uint32_t segments;          /* packets of a frame, at most; 1: it has to be in one */
};

/* Frames up to `longest` bytes, in packets of this pool: up to `segments` of them each. */
struct ae_sendable ae_sendable_make(const struct ae_pool *pool, uint32_t longest,
                                    uint32_t segments);

/* Of a packet that may be sent and asks for an offload: do headers lie where it says, inside the
 * frame? */
bool ae_offload_is_sound(const struct ae_packet *packet);

/*
 * May this frame go out, in one packet or several? AE_REFUSAL_NONE: it may. Offloads as below, and
 * those that are asked for are possible.
 */
enum ae_refusal ae_refusal_of(const struct ae_packet *packet, const struct ae_sendable *sendable,
                              uint32_t offloads);

/*
 * May this packet go out, a frame by itself? offloads: those flags of AE_SEND_OFFLOADS that the
 * port has; whether what is asked of them is possible, ae_offload_is_sound says.
 */
static inline __attribute__((always_inline)) bool ae_packet_may_be_sent(
    const struct ae_packet *packet, const struct ae_sendable *sendable, uint32_t offloads)
{
    const uint64_t refused =
        AE_PACKET_WORD_IN_POOL | AE_PACKET_WORD_MORE | (AE_SEND_OFFLOADS & ~offloads);
    /* Both wrap to large numbers: a frame that begins too early, one that is too short. */
    uint64_t start = (uint64_t)(packet->data - packet->buffer) - AE_PACKET_SEND_HEADROOM;
    uint32_t over = packet->length - AE_FRAME_MIN;

    if (__builtin_expect(over > sendable->span || packet->pool != sendable->pool ||
                             ae_packet_word(packet) & refused,
                         0))
        return false;
    /* So far back that not every length fits: does this one? It is at most the room there is. */
    return __builtin_expect(start <= sendable->spare, 1) ||
           start <= sendable->pool->buffer_size - AE_PACKET_SEND_HEADROOM - packet->length;
}

/* A send ended at this packet, which may not go out: counts it, and says why. */
void ae_refuse(struct ae_queue *queue, const struct ae_packet *packet,
               const struct ae_sendable *sendable, uint32_t offloads);

/* A send ended without room for so many frames. */
static inline void ae_refuse_full(struct ae_queue *queue, uint32_t count)
{
    queue->counters->send_full += count;
    queue->refusal = AE_REFUSAL_FULL;
}

/* Likewise, and there will be none until the other end is back. */
static inline void ae_refuse_away(struct ae_queue *queue, uint32_t count)
{
    queue->counters->send_full += count;
    queue->refusal = AE_REFUSAL_AWAY;
}

#endif
