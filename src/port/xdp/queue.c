/* SPDX-License-Identifier: Apache-2.0 */

/*
 * AF_XDP, the worker's half. It loads and stores, and calls nobody, but where the port's calls are
 * the worker's.
 *
 * The kernel never has more packets to fill than its ring has entries, nor more to send, so the
 * rings that we fill cannot overflow and their consumers are not looked at. Of what the kernel
 * writes an address is believed only if it is in a packet that it has, and a length only if it is
 * in that packet.
 */

#include "port/xdp/queue.h"

#include <errno.h>
#include <stdlib.h>

#include "base/descriptors.h"

#define REFILL 32u

enum xdp_place { PLACE_NONE, PLACE_FILL, PLACE_SEND };

/* What the kernel wrote before it moved its index is seen after it. */
static inline uint32_t ready_of(const struct xdp_ring *ring)
{
    return __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE) - ring->next;
}

/* We have read what is before it. */
static inline void consume(struct xdp_ring *ring, uint32_t count)
{
    ring->next += count;
    __atomic_store_n(ring->consumer, ring->next, __ATOMIC_RELEASE);
}

/* What is before it is written. */
static inline void publish(struct xdp_ring *ring, uint32_t count)
{
    ring->next += count;
    __atomic_store_n(ring->producer, ring->next, __ATOMIC_RELEASE);
}

/* The packet of an address, if that is one which the kernel has for this, and from now on no more;
 * or NULL. */
static inline struct ae_packet *take_back(struct xdp_queue *queue, uint64_t address,
                                          enum xdp_place place)
{
    uint64_t offset = address - queue->first, index = offset >> queue->order;

    if (__builtin_expect(offset >= queue->span || queue->places[index] != place, 0))
        return NULL;
    queue->places[index] = PLACE_NONE;
    return &queue->base.pool->packets[index];
}

/* ---- Receive ---- */

static __attribute__((noinline)) void refill(struct xdp_queue *queue)
{
    struct xdp_ring *ring = &queue->rings[XDP_FILL];
    struct ae_pool *pool = queue->base.pool;
    uint32_t wanted = ring->mask + 1 - queue->filled;
    uint32_t count = ae_pool_available(pool) < wanted ? ae_pool_available(pool) : wanted;
    struct ae_packet **packets = ae_pool_take(pool, count);
    uint64_t *entries = ring->entries;

    /* Each entry that the pool has no packet for is counted once. */
    if (wanted - count > queue->starved)
        queue->base.counters->receive_no_buffer += wanted - count - queue->starved;
    queue->starved = wanted - count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = ae_packet_index(packets[i]);

        queue->places[index] = PLACE_FILL;
        entries[(ring->next + i) & ring->mask] = queue->first + ((uint64_t)index << queue->order);
    }
    queue->filled += count;
    publish(ring, count);
}

static uint16_t reclaim(struct ae_queue *base, uint16_t count);

/* No frame came: there is time for what would have been in its way. */
static __attribute__((noinline)) uint16_t idle(struct xdp_queue *queue)
{
    if (queue->rings[XDP_FILL].mask + 1 - queue->filled >= REFILL)
        refill(queue);
    if (queue->unsent > queue->rings[XDP_SEND].mask / 2)
        reclaim(&queue->base, UINT16_MAX);
    return 0;
}

static uint16_t receive(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct xdp_queue *queue = (struct xdp_queue *)base;
    struct xdp_ring *ring = &queue->rings[XDP_RECEIVE];
    const volatile struct xdp_desc *entries = ring->entries;
    uint32_t ready = ready_of(ring), size = 1u << queue->order;
    uint16_t received = 0;
    uint64_t bytes = 0;

    if (!ready)
        return idle(queue);
    /* It has no more than these to have received into. */
    if (ready > queue->filled)
        ready = queue->filled;
    if (ready > count)
        ready = count;
    for (uint32_t i = 0; i < ready; i++) {
        const volatile struct xdp_desc *entry = &entries[(ring->next + i) & ring->mask];
        uint64_t address = entry->addr;
        uint32_t length = entry->len, within = (uint32_t)(address - queue->first) & (size - 1);
        bool whole = !entry->options && length >= AE_FRAME_MIN && length <= size - within;
        struct ae_packet *packet = take_back(queue, address, PLACE_FILL);

        queue->filled -= packet != NULL;
        if (__builtin_expect(!packet || !whole, 0)) {
            base->counters->receive_bad_descriptors++;
            if (packet)
                ae_pool_return(base->pool, packet);
            continue;
        }
        ae_packet_renew(packet);
        packet->data = packet->buffer + within;
        packet->length = length;
        bytes += length;
        packets[received++] = packet;
    }
    consume(ring, ready);
    base->counters->received_frames += received;
    base->counters->received_bytes += bytes;
    if (queue->rings[XDP_FILL].mask + 1 - queue->filled >= 2 * REFILL)
        refill(queue);
    return received;
}

/* ---- Send ---- */

static uint16_t reclaim(struct ae_queue *base, uint16_t count)
{
    struct xdp_queue *queue = (struct xdp_queue *)base;
    struct xdp_ring *ring = &queue->rings[XDP_COMPLETION];
    const volatile uint64_t *entries = ring->entries;
    uint32_t ready = ready_of(ring), looked = 0;
    uint16_t reclaimed = 0;

    if (ready > queue->unsent)
        ready = queue->unsent;
    for (; looked < ready && reclaimed < count; looked++) {
        uint64_t address = entries[(ring->next + looked) & ring->mask];
        struct ae_packet *packet = take_back(queue, address, PLACE_SEND);

        if (__builtin_expect(!packet, 0)) {
            base->counters->send_bad_descriptors++;
            continue;
        }
        ae_pool_return(base->pool, packet);
        queue->unsent--;
        reclaimed++;
    }
    consume(ring, looked);
    return reclaimed;
}

static inline void fill(struct xdp_queue *queue, uint32_t at, struct ae_packet *packet)
{
    struct xdp_ring *ring = &queue->rings[XDP_SEND];
    struct xdp_desc *entry = (struct xdp_desc *)ring->entries + (at & ring->mask);

    packet->in_pool = true; /* it is the ring's now */
    queue->places[ae_packet_index(packet)] = PLACE_SEND;
    entry->addr = queue->first + (uint64_t)(packet->data - queue->base.pool->memory);
    entry->len = packet->length;
    entry->options = 0;
}

static uint16_t send(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct xdp_queue *queue = (struct xdp_queue *)base;
    struct xdp_ring *ring = &queue->rings[XDP_SEND];
    uint32_t room = ring->mask + 1 - queue->unsent;
    uint64_t bytes = 0;
    uint16_t sent = 0;

    if (room < count) {
        reclaim(base, UINT16_MAX);
        room = ring->mask + 1 - queue->unsent;
    }
    for (; sent < count && sent < room; sent++) {
        if (__builtin_expect(!ae_packet_may_be_sent(packets[sent], &queue->sendable, 0), 0)) {
            ae_refuse(base, packets[sent], &queue->sendable, 0);
            break;
        }
        bytes += packets[sent]->length;
        fill(queue, ring->next + sent, packets[sent]);
    }
    if (sent < count && sent == room)
        ae_refuse_full(base, (uint32_t)(count - sent));
    queue->unsent += sent;
    publish(ring, sent);
    base->counters->sent_frames += sent;
    base->counters->sent_bytes += bytes;
    return sent;
}

static uint32_t unsent(const struct ae_queue *base)
{
    return ((const struct xdp_queue *)base)->unsent;
}

/* ---- Where the worker makes the calls ---- */

static uint16_t receive_calling(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct xdp_queue *queue = (struct xdp_queue *)base;
    uint16_t received = receive(base, packets, count);

    if (received)
        return received;
    ae_xdp_call(&queue->caller, &queue->rings[XDP_SEND]);
    return receive(base, packets, count);
}

static uint16_t send_calling(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct xdp_queue *queue = (struct xdp_queue *)base;
    uint16_t sent = send(base, packets, count);

    if (sent)
        ae_xdp_call(&queue->caller, &queue->rings[XDP_SEND]);
    return sent;
}

void ae_xdp_queue_call(struct xdp_queue *queue, int socket)
{
    queue->caller.socket = socket;
    queue->base.receive = receive_calling;
    queue->base.send = send_calling;
}

/* ---- Made and dropped ---- */

int ae_xdp_queue_make(struct xdp_queue *queue, const struct xdp_queue_options *options)
{
    struct ae_pool *pool = options->pool;

    queue->places = calloc(pool->count, sizeof(*queue->places));
    if (!queue->places)
        return -ENOMEM;
    queue->first = options->first;
    queue->span = (uint64_t)pool->count * pool->buffer_size;
    queue->order = (unsigned)__builtin_ctz(pool->buffer_size);
    queue->sendable = ae_sendable_make(pool, options->frame_max, 1);
    queue->base.pool = pool;
    queue->base.counters = options->counters;
    queue->base.receive = receive;
    queue->base.send = send;
    queue->base.reclaim = reclaim;
    queue->base.unsent = unsent;
    for (unsigned i = 0; i < XDP_RINGS; i++)
        queue->rings[i].next = i == XDP_FILL || i == XDP_SEND
                                   ? __atomic_load_n(queue->rings[i].producer, __ATOMIC_RELAXED)
                                   : __atomic_load_n(queue->rings[i].consumer, __ATOMIC_RELAXED);
    refill(queue);
    return 0;
}

void ae_xdp_queue_drop(struct xdp_queue *queue)
{
    for (unsigned i = 0; i < XDP_RINGS; i++)
        ae_xdp_ring_unmap(&queue->rings[i]);
    ae_descriptor_close(&queue->caller.socket);
    for (uint32_t i = 0; queue->places && i < queue->base.pool->count; i++)
        if (queue->places[i] != PLACE_NONE)
            ae_pool_return(queue->base.pool, &queue->base.pool->packets[i]);
    free(queue->places);
}
