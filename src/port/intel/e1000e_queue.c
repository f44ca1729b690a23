/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Intel 82574L, the worker's half: attaching, and receiving. One receive and one transmit ring,
 * polled. The only registers it touches are the two tails, and it only writes them, so that a
 * device that is gone stops no loop; and those of a timestamp, while the program asks for one.
 *
 * What is in a slot is remembered here; of what the device writes, only the done bits, a length and
 * the flags are believed, and a length only after it was checked.
 */

#include "port/intel/e1000e_queue.h"

#include <errno.h>
#include <stdlib.h>

#include <aether/device.h>

#include "base/barrier.h"
#include "base/error.h"

#define PACKET_MAX     AE_FRAME_MAX(1500u) /* bytes in one packet, whatever the MTU */
#define REFILL         32u                 /* receive descriptors are refilled in as many */
#define RECEIVE_ERRORS (RXD_CE | RXD_SE | RXD_SEQ | RXD_CXE | RXD_RXE)

/*
 * Some of a buffer is headroom. With RCTL.LPE 0, RCTL.BSIZE says 2048, but the card drops what is
 * longer than 1522 bytes before it writes it (10.2.5.1); with LPE 1 BSIZE says 1024.
 */
_Static_assert(AE_PACKET_HEADROOM + 1522 <= AE_DOMAIN_BUFFER_LEAST,
               "what the card writes is inside");

/* ---- What keeps out of the way of frames ---- */

/* Every free slot but one gets a packet, as far as there are any: to the card, a full ring would
 * look like one of which it owns nothing. */
static __attribute__((noinline)) void refill(struct queue *queue)
{
    struct receive_ring *ring = &queue->receive;
    struct ae_pool *pool = queue->base.pool;
    uint32_t wanted = ring->mask - ring->left, first = ring->next + ring->left;
    uint32_t count = ae_pool_available(pool) < wanted ? ae_pool_available(pool) : wanted;
    struct ae_packet **packets = ae_pool_take(pool, count);

    /* Each slot that the pool has no packet for is counted once. */
    if (wanted - count > ring->starved)
        queue->base.counters->receive_no_buffer += wanted - count - ring->starved;
    ring->starved = wanted - count;
    if (count == 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = (first + i) & ring->mask;

        ring->slots[slot] = packets[i];
        ring->ring[slot].read.buffer_address = (uintptr_t)packets[i]->buffer + ring->shift;
        ring->ring[slot].read.reserved = 0;
    }
    ring->left += count;
    /* Descriptors are in memory before the tail says so. The card owns up to, not with, RDT. */
    ae_doorbell_barrier();
    ae_mmio_write32(ring->tail, 0, (first + count) & ring->mask);
}

static uint16_t idle(struct queue *queue)
{
    if (queue->receive.mask - queue->receive.left >= queue->receive.batch)
        refill(queue);
    if (queue->send.next - queue->send.oldest > queue->send.mask / 2)
        ae_e1000e_reclaim(&queue->base, UINT16_MAX);
    return 0;
}

/* ---- Receive ---- */

/* 7.1.10: a verdict counts only where the card says that it looked. */
static uint32_t checksum_flags(uint32_t status)
{
    uint32_t flags = 0;

    if (status & RXD_IXSM)
        return 0;
    if (status & RXD_IPCS)
        flags |= status & RXD_IPE ? AE_PACKET_IPV4_BAD : AE_PACKET_IPV4_GOOD;
    if (status & (RXD_L4CS | RXD_UDPCS))
        flags |= status & RXD_L4E ? AE_PACKET_L4_BAD : AE_PACKET_L4_GOOD;
    return flags;
}

/* What the card wrote into the second half of a descriptor, read at once: it is aligned, so that no
 * part of it is older than DD. */
struct written {
    uint32_t status;
    uint32_t length;
};

static inline struct written written_at(const volatile union e1000e_receive *descriptor)
{
    const volatile void *half = &descriptor->write_back.status_error;
    uint64_t word = *(const volatile uint64_t *)half;

    return (struct written){.status = (uint32_t)word, .length = word >> 32 & 0xffff};
}

/* Is it done, and one whole good frame? Such is the last piece of a long one, too. */
static inline bool is_good(struct written written)
{
    return (written.status & (RXD_DD | RXD_EOP | RECEIVE_ERRORS)) == (RXD_DD | RXD_EOP) &&
           written.length - AE_FRAME_MIN <= PACKET_MAX - AE_FRAME_MIN;
}

static bool is_part(const struct receive_ring *ring, struct written written)
{
    bool last = written.status & RXD_EOP;

    return !ring->dropping && ring->part_count < AE_FRAME_SEGMENTS &&
           written.length >= (ring->part_count ? 1 : AE_FRAME_MIN) &&
           written.length <= PACKET_MAX && written.length <= ring->frame_max - ring->part_bytes &&
           !(last && written.status & RECEIVE_ERRORS); /* they say something in the last only */
}

/* All parts are there: a chain, the caller's. */
static struct ae_packet *join(struct queue *queue, uint32_t status)
{
    struct receive_ring *ring = &queue->receive;

    /* Pairs with the card's write-back: it wrote the frame before DD. */
    ae_dma_read_barrier();
    for (uint32_t i = 0; i < ring->part_count; i++) {
        uint32_t length = ring->parts[i]->length;

        ae_packet_renew(ring->parts[i]);
        ring->parts[i]->length = length;
        ring->parts[i]->more = (uint8_t)(ring->part_count - 1 - i);
        if (ring->parts[i]->more)
            ring->parts[i]->next = ring->parts[i + 1];
    }
    ring->parts[0]->flags = checksum_flags(status);
    queue->base.counters->received_frames++;
    queue->base.counters->received_bytes += ring->part_bytes;
    ring->part_count = ring->part_bytes = 0;
    return ring->parts[0];
}

static void drop_part(struct queue *queue, struct ae_packet *packet, uint32_t status, bool first)
{
    struct receive_ring *ring = &queue->receive;
    struct ae_queue_counters *counters = queue->base.counters;

    ae_pool_return_burst(queue->base.pool, ring->parts, ring->part_count);
    ae_pool_return(queue->base.pool, packet);
    ring->part_count = ring->part_bytes = 0;
    ring->dropping = !(status & RXD_EOP);
    /* The last part counts for all of a frame. */
    if (ring->dropping)
        return;
    if (!first || status & RECEIVE_ERRORS)
        counters->receive_errors++;
    else
        counters->receive_bad_descriptors++;
}

/* The next slot is done and holds no whole frame. Returns the one whose last part it has, or
 * NULL. */
static struct ae_packet *reap_part(struct queue *queue, struct written written)
{
    struct receive_ring *ring = &queue->receive;
    struct ae_packet *packet = ring->slots[ring->next++ & ring->mask];
    bool first = !ring->in_frame;

    ring->left--;
    ring->in_frame = !(written.status & RXD_EOP);
    if (!is_part(ring, written)) {
        drop_part(queue, packet, written.status, first);
        return NULL;
    }
    packet->length = written.length;
    ring->parts[ring->part_count++] = packet;
    ring->part_bytes += written.length;
    return ring->in_frame ? NULL : join(queue, written.status);
}

static uint16_t reap(struct queue *queue, struct ae_packet **packets, uint16_t count);

/* The next slot holds no whole frame. If that is because none came, there is time for what would
 * have been in the way of one. */
static __attribute__((noinline)) uint16_t reap_no_frame(struct queue *queue,
                                                        struct ae_packet **packets, uint16_t count)
{
    struct receive_ring *ring = &queue->receive;
    uint32_t before = ring->next;
    uint16_t reaped = 0;

    while (ring->left && reaped < count) {
        struct written written = written_at(&ring->ring[ring->next & ring->mask]);

        if (!(written.status & RXD_DD) || (is_good(written) && !ring->in_frame))
            break;
        packets[reaped] = reap_part(queue, written);
        reaped = (uint16_t)(reaped + (packets[reaped] != NULL));
    }
    if (reaped)
        return reaped;
    return ring->next != before ? reap(queue, packets, count) : idle(queue);
}

/* Frames from the next slot on. At most what is filled, so that a card that marks everything done
 * cannot keep us here. Nothing is called on the way of a frame, and little held in registers, so
 * that there is little to save. */
static inline __attribute__((always_inline)) uint16_t reap_burst(struct queue *queue,
                                                                 struct ae_packet **packets,
                                                                 uint32_t count)
{
    struct receive_ring *ring = &queue->receive;
    uint32_t most = count < ring->left ? count : ring->left, reaped;
    uint64_t bytes = 0;

    if (__builtin_expect(ring->in_frame, 0))
        most = 0;
    for (reaped = 0; reaped < most; reaped++) {
        uint32_t slot = (ring->next + reaped) & ring->mask;
        struct written written = written_at(&ring->ring[slot]);
        struct ae_packet *packet;

        if (!is_good(written))
            break;
        /* Pairs with the card's write-back: it wrote the frame before DD. */
        ae_dma_read_barrier();
        packet = ring->slots[slot];
        ae_packet_renew(packet);
        packet->length = written.length;
        if (written.status & (RXD_IPCS | RXD_L4CS | RXD_UDPCS))
            packet->flags = checksum_flags(written.status);
        bytes += written.length;
        packets[reaped] = packet;
    }
    if (reaped == 0)
        return reap_no_frame(queue, packets, (uint16_t)count);
    ring->next += reaped;
    ring->left -= reaped;
    queue->base.counters->received_frames += reaped;
    queue->base.counters->received_bytes += bytes;
    return (uint16_t)reaped;
}

static uint16_t reap(struct queue *queue, struct ae_packet **packets, uint16_t count)
{
    return reap_burst(queue, packets, count);
}

static __attribute__((noinline)) uint16_t refill_and_reap(struct queue *queue,
                                                          struct ae_packet **packets,
                                                          uint16_t count)
{
    refill(queue);
    return reap(queue, packets, count);
}

static uint16_t receive(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct queue *queue = (struct queue *)base;

    if (__builtin_expect(queue->receive.left < queue->receive.low, 0))
        return refill_and_reap(queue, packets, count);
    return reap_burst(queue, packets, count);
}

/* ---- Attach ---- */

static void set_up_rings(struct queue *queue, struct ae_port *port, unsigned index)
{
    uint8_t *memory = ae_memory_base(port->memory);
    const struct ae_port_handoff *handoff = &port->handoff;

    queue->receive.ring = (void *)(memory + ae_port_receive_ring_offset(port->ops, handoff, index));
    queue->receive.mask = handoff->receive_ring - 1u;
    queue->receive.batch = handoff->receive_ring < 4 * REFILL ? handoff->receive_ring / 4u : REFILL;
    queue->receive.tail = port->registers + RDT;
    queue->receive.low = handoff->receive_ring - 2 * queue->receive.batch;
    queue->send.ring = (void *)(memory + ae_port_send_ring_offset(port->ops, handoff, index));
    queue->send.mask = handoff->send_ring - 1u;
    queue->send.tail = port->registers + TDT;
}

/* What is in the rings; the pool may be other ports' as well. */
static void release(struct queue *queue)
{
    struct receive_ring *receive = &queue->receive;
    struct send_ring *send = &queue->send;

    for (uint32_t i = 0; i < receive->left; i++)
        ae_pool_return(queue->base.pool, receive->slots[(receive->next + i) & receive->mask]);
    ae_pool_return_burst(queue->base.pool, receive->parts, receive->part_count);
    for (; send->oldest != send->next; send->oldest++)
        if (send->slots[send->oldest & send->mask])
            ae_pool_return(queue->base.pool, send->slots[send->oldest & send->mask]);
}

static void detach(struct ae_queue *base)
{
    struct queue *queue = (struct queue *)base;

    release(queue);
    free(queue->receive.slots);
    free(queue->send.slots);
    free(queue->send.reports);
    free(queue);
}

static int attach(struct ae_port *port, unsigned index, struct ae_queue **out, struct ae_error *err)
{
    const struct ae_port_handoff *handoff = &port->handoff;
    struct queue *queue;

    if (port->registers_size < E1000E_REGISTERS)
        return ae_error_set(err, -EPROTO, "82574L: its registers are too few to be its own");
    if (ae_mmio_read32(port->registers, RDT) == UINT32_MAX)
        return ae_error_set(err, -ENODEV,
                            "82574L: its registers read as all ones, the device is gone");
    if (ae_mmio_read32(port->registers, RDT) || ae_mmio_read32(port->registers, TDT))
        return ae_error_set(err, -EBUSY,
                            "82574L: its rings are in use, or were left behind by a worker that "
                            "died; its owner has to restart it");
    /* The kernel maps a page of the device's when it is first touched, which must not be by a
     * worker that is quiet: those of the tails were now, this is that of a timestamp. */
    ae_mmio_read32(port->registers, TSYNCTXCTL);
    queue = calloc(1, sizeof(*queue));
    if (!queue)
        return ae_error_set(err, -ENOMEM, "82574L: out of memory");
    set_up_rings(queue, port, index);
    queue->receive.slots = calloc(handoff->receive_ring, sizeof(*queue->receive.slots));
    queue->send.slots = calloc(handoff->send_ring, sizeof(*queue->send.slots));
    queue->send.reports = calloc(handoff->send_ring, sizeof(*queue->send.reports));
    queue->base.pool = port->domain->pool;
    if (!queue->receive.slots || !queue->send.slots || !queue->send.reports) {
        detach(&queue->base);
        return ae_error_set(err, -ENOMEM, "82574L: out of memory");
    }
    queue->receive.frame_max = AE_FRAME_MAX(handoff->info.mtu);
    queue->sendable =
        ae_sendable_make(queue->base.pool, AE_FRAME_MAX(handoff->info.mtu), AE_FRAME_SEGMENTS);
    queue->send.shift = queue->base.pool->iova.value - (uintptr_t)queue->base.pool->memory;
    queue->receive.shift = queue->send.shift + AE_PACKET_HEADROOM;
    queue->base.receive = receive;
    queue->base.send = ae_e1000e_send;
    queue->base.reclaim = ae_e1000e_reclaim;
    queue->base.unsent = ae_e1000e_unsent;
    queue->base.sent_timestamp = ae_e1000e_sent_timestamp;
    queue->registers = port->registers;
    queue->base.counters = &port->queue_states[index]->counters;
    refill(queue);
    *out = &queue->base;
    return 0;
}

static uint32_t ring_bytes(uint16_t descriptors)
{
    _Static_assert(sizeof(union e1000e_receive) == sizeof(struct e1000e_send), "of one size");
    return descriptors * (uint32_t)sizeof(struct e1000e_send);
}

const struct ae_queue_ops ae_queue_e1000e = {
    .name = "e1000e",
    .maps = 1u << AE_PORT_MAP_REGISTERS,
    .ring_min = 32, /* RDLEN and TDLEN count in units of 128 bytes; 32 leaves room for bursts */
    .ring_max = 4096,
    .ring_bytes = ring_bytes,
    .attach = attach,
    .detach = detach,
};
