/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The driver's half of a pair of packed virtqueues (virtio 1.2, 2.8), polled.
 *
 * One ring, which both sides write. A burst is written from its last descriptor down to its first,
 * so the device sees nothing of it before the first one's flags, and the line that it polls is
 * written last and left alone from then on. A buffer id becomes free at the place where it came
 * back, and is filled again there one round later: while the device works in order, id and
 * place are one.
 */

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/unset.h"
#include "port/virtio/driver.h"

#define WRAP (VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED)

/* A place in the ring, and what AVAIL and USED of the descriptor there have to be. */
struct place {
    uint32_t index;
    uint32_t flags;
};

struct ring {
    struct pvirtq_desc *desc;
    struct pvirtq_event_suppress *device_event;
    struct ae_packet **slots; /* by buffer id: the packet that it has, or had last */
    uint16_t *order;          /* by place: the buffer id to fill there */
    bool *away;               /* by buffer id: with the device; not kept in order */
    uint32_t size;
    uint32_t free;          /* descriptors */
    struct place next;      /* to fill */
    struct place next_used; /* where the device says what it used next */
    uint32_t reapable;      /* send, in order: buffers known to be used, not yet reclaimed ... */
    uint32_t oldest;        /* ... and where the first of them is */
    uint32_t batch; /* receive: so many free descriptors are worth refilling when idle ... */
    uint32_t low;   /* ... and so many cannot wait for that */
    struct ae_virtio_doorbell doorbell;
    uint8_t *memory;
};

struct queue {
    struct ae_virtio_driver driver; /* first */
    struct ring receive;
    struct ring send;
};

static inline uint32_t in_flight(const struct ring *ring)
{
    return ring->size - ring->free;
}

/* Goes on by so many places, at most a round; the flags turn over at the end of the ring. */
static inline struct place after(struct place place, uint32_t steps, uint32_t size)
{
    place.index += steps;
    if (place.index >= size) {
        place.index -= size;
        place.flags ^= WRAP;
    }
    return place;
}

/* Has the device used the descriptor that it would use next? Then what it says may be read. */
static inline bool is_used(const struct pvirtq_desc *ring, struct place place)
{
    /* Pairs with the device's release of flags: length, id and buffer were written before. */
    uint32_t flags = __atomic_load_n(&ring[place.index].flags, __ATOMIC_ACQUIRE);

    ae_dma_read_barrier();
    return (flags & WRAP) == place.flags;
}

struct used {
    uint32_t length;
    uint32_t id;
};

/* What the device wrote into the descriptor, each word read once. */
static inline struct used used_at(const struct pvirtq_desc *ring, struct place place)
{
    return (struct used){.length = __atomic_load_n(&ring[place.index].len, __ATOMIC_RELAXED),
                         .id = __atomic_load_n(&ring[place.index].id, __ATOMIC_RELAXED)};
}

/* In order: how many buffers from this place up to this id are used (2.8.8). 0: cannot be, and the
 * ring is broken. */
static uint32_t batch_up_to(struct queue *queue, const struct ring *ring, struct place place,
                            uint32_t id, uint32_t possible, uint64_t *counter)
{
    uint32_t length = (id < place.index ? id + ring->size : id) - place.index + 1;

    if (ae_unlikely(id >= ring->size || length > possible))
        return ae_virtio_break(&queue->driver, counter);
    return length;
}

/* Not in order: the buffer that the device says it used is free again; false: it never had it. */
static inline bool reap(struct ring *ring, struct place place, uint32_t id)
{
    if (ae_unlikely(id >= ring->size || !ring->away[id]))
        return false;
    ring->away[id] = false;
    ring->order[place.index] = (uint16_t)id;
    return true;
}

/* ---- Filling ---- */

static inline uint16_t flags_of(struct place place, const bool receiving)
{
    return (uint16_t)(place.flags | (receiving ? VIRTQ_DESC_F_WRITE : 0));
}

static inline uint64_t address_of(const struct ae_virtio_driver *driver,
                                  const struct ae_packet *packet, const bool receiving)
{
    return receiving ? ae_virtio_receive_address(driver, packet)
                     : ae_virtio_send_address(driver, packet);
}

/* The buffer id for this place, which has the packet from now on. */
static inline uint32_t enter(const struct ring *ring, uint32_t index, struct ae_packet *packet,
                             const bool in_order)
{
    uint32_t id = in_order ? index : ring->order[index];

    ring->slots[id] = packet;
    if (!in_order)
        ring->away[id] = true;
    return id;
}

/* Fills descriptors from `place` on, but for `skip` at the beginning, last one first; not over the
 * end of the ring. */
static inline __attribute__((always_inline)) void fill(const struct queue *queue, struct ring *ring,
                                                       struct place place,
                                                       struct ae_packet **packets, uint32_t skip,
                                                       uint32_t count, const bool in_order,
                                                       const bool receiving)
{
    struct pvirtq_desc *desc = ring->desc + place.index;
    /* Copies, so that the compiler need not read both again after each store to the ring. */
    const struct ae_virtio_driver driver = queue->driver;
    const struct ring view = *ring;
    /* What descriptors of a run have in common of their second half: flags, and of the length. */
    const uint64_t base =
        (uint64_t)flags_of(place, receiving) << 48 | (receiving ? driver.space : AE_VIRTIO_HEADER);

    for (uint32_t i = count; i-- > skip;) {
        uint64_t id = enter(&view, place.index + i, packets[i], in_order);
        uint64_t word = base + (id << 32) + (receiving ? 0 : packets[i]->length);

        desc[i].addr = address_of(&driver, packets[i], receiving);
        memcpy(&desc[i].len, &word, sizeof(word));
    }
}

/* A burst's first descriptor is filled last: it publishes all. */
static inline void publish(const struct queue *queue, struct ring *ring, struct ae_packet *packet,
                           const bool in_order, const bool receiving)
{
    struct pvirtq_desc *desc = &ring->desc[ring->next.index];

    desc->id = (uint16_t)enter(ring, ring->next.index, packet, in_order);
    desc->addr = address_of(&queue->driver, packet, receiving);
    desc->len = receiving ? queue->driver.space : packet->length + AE_VIRTIO_HEADER;
    ae_dma_write_barrier();
    /* Pairs with the device's acquire of flags: the whole burst is there before them. */
    __atomic_store_n(&desc->flags, flags_of(ring->next, receiving), __ATOMIC_RELEASE);
}

static inline __attribute__((always_inline)) void fill_burst(const struct queue *queue,
                                                             struct ring *ring,
                                                             struct ae_packet **packets,
                                                             uint32_t count, const bool in_order,
                                                             const bool receiving)
{
    struct place start = {0, ring->next.flags ^ WRAP};
    uint32_t run = ring->size - ring->next.index;

    if (ae_unlikely(count > run))
        fill(queue, ring, start, packets + run, 0, count - run, in_order, receiving);
    else
        run = count;
    fill(queue, ring, ring->next, packets, 1, run, in_order, receiving);
    publish(queue, ring, packets[0], in_order, receiving);
    ring->free -= count;
    ring->next = after(ring->next, count, ring->size);
    ae_virtio_notify(&ring->doorbell, &ring->device_event->flags, (uint16_t)ring->next.index,
                     ring->next.flags & VIRTQ_DESC_F_AVAIL);
}

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

/* A batch of which only the last buffer was written: those skipped are full to the brim, longer
 * than any frame of this port. Dropped whole. Returns its length; 0: the ring is broken. */
static uint32_t drop_batch(struct queue *queue, struct place place, uint32_t id, uint32_t possible)
{
    struct ring *ring = &queue->receive;
    uint64_t *bad = &queue->driver.base.counters->receive_bad_descriptors;
    uint32_t length = batch_up_to(queue, ring, place, id, possible, bad);

    *bad += length;
    for (uint32_t i = 0; i < length; i++)
        ae_pool_return(queue->driver.base.pool, ring->slots[after(place, i, ring->size).index]);
    return length;
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
    uint64_t bytes = 0;

    if (ae_unlikely(ring->free >= ring->low))
        in_order ? refill_in_order(queue) : refill_any_order(queue);
    most = in_flight(ring) < count ? in_flight(ring) : count;
    for (reaped = 0; reaped < most && is_used(desc, next_used); reaped++) {
        struct used used = used_at(desc, next_used);

        if (in_order && ae_unlikely(used.id != next_used.index)) {
            uint32_t batch = drop_batch(queue, next_used, used.id, in_flight(ring) - reaped);

            if (batch == 0)
                break;
            next_used = after(next_used, batch, size);
            reaped += batch - 1; /* beyond what was asked for, perhaps: then the loop ends */
            continue;
        }
        if (!in_order && ae_unlikely(!reap(ring, next_used, used.id))) {
            ae_virtio_break(&queue->driver, &base->counters->receive_bad_descriptors);
            break;
        }
        next_used = after(next_used, 1, size);
        if (ae_virtio_accept(&queue->driver, ring->slots[used.id], used.length, mergeable,
                             checksum)) {
            bytes += used.length - AE_VIRTIO_HEADER;
            *received++ = ring->slots[used.id];
        }
    }
    if (reaped == 0) {
        /* Nobody waits for a frame. */
        if (ring->free >= ring->batch && !queue->driver.broken)
            in_order ? refill_in_order(queue) : refill_any_order(queue);
        return 0;
    }
    ring->free += reaped;
    ring->next_used = next_used;
    base->counters->received_frames += (uint64_t)(received - packets);
    base->counters->received_bytes += bytes;
    return (uint16_t)(received - packets);
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
    if (ae_unlikely(good < room))
        ae_refuse(base, packets[good], &queue->driver.sendable, ae_virtio_offloads(checksum));
    else if (ae_unlikely(room < count))
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

/* In order, what is away are the slots of the last places filled; else `away` says it. */
static void release_ring(struct ae_pool *pool, struct ring *ring, bool in_order)
{
    for (uint32_t i = in_flight(ring); in_order && i > 0; i--)
        ae_pool_return(pool, ring->slots[after(ring->next, ring->size - i, ring->size).index]);
    for (uint32_t id = 0; id < ring->size; id++) {
        if (ring->away[id])
            ae_pool_return(pool, ring->slots[id]);
        ring->away[id] = false;
        ring->slots[id] = NULL;
    }
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
    struct place place = ring->next_used;
    uint32_t left = in_flight(ring) - ring->reapable, length = 1;

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
