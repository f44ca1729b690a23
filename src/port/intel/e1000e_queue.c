/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Intel 82574L, the worker's half: one receive and one transmit ring, polled. The only registers it
 * touches are the two tails, and it only writes them, so that a device that is gone stops no loop.
 *
 * What is in a slot is remembered here; of what the device writes, only the done bits, a length and
 * the flags are believed, and a length only after it was checked.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <aether/device.h>

#include "base/barrier.h"
#include "base/error.h"
#include "port/intel/e1000e_regs.h"
#include "port/port.h"
#include "port/sendable.h"

#define FRAME_MAX      AE_FRAME_MAX(1500u)
#define REFILL         32u /* receive descriptors are refilled in as many */
#define FRAME_SHORTEST 60  /* on the wire, without its CRC; TCTL.PSP pads to it, QEMU's does not */
#define RECEIVE_ERRORS (RXD_CE | RXD_SE | RXD_SEQ | RXD_CXE | RXD_RXE)

/* RCTL.BSIZE says 2048 and some of a buffer is headroom; but with RCTL.LPE 0 the card drops what is
 * longer than 1522 bytes (10.2.5.1), before it writes it. */
_Static_assert(AE_PACKET_HEADROOM + 1522 <= AE_PORT_BUFFER, "what the card writes is inside");

struct receive_ring {
    volatile union e1000e_receive *ring;
    struct ae_packet **slots;
    volatile uint8_t *tail;
    uint64_t shift; /* from a buffer to what the card calls the place that it receives into */
    uint32_t mask;
    uint32_t batch;     /* so many free slots are worth refilling in an idle moment ... */
    uint32_t low;       /* ... and with fewer filled than these it cannot wait for one */
    uint32_t next;      /* slot to reap next; free-running */
    uint32_t left;      /* filled slots from there on */
    uint32_t starved;   /* free slots that the pool had no packet for */
    bool in_long_frame; /* dropping pieces until one has EOP */
};

struct send_ring {
    volatile struct e1000e_send *ring;
    struct ae_packet **slots; /* NULL: a context descriptor */
    uint16_t *reports;        /* slots that asked for a report (RS), in order: a ring of its own */
    volatile uint8_t *tail;
    uint64_t shift; /* from a place in a buffer to what the card calls it */
    uint32_t mask;
    uint32_t next;   /* slot to fill; free-running */
    uint32_t oldest; /* slot not yet reported; free-running */
    uint32_t report_next;
    uint32_t report_oldest;
    uint32_t context; /* what the card's checksum context holds, 0: nothing */
};

struct queue {
    struct ae_queue base; /* first: the burst calls are given this */
    struct receive_ring receive;
    struct send_ring send;
    struct ae_sendable sendable;
};

/* ---- What keeps out of the way of frames ---- */

/* Takes back `wanted` packets or more, by whole bursts, as far as they are reported. */
static uint16_t reclaim(struct ae_queue *base, uint16_t wanted)
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
        reclaim(&queue->base, UINT16_MAX);
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
           written.length - AE_FRAME_MIN <= FRAME_MAX - AE_FRAME_MIN;
}

/* The next slot holds something else: counts it, and returns its packet. */
static void drop(struct queue *queue, uint32_t status)
{
    struct receive_ring *ring = &queue->receive;
    struct ae_queue_counters *counters = queue->base.counters;
    bool continued = ring->in_long_frame;

    ring->in_long_frame = !(status & RXD_EOP);
    if (continued || ring->in_long_frame)
        /* Longer than any frame this port takes; its last piece counts for all. */
        counters->receive_errors += !ring->in_long_frame;
    else if (status & RECEIVE_ERRORS)
        counters->receive_errors++;
    else
        counters->receive_bad_descriptors++;
    ae_pool_return(queue->base.pool, ring->slots[ring->next++ & ring->mask]);
    ring->left--;
}

static uint16_t reap(struct queue *queue, struct ae_packet **packets, uint16_t count);

/* The next slot holds no frame for the caller. If that is because none came, there is time for what
 * would have been in the way of one. */
static __attribute__((noinline)) uint16_t reap_no_frame(struct queue *queue,
                                                        struct ae_packet **packets, uint16_t count)
{
    struct receive_ring *ring = &queue->receive;
    uint32_t before = ring->next;

    while (ring->left && count) {
        struct written written = written_at(&ring->ring[ring->next & ring->mask]);

        if (!(written.status & RXD_DD) || (is_good(written) && !ring->in_long_frame))
            break;
        drop(queue, written.status);
    }
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

    if (__builtin_expect(ring->in_long_frame, 0))
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

/* ---- Send ---- */

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

/* With checksums by the card: padding is the card's as well then, for to it ours would be
 * payload. */
static inline void fill_offloaded(struct send_ring *ring, struct ae_packet *packet)
{
    uint32_t options = 0;

    if (packet->flags & AE_PACKET_SEND_IPV4_CHECKSUM)
        options |= TXD_IXSM;
    if (packet->flags & (AE_PACKET_SEND_UDP_CHECKSUM | AE_PACKET_SEND_TCP_CHECKSUM))
        options |= TXD_TXSM;
    fill(ring, (uintptr_t)packet->data + ring->shift,
         packet->length | TXD_EOP | TXD_IFCS | TXD_DEXT | TXD_DTYP_DATA, options, packet);
}

static inline void fill_plain(struct send_ring *ring, struct ae_packet *packet)
{
    if (packet->length < FRAME_SHORTEST && ae_packet_tailroom(packet) >= FRAME_SHORTEST) {
        memset(packet->data + packet->length, 0, FRAME_SHORTEST - packet->length);
        packet->length = FRAME_SHORTEST;
    }
    fill(ring, (uintptr_t)packet->data + ring->shift, packet->length | TXD_EOP | TXD_IFCS, 0,
         packet);
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

static uint16_t send(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct queue *queue = (struct queue *)base;
    const struct ae_sendable *sendable = &queue->sendable;
    struct send_ring ring; /* a copy, so that it need not be read again after each store */
    uint64_t bytes = 0;
    uint16_t sent = 0;
    uint32_t room;

    /* Each may need a context, too. Not otherwise: the card may be writing what it would read,
     * before this burst's doorbell. */
    if (__builtin_expect(room_of(&queue->send) <= 2u * count, 0))
        reclaim(base, UINT16_MAX);
    ring = queue->send;
    room = room_of(&ring);
    for (; sent < count; sent++) {
        struct ae_packet *packet = packets[sent];
        bool context = false, plain = ae_packet_may_be_sent(packet, sendable, 0);

        if (__builtin_expect(!plain, 0)) {
            if (!ae_packet_may_be_sent(packet, sendable, AE_SEND_OFFLOADS) ||
                !ae_offload_is_sound(packet)) {
                ae_refuse(base, packet, sendable, AE_SEND_OFFLOADS);
                break;
            }
            context = ring.context != context_of(packet);
        }
        if (room <= context) {
            ae_refuse_full(base, (uint32_t)(count - sent));
            break;
        }
        packet->in_pool = true; /* it is the ring's now */
        bytes += packet->length;
        room--;
        if (__builtin_expect(plain, 1)) {
            fill_plain(&ring, packet);
            continue;
        }
        if (context) {
            room--;
            fill_context(&ring, packet);
        }
        fill_offloaded(&ring, packet);
    }
    if (ring.next != queue->send.next) {
        publish(&ring);
        queue->send.next = ring.next;
        queue->send.report_next = ring.report_next;
        queue->send.context = ring.context;
        base->counters->sent_frames += sent;
        base->counters->sent_bytes += bytes;
    }
    return sent;
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

static void detach(struct ae_queue *base)
{
    struct queue *queue = (struct queue *)base;

    ae_pool_destroy(base->pool);
    free(queue->receive.slots);
    free(queue->send.slots);
    free(queue->send.reports);
    free(queue);
}

static int attach(struct ae_port *port, unsigned index, struct ae_queue **out, struct ae_error *err)
{
    const struct ae_port_handoff *handoff = &port->handoff;
    struct queue *queue;
    int rc;

    if (port->registers_size < E1000E_REGISTERS)
        return ae_error_set(err, -EPROTO, "82574L: its registers are too few to be its own");
    if (ae_mmio_read32(port->registers, RDT) == UINT32_MAX)
        return ae_error_set(err, -ENODEV,
                            "82574L: its registers read as all ones, the device is gone");
    if (ae_mmio_read32(port->registers, RDT) || ae_mmio_read32(port->registers, TDT))
        return ae_error_set(err, -EBUSY,
                            "82574L: its rings are in use, or were left behind by a worker that "
                            "died; its owner has to restart it");
    queue = calloc(1, sizeof(*queue));
    if (!queue)
        return ae_error_set(err, -ENOMEM, "82574L: out of memory");
    set_up_rings(queue, port, index);
    queue->receive.slots = calloc(handoff->receive_ring, sizeof(*queue->receive.slots));
    queue->send.slots = calloc(handoff->send_ring, sizeof(*queue->send.slots));
    queue->send.reports = calloc(handoff->send_ring, sizeof(*queue->send.reports));
    rc = ae_port_make_pool(port, index, &queue->base.pool, err);
    if (!rc && (!queue->receive.slots || !queue->send.slots || !queue->send.reports))
        rc = ae_error_set(err, -ENOMEM, "82574L: out of memory");
    if (rc) {
        detach(&queue->base);
        return rc;
    }
    queue->sendable = ae_sendable_make(queue->base.pool, FRAME_MAX, 1);
    queue->send.shift = queue->base.pool->iova.value - (uintptr_t)queue->base.pool->memory;
    queue->receive.shift = queue->send.shift + AE_PACKET_HEADROOM;
    queue->base.receive = receive;
    queue->base.send = send;
    queue->base.reclaim = reclaim;
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
