/* SPDX-License-Identifier: Apache-2.0 */

/* Intel 82574L, the worker's half: sending. */

#include "port/intel/e1000e_queue.h"

#include <errno.h>
#include <string.h>

#include <aether/device.h>

#include "base/barrier.h"

#define FRAME_SHORTEST 60 /* on the wire, without its CRC; TCTL.PSP pads to it, QEMU's does not */

uint16_t ae_e1000e_reclaim(struct ae_queue *base, uint16_t wanted)
{
    struct queue *queue = (struct queue *)base;
    struct send_ring *ring = &queue->send;
    uint16_t reclaimed = 0;

    while (reclaimed < wanted && ring->report_oldest != ring->report_next) {
        uint32_t slot = ring->reports[ring->report_oldest & ring->mask];
        uint32_t last;

        if (!(ring->ring[slot].status_options & TXD_DD))
            break;
        /* Pairs with the card's write-back: it has read the buffers before it set DD. */
        ae_dma_read_barrier();
        last = ring->oldest + ((slot - ring->oldest) & ring->mask);
        for (; ring->oldest != last + 1; ring->oldest++) {
            struct ae_packet *packet = ring->slots[ring->oldest & ring->mask];

            if (packet) {
                ae_pool_return(base->pool, packet);
                reclaimed++;
            }
        }
        ring->report_oldest++;
    }
    return reclaimed;
}

/* Everything that the context descriptor says, as one number: equal numbers share a context. */
static uint32_t context_of(const struct ae_packet *packet)
{
    return (uint32_t)packet->l3_offset | (uint32_t)packet->l4_offset << 8 |
           (packet->flags & AE_PACKET_SEND_TCP_CHECKSUM ? 1u << 16 : 0) | 1u << 17;
}

static inline void fill(struct send_ring *ring, uint64_t address, uint32_t length_command,
                        uint32_t status_options, struct ae_packet *packet)
{
    uint32_t slot = ring->next++ & ring->mask;
    volatile struct e1000e_send *descriptor = &ring->ring[slot];

    ring->slots[slot] = packet;
    descriptor->address = address;
    descriptor->length_command = length_command;
    descriptor->status_options = status_options;
}

/* 7.2.6: where the checksums start, where they go; an end of 0 is the end of the packet. */
static inline void fill_context(struct send_ring *ring, const struct ae_packet *packet)
{
    bool tcp = packet->flags & AE_PACKET_SEND_TCP_CHECKSUM;
    uint64_t ipcss = packet->l3_offset, ipcso = ipcss + 10, ipcse = packet->l4_offset - 1u;
    uint64_t tucss = packet->l4_offset, tucso = tucss + (tcp ? 16 : 6);

    fill(ring, ipcss | ipcso << 8 | ipcse << 16 | tucss << 32 | tucso << 40,
         TXD_DEXT | TXD_TUCMD_IP | (tcp ? TXD_TUCMD_TCP : 0), 0, NULL);
    ring->context = context_of(packet);
}

/* The last packet of a frame, of which so many bytes are in those before it. */
static inline void pad(struct ae_packet *packet, uint32_t before)
{
    uint32_t length = before + packet->length;

    if (length < FRAME_SHORTEST && ae_packet_tailroom(packet) >= FRAME_SHORTEST) {
        memset(packet->data + packet->length, 0, FRAME_SHORTEST - length);
        packet->length = FRAME_SHORTEST - before;
    }
}

static inline void fill_plain(struct send_ring *ring, struct ae_packet *packet)
{
    pad(packet, 0);
    fill(ring, (uintptr_t)packet->data + ring->shift, packet->length | TXD_EOP | TXD_IFCS, 0,
         packet);
}

/*
 * 7.2.7. A frame in one packet or several, perhaps stamped, perhaps with checksums by the card:
 * padding is the card's as well then, for to it ours would be payload. Returns its bytes.
 */
static inline uint32_t fill_segments(struct queue *queue, struct ae_packet *packet)
{
    bool checksums = packet->flags & AE_SEND_CHECKSUMS;
    uint32_t command = TXD_IFCS, options = 0, bytes = 0;
    struct send_ring *ring = &queue->send;
    struct ae_packet *next;

    if (packet->flags & AE_PACKET_SEND_TIMESTAMP && !queue->stamping) {
        queue->stamping = true;
        queue->stamp_end = ring->next + packet->more + 1u;
        options |= TXD_TSTMP;
    }
    if (packet->flags & AE_PACKET_SEND_IPV4_CHECKSUM)
        options |= TXD_IXSM;
    if (packet->flags & (AE_PACKET_SEND_UDP_CHECKSUM | AE_PACKET_SEND_TCP_CHECKSUM))
        options |= TXD_TXSM;
    if (options)
        command |= TXD_DEXT | TXD_DTYP_DATA;
    for (; packet; packet = next) {
        uint32_t before = bytes;

        next = ae_packet_next(packet);
        packet->in_pool = true;
        bytes += packet->length;
        if (!next)
            command |= TXD_EOP;
        if (!next && !checksums)
            pad(packet, before);
        fill(ring, (uintptr_t)packet->data + ring->shift, packet->length | command, options,
             packet);
    }
    return bytes;
}

/* The card sends what lies up to the tail; the last descriptor asks for a report of all. */
static inline void publish(struct send_ring *ring)
{
    uint32_t last = (ring->next - 1) & ring->mask;

    ring->ring[last].length_command |= TXD_RS;
    ring->reports[ring->report_next++ & ring->mask] = (uint16_t)last;
    /* Descriptors and frames are in memory before the tail says so. */
    ae_doorbell_barrier();
    ae_mmio_write32(ring->tail, 0, ring->next & ring->mask);
}

/* One slot stays empty: a full ring must not look like an empty one (7.2.2). */
static inline uint32_t room_of(const struct send_ring *ring)
{
    return ring->mask - (ring->next - ring->oldest);
}

static bool has_room(struct queue *queue, uint32_t slots)
{
    if (room_of(&queue->send) < slots)
        ae_e1000e_reclaim(&queue->base, UINT16_MAX);
    return room_of(&queue->send) >= slots;
}

/* What is left of a burst of which `sent` frames, of so many bytes, have their descriptors: frames
 * of all kinds. */
static __attribute__((noinline)) uint16_t send_rest(struct queue *queue, struct ae_packet **packets,
                                                    uint16_t count, uint16_t sent, uint64_t bytes)
{
    struct send_ring *ring = &queue->send;

    for (; sent < count; sent++) {
        struct ae_packet *packet = packets[sent];
        bool context;

        if (ae_refusal_of(packet, &queue->sendable, AE_SEND_OFFLOADS)) {
            ae_refuse(&queue->base, packet, &queue->sendable, AE_SEND_OFFLOADS);
            break;
        }
        context = packet->flags & AE_SEND_CHECKSUMS && ring->context != context_of(packet);
        if (!has_room(queue, 1u + packet->more + context)) {
            ae_refuse_full(&queue->base, (uint32_t)(count - sent));
            break;
        }
        if (context)
            fill_context(ring, packet);
        bytes += fill_segments(queue, packet);
    }
    if (sent) {
        publish(ring);
        queue->base.counters->sent_frames += sent;
        queue->base.counters->sent_bytes += bytes;
    }
    return sent;
}

uint16_t ae_e1000e_send(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct queue *queue = (struct queue *)base;
    const struct ae_sendable *sendable = &queue->sendable;
    struct send_ring ring; /* a copy, so that it need not be read again after each store */
    uint64_t bytes = 0;
    uint16_t sent = 0;
    uint32_t room;

    /* Not otherwise: the card may be writing what it would read, before this burst's doorbell. */
    if (__builtin_expect(room_of(&queue->send) <= count, 0))
        ae_e1000e_reclaim(base, UINT16_MAX);
    ring = queue->send;
    room = room_of(&ring);
    for (; sent < count && sent < room; sent++) {
        struct ae_packet *packet = packets[sent];

        if (__builtin_expect(!ae_packet_may_be_sent(packet, sendable, 0), 0))
            break;
        packet->in_pool = true; /* it is the ring's now */
        bytes += packet->length;
        fill_plain(&ring, packet);
    }
    queue->send.next = ring.next;
    if (__builtin_expect(sent < count, 0))
        return send_rest(queue, packets, count, sent, bytes);
    if (sent) {
        publish(&ring);
        queue->send.report_next = ring.report_next;
        base->counters->sent_frames += sent;
        base->counters->sent_bytes += bytes;
    }
    return sent;
}

uint32_t ae_e1000e_unsent(const struct ae_queue *base)
{
    const struct send_ring *ring = &((const struct queue *)base)->send;
    uint32_t packets = 0;

    for (uint32_t at = ring->oldest; at != ring->next; at++)
        packets += ring->slots[at & ring->mask] != NULL;
    return packets;
}

int ae_e1000e_sent_timestamp(struct ae_queue *base, uint64_t *ns)
{
    struct queue *queue = (struct queue *)base;
    uint32_t control, low;
    bool sent;

    if (!queue->stamping)
        return -ENOENT;
    ae_e1000e_reclaim(base, UINT16_MAX);
    sent = (int32_t)(queue->send.oldest - queue->stamp_end) >= 0;
    control = ae_mmio_read32(queue->registers, TSYNCTXCTL);
    if (control == UINT32_MAX)
        return -ENODEV;
    if (!(control & TSYNCTXCTL_VALID)) {
        queue->stamping = !sent;
        return sent ? -ENODATA : -EAGAIN;
    }
    low = ae_mmio_read32(queue->registers, TXSTMPL);
    *ns = (uint64_t)ae_mmio_read32(queue->registers, TXSTMPH) << 32 | low;
    queue->stamping = false;
    return 0;
}
