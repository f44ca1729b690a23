/* SPDX-License-Identifier: Apache-2.0 */

/* The driver's half of a pair of packed virtqueues (virtio 1.2, 2.8), polled. */

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/unset.h"
#include "port/virtio/packed_ring.h"

/* ---- Receive ---- */

/* Every free descriptor gets a packet, as far as there are any: what the caller put last goes to
 * what was received last. */
static inline __attribute__((always_inline)) void refill(struct queue *queue, const bool in_order)
{
    struct ring *ring = &queue->receive;
    struct ae_pool *pool = queue->driver.base.pool;
    uint32_t wanted = ring->free;
    uint32_t count = ae_pool_available(pool) < wanted ? ae_pool_available(pool) : wanted;
    struct ae_packet **packets = ae_pool_take(pool, count);

    ae_virtio_starve(&queue->driver, wanted - count);
    if (count)
        fill_burst(queue, ring, packets, count, in_order, true);
}

static __attribute__((noinline)) void refill_in_order(struct queue *queue)
{
    refill(queue, true);
}

static __attribute__((noinline)) void refill_any_order(struct queue *queue)
{
    refill(queue, false);
}

static inline __attribute__((always_inline)) void refill_when_low(struct queue *queue,
                                                                  const bool in_order)
{
    if (ae_unlikely(queue->receive.free >= queue->receive.low))
        in_order ? refill_in_order(queue) : refill_any_order(queue);
}

#include "port/virtio/merged.h"

static struct batch next_batch(struct queue *queue)
{
    struct ring *ring = &queue->receive;
    struct place place = ring->next_used;
    uint64_t *bad = &queue->driver.base.counters->receive_bad_descriptors;
    struct batch batch = {0};
    struct used used;

    if (in_flight(ring) == 0 || !is_used(ring->desc, place))
        return batch;
    used = used_at(ring->desc, place);
    batch.written = used.length;
    if (queue->driver.in_order)
        batch.count = batch_up_to(queue, ring, place, used.id, in_flight(ring), bad);
    else if (reap(ring, place, used.id))
        batch.count = 1;
    else
        ae_virtio_break(&queue->driver, bad);
    return batch;
}

static struct ae_packet *packet_of(const struct ring *ring, uint32_t i)
{
    return ring->slots[ring->order[after(ring->next_used, i, ring->size).index]];
}

static void pass(struct ring *ring, uint32_t count)
{
    ring->next_used = after(ring->next_used, count, ring->size);
    ring->free += count;
}

static inline __attribute__((always_inline)) uint16_t receive_burst(
    struct ae_queue *base, struct ae_packet **packets, uint16_t count, const bool in_order,
    const bool mergeable, const bool checksum)
{
    struct queue *queue = (struct queue *)base;
    struct ring *ring = &queue->receive;
    struct ae_packet **received = packets;
    const struct pvirtq_desc *desc = ring->desc;
    struct place next_used = ring->next_used;
    uint32_t most, reaped, size = ring->size;
    bool merged = false;
    uint64_t bytes = 0;
    uint16_t got;

    refill_when_low(queue, in_order);
    most = in_flight(ring) < count ? in_flight(ring) : count;
    for (reaped = 0; reaped < most && is_used(desc, next_used); reaped++) {
        struct used used = used_at(desc, next_used);

        merged = in_order && used.id != next_used.index;
        if (ae_unlikely(merged))
            break;
        if (!in_order && ae_unlikely(!is_out(ring, used.id))) {
            ae_virtio_break(&queue->driver, &base->counters->receive_bad_descriptors);
            break;
        }
        merged = mergeable && ae_virtio_num_buffers(ring->slots[used.id]) != 1;
        if (ae_unlikely(merged))
            break;
        if (!in_order)
            reap(ring, next_used, used.id);
        next_used = after(next_used, 1, size);
        if (ae_virtio_accept(&queue->driver, ring->slots[used.id], used.length, checksum)) {
            bytes += used.length - AE_VIRTIO_HEADER;
            *received++ = ring->slots[used.id];
        }
    }
    if (reaped == 0 && !merged) {
        /* Nobody waits for a frame. */
        if (ring->free >= ring->batch && !queue->driver.broken)
            in_order ? refill_in_order(queue) : refill_any_order(queue);
        return 0;
    }
    got = (uint16_t)(received - packets);
    ring->free += reaped;
    ring->next_used = next_used;
    base->counters->received_frames += got;
    base->counters->received_bytes += bytes;
    if (ae_unlikely(merged))
        got += receive_merged(base, received, count - got);
    return got;
}

/* ---- Send ---- */

/* In order: until `wanted` buffers are known to be used, batch by batch. */
static void poll_used(struct queue *queue, uint32_t wanted)
{
    struct ring *ring = &queue->send;

    while (ring->reapable < wanted && ring->reapable < in_flight(ring) &&
           is_used(ring->desc, ring->next_used)) {
        uint32_t length = batch_up_to(
            queue, ring, ring->next_used, used_at(ring->desc, ring->next_used).id,
            in_flight(ring) - ring->reapable, &queue->driver.base.counters->send_bad_descriptors);

        if (length == 0)
            return;
        ring->reapable += length;
        ring->next_used = after(ring->next_used, length, ring->size);
    }
}

/* Returns `count` sent packets to the pool, the oldest on top: so the next ones got from the pool
 * are those of the slots that are filled next. */
static inline void reclaim_in_order(struct queue *queue, uint32_t count)
{
    struct ring *ring = &queue->send;
    struct ae_pool *pool = queue->driver.base.pool;
    struct place oldest = {.index = ring->oldest};
    uint32_t run = ring->size - ring->oldest < count ? ring->size - ring->oldest : count;

    ae_pool_return_burst(pool, ring->slots, count - run);
    ae_pool_return_burst(pool, ring->slots + ring->oldest, run);
    ring->oldest = after(oldest, count, ring->size).index;
    ring->reapable -= count;
    ring->free += count;
}

static void reclaim_any_order(struct queue *queue, uint32_t wanted)
{
    struct ring *ring = &queue->send;
    struct ae_packet *back[AE_VIRTIO_REFILL] AE_UNSET;
    uint32_t found = AE_VIRTIO_REFILL;

    for (; found == AE_VIRTIO_REFILL; wanted -= found) {
        for (found = 0; found < AE_VIRTIO_REFILL && found < wanted && in_flight(ring) &&
                        is_used(ring->desc, ring->next_used);
             found++) {
            uint32_t id = used_at(ring->desc, ring->next_used).id;

            if (ae_unlikely(!reap(ring, ring->next_used, id))) {
                ae_virtio_break(&queue->driver, &queue->driver.base.counters->send_bad_descriptors);
                wanted = found;
                break;
            }
            back[found] = ring->slots[id];
            ring->free++;
            ring->next_used = after(ring->next_used, 1, ring->size);
        }
        for (uint32_t i = found; i-- > 0;)
            ae_pool_return(queue->driver.base.pool, back[i]);
    }
}

/* Takes back `wanted` packets, as far as the device has sent that many. */
static void reclaim(struct queue *queue, uint32_t wanted, const bool in_order)
{
    struct ring *ring = &queue->send;

    if (!in_order) {
        reclaim_any_order(queue, wanted);
        return;
    }
    poll_used(queue, wanted);
    reclaim_in_order(queue, ring->reapable < wanted ? ring->reapable : wanted);
}

static uint16_t reclaim_burst(struct ae_queue *base, uint16_t count)
{
    struct queue *queue = (struct queue *)base;
    uint32_t free = queue->send.free;

    reclaim(queue, count, queue->driver.in_order);
    return (uint16_t)(queue->send.free - free);
}

static uint32_t unsent(const struct ae_queue *base)
{
    return in_flight(&((const struct queue *)base)->send);
}

/* From several packets, once there are such frames. */
#include "port/virtio/packed_chains.h"

static inline __attribute__((always_inline)) uint16_t send_burst(struct ae_queue *base,
                                                                 struct ae_packet **packets,
                                                                 uint16_t count,
                                                                 const bool in_order,
                                                                 const bool checksum)
{
    struct queue *queue = (struct queue *)base;
    struct ring *ring = &queue->send;
    struct ae_queue_counters *counters = base->counters;
    const struct ae_sendable sendable = queue->driver.sendable;
    uint32_t room, good = 0;
    uint64_t bytes = 0;

    if (ae_unlikely(ring->free < count)) {
        reclaim(queue, count - ring->free, in_order);
        if (ae_unlikely(queue->driver.broken)) {
            ae_refuse_away(base, count);
            return 0;
        }
    }
    room = ring->free < count ? ring->free : count;
    for (; good < room && ae_likely(ae_virtio_prepare(&sendable, packets[good], checksum)); good++)
        bytes += packets[good]->length;
    if (ae_unlikely(good < room)) {
        if (ae_virtio_sends_chain(&queue->driver, packets[good]))
            return begin_chains(queue, packets, good, count);
        ae_refuse(base, packets[good], &queue->driver.sendable, ae_virtio_offloads(checksum));
    } else if (ae_unlikely(room < count))
        ae_refuse_full(base, count - good);
    if (good == 0)
        return 0;
    fill_burst(queue, ring, packets, good, in_order, false);
    counters->sent_frames += good;
    counters->sent_bytes += bytes;
    /* Ahead of the next burst, so that its packets come from the pool's top. */
    if (ring->free < count)
        reclaim(queue, ae_virtio_room(count) - ring->free, in_order);
    return (uint16_t)good;
}

/* One burst function for each of what may be negotiated. */
#include "port/virtio/instances.h"

/* ---- The form ---- */

/* In order, until there are chains, what is away are the slots of the last places filled; else
 * `away` says it. */
static void release_ring(struct ae_pool *pool, struct ring *ring, bool in_order)
{
    in_order = in_order && !ring->chains;
    for (uint32_t i = in_flight(ring); in_order && i > 0; i--)
        ae_pool_return(pool, ring->slots[after(ring->next, ring->size - i, ring->size).index]);
    release_away(pool, ring);
    ring->free = ring->size;
}

static void renew_ring(struct ring *ring)
{
    struct ae_virtio_layout layout = ae_virtio_ring_layout((uint16_t)ring->size, true);
    struct pvirtq_event_suppress *driver_event = (void *)(ring->memory + layout.driver);

    memset(ring->memory, 0, layout.size);
    driver_event->flags = RING_EVENT_FLAGS_DISABLE;
    for (uint32_t place = 0; place < ring->size; place++)
        ring->order[place] = (uint16_t)place;
    /* 2.8.1: both wrap counters begin at 1. */
    ring->next = (struct place){0, VIRTQ_DESC_F_AVAIL};
    ring->next_used = (struct place){0, WRAP};
    ring->oldest = ring->reapable = 0;
}

static void renew(struct ae_virtio_driver *driver)
{
    struct queue *queue = (struct queue *)driver;

    renew_ring(&queue->send);
    renew_ring(&queue->receive);
    refill(queue, driver->in_order);
}

static uint16_t used_end(struct queue *queue, const struct ring *ring, uint64_t *counter)
{
    struct place place;
    uint32_t left, length = 1;

    if (ring->chains)
        reap_chains(queue, ring->size);
    place = ring->next_used;
    left = ring->chains ? 0 : in_flight(ring) - ring->reapable;
    for (; left && is_used(ring->desc, place); left -= length) {
        if (queue->driver.in_order)
            length = batch_up_to(queue, ring, place, used_at(ring->desc, place).id, left, counter);
        if (length == 0)
            return 0;
        place = after(place, length, ring->size);
    }
    return (uint16_t)(place.index | (place.flags ? 1u << 15 : 0));
}

static void find_positions(struct ae_virtio_driver *driver, uint16_t positions[2])
{
    struct queue *queue = (struct queue *)driver;
    struct ae_queue_counters *counters = driver->base.counters;

    positions[0] = used_end(queue, &queue->receive, &counters->receive_bad_descriptors);
    positions[1] = used_end(queue, &queue->send, &counters->send_bad_descriptors);
}

static void place_ring(struct ring *ring, const struct ae_virtio_ring *from)
{
    struct ae_virtio_layout layout = ae_virtio_ring_layout(from->size, true);

    ring->desc = (void *)(from->memory + layout.descriptors);
    ring->device_event = (void *)(from->memory + layout.device);
    ring->size = ring->free = from->size;
}

#include "port/virtio/form.h"

const struct ae_virtio_form ae_virtio_packed = {
    .packed = true,
    .queue_bytes = sizeof(struct queue),
    .receives = receives,
    .sends = sends,
    .reclaim = reclaim_burst,
    .unsent = unsent,
    .make_rings = make_rings,
    .free_rings = free_rings,
    .renew = renew,
    .release = release,
    .find_positions = find_positions,
};
