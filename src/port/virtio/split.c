/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The driver's half of a pair of split virtqueues (virtio 1.2, 2.7), polled.
 *
 * Places in the two rings run freely over 16 bits. A descriptor becomes free at the place of the
 * used ring where it came back, and is filled again at the same place of the available ring one
 * round later; so the available ring stays as it was while the device works in order, and only its
 * index is written. The same holds of descriptors: the pool is a stack, and packets are put on it
 * and taken off it such that a slot tends to get the packet that it had. A line that is not
 * written stays in both CPUs' caches.
 */

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/unset.h"
#include "port/virtio/driver.h"

struct ring {
    struct virtq_desc *desc;
    struct virtq_avail *avail;
    struct virtq_used *used;  /* the device's: each word of it is read once */
    struct ae_packet **slots; /* by descriptor: the packet that it has, or had last */
    uint16_t *order;          /* by place: the descriptor to fill there */
    bool *away;               /* by descriptor: with the device; not kept in order */
    uint8_t *more;            /* by the first descriptor of a frame: so many are behind it ... */
    uint16_t *behind;         /* ... each in a list; `more` is zero until there are chains */
    bool chains;              /* send: chains.h has the ring; `away` is kept in order, too, ... */
    uint16_t filled;          /* ... and places of `order` are not those of the two rings: the one
                               * to fill a descriptor from next ... */
    uint16_t freed;           /* ... and the one where the next that comes back is put */
    uint16_t mask;
    uint16_t next;   /* place of the available ring to fill: what its idx says */
    uint16_t reaped; /* place of the used ring to reap next */
    uint16_t seen;   /* the used ring's idx, as last read */
    uint16_t batch;  /* receive: so many free descriptors are worth refilling when idle ... */
    uint16_t low;    /* ... and so many cannot wait for that */
    struct ae_virtio_doorbell doorbell;
    uint8_t *memory;
};

struct queue {
    struct ae_virtio_driver driver; /* first */
    struct ring receive;
    struct ring send;
};

static inline uint32_t size_of(const struct ring *ring)
{
    return ring->mask + 1u;
}

static inline uint16_t in_flight(const struct ring *ring)
{
    return (uint16_t)(ring->next - ring->reaped);
}

static inline uint16_t space(const struct ring *ring)
{
    return (uint16_t)(ring->mask + 1 - in_flight(ring));
}

/* Returns how many used entries there are to reap; none from a broken ring. */
static inline uint16_t poll_used(struct queue *queue, struct ring *ring, uint64_t *counter)
{
    /* Pairs with the device's release of idx: the entries before it are there, and so is what it
     * wrote into their buffers. */
    uint16_t seen = __atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE);
    uint16_t ready = (uint16_t)(seen - ring->reaped);

    ae_dma_read_barrier();
    if (ae_unlikely(ready > in_flight(ring)))
        return ae_virtio_break(&queue->driver, counter);
    ring->seen = seen;
    return ready;
}

static inline void publish(struct ring *ring)
{
    ae_dma_write_barrier();
    /* Pairs with the device's acquire of idx: descriptors and ring entries are there before it. */
    __atomic_store_n(&ring->avail->idx, ring->next, __ATOMIC_RELEASE);
    ae_virtio_notify(&ring->doorbell, &ring->used->flags, ring->next, false);
}

/* The free descriptor to fill at this place, entered in the available ring where it is another. */
static inline uint32_t enter(struct ring *ring, uint32_t place, const bool in_order)
{
    uint16_t id;

    if (in_order)
        return place;
    id = ring->order[place];
    if (ae_unlikely(ring->avail->ring[place] != id))
        ring->avail->ring[place] = id;
    ring->away[id] = true;
    return id;
}

/* One entry of the used ring, read at once. */
static inline struct virtq_used_elem used_at(const struct ring *ring, uint32_t place)
{
    uint64_t word;

    memcpy(&word, &ring->used->ring[place], sizeof(word));
    __asm__("" : "+r"(word)); /* so that the compiler cannot read it again */
    return (struct virtq_used_elem){.id = (uint32_t)word, .len = (uint32_t)(word >> 32)};
}

/* Does the device have this descriptor? */
static inline bool is_out(const struct ring *ring, uint32_t id)
{
    return id <= ring->mask && ring->away[id];
}

/* The descriptor that the device says it used is free again; false: it never had it. */
static inline bool reap(struct ring *ring, uint32_t place, uint32_t id)
{
    if (ae_unlikely(!is_out(ring, id)))
        return false;
    ring->away[id] = false;
    ring->order[place] = (uint16_t)id;
    return true;
}

/* ---- Receive ---- */

/* Every free descriptor gets a packet, as far as there are any: what the caller put last goes to
 * what was received last. */
static inline __attribute__((always_inline)) void refill(struct queue *queue, const bool in_order)
{
    struct ring *ring = &queue->receive;
    struct ae_pool *pool = queue->driver.base.pool;
    uint32_t wanted = space(ring), next = ring->next, mask = ring->mask;
    uint32_t count = ae_pool_available(pool) < wanted ? ae_pool_available(pool) : wanted;
    struct ae_packet **packets = ae_pool_take(pool, count), **slots = ring->slots;

    ae_virtio_starve(&queue->driver, wanted - count);
    if (count == 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t id = enter(ring, (next + i) & mask, in_order);

        if (slots[id] != packets[i]) {
            slots[id] = packets[i];
            ring->desc[id].addr = ae_virtio_receive_address(&queue->driver, packets[i]);
        }
    }
    ring->next = (uint16_t)(next + count);
    publish(ring);
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
    if (ae_unlikely(space(&queue->receive) >= queue->receive.low))
        in_order ? refill_in_order(queue) : refill_any_order(queue);
}

#include "port/virtio/merged.h"

static struct batch next_batch(struct queue *queue)
{
    struct ring *ring = &queue->receive;
    uint64_t *bad = &queue->driver.base.counters->receive_bad_descriptors;
    uint32_t ready = (uint16_t)(ring->seen - ring->reaped), place = ring->reaped & ring->mask;
    struct virtq_used_elem elem;
    struct batch batch = {0};

    if (ready == 0)
        ready = poll_used(queue, ring, bad);
    if (ready == 0)
        return batch;
    elem = used_at(ring, place);
    batch.written = elem.len;
    if (!queue->driver.in_order)
        batch.count = reap(ring, place, elem.id);
    else if (elem.id <= ring->mask && ((elem.id - place) & ring->mask) < ready)
        batch.count = ((elem.id - place) & ring->mask) + 1;
    if (batch.count == 0)
        ae_virtio_break(&queue->driver, bad);
    return batch;
}

static struct ae_packet *packet_of(const struct ring *ring, uint32_t i)
{
    return ring->slots[ring->order[(ring->reaped + i) & ring->mask]];
}

static void pass(struct ring *ring, uint32_t count)
{
    ring->reaped = (uint16_t)(ring->reaped + count);
}

static inline __attribute__((always_inline)) uint16_t receive_burst(
    struct ae_queue *base, struct ae_packet **packets, uint16_t count, const bool in_order,
    const bool mergeable, const bool checksum)
{
    struct queue *queue = (struct queue *)base;
    struct ring *ring = &queue->receive;
    struct ae_queue_counters *counters = base->counters;
    uint32_t ready, at, end, mask = ring->mask;
    struct ae_packet **slots = ring->slots, **received = packets;
    uint64_t bytes = 0;
    uint16_t got;

    refill_when_low(queue, in_order);
    ready = (uint16_t)(ring->seen - ring->reaped);
    if (ready == 0)
        ready = poll_used(queue, ring, &counters->receive_bad_descriptors);
    if (ready > count)
        ready = count;
    if (ready == 0) {
        /* Nobody waits for a frame. */
        if (space(ring) >= ring->batch && !queue->driver.broken)
            in_order ? refill_in_order(queue) : refill_any_order(queue);
        return 0;
    }
    end = ring->reaped + ready;
    for (at = ring->reaped; at < end; at++) {
        uint32_t place = at & mask;
        struct virtq_used_elem elem = used_at(ring, place);

        if (in_order && ae_unlikely(elem.id != place))
            break;
        if (!in_order && ae_unlikely(!is_out(ring, elem.id))) {
            ae_virtio_break(&queue->driver, &counters->receive_bad_descriptors);
            break;
        }
        if (mergeable && ae_unlikely(ae_virtio_num_buffers(slots[elem.id]) != 1))
            break;
        if (!in_order)
            reap(ring, place, elem.id);
        if (ae_virtio_accept(&queue->driver, slots[elem.id], elem.len, checksum)) {
            bytes += elem.len - AE_VIRTIO_HEADER;
            *received++ = slots[elem.id];
        }
    }
    got = (uint16_t)(received - packets);
    ring->reaped = (uint16_t)at;
    counters->received_frames += got;
    counters->received_bytes += bytes;
    if (ae_unlikely(at < end) && !queue->driver.broken)
        got += receive_merged(base, received, count - got);
    return got;
}

/* ---- Send ---- */

/* Returns `count` sent packets to the pool, the oldest on top: so the next ones got from the pool
 * are those of the slots that are filled next. In order, where the index says it all, no entry is
 * read. */
static inline void reclaim_in_order(struct queue *queue, uint32_t count)
{
    struct ring *ring = &queue->send;
    struct ae_pool *pool = queue->driver.base.pool;
    uint32_t oldest = ring->reaped & ring->mask, most = ring->mask + 1u - oldest;
    uint32_t run = most < count ? most : count;

    ae_pool_return_burst(pool, ring->slots, count - run);
    ae_pool_return_burst(pool, ring->slots + oldest, run);
    ring->reaped = (uint16_t)(ring->reaped + count);
}

static void reclaim_any_order(struct queue *queue, uint32_t count)
{
    struct ring *ring = &queue->send;
    struct ae_packet *back[AE_VIRTIO_REFILL] AE_UNSET;
    uint32_t found = AE_VIRTIO_REFILL;

    for (; found == AE_VIRTIO_REFILL; count -= found) {
        for (found = 0; found < AE_VIRTIO_REFILL && found < count; found++) {
            uint32_t place = ring->reaped & ring->mask, id = used_at(ring, place).id;

            if (ae_unlikely(!reap(ring, place, id))) {
                ae_virtio_break(&queue->driver, &queue->driver.base.counters->send_bad_descriptors);
                count = found;
                break;
            }
            back[found] = ring->slots[id];
            ring->reaped++;
        }
        for (uint32_t i = found; i-- > 0;)
            ae_pool_return(queue->driver.base.pool, back[i]);
    }
}

/* Takes back `wanted` packets, as far as the device has sent that many. */
static void reclaim(struct queue *queue, uint32_t wanted, const bool in_order)
{
    struct ring *ring = &queue->send;
    uint32_t ready = (uint16_t)(ring->seen - ring->reaped);

    if (ready < wanted)
        ready = poll_used(queue, ring, &queue->driver.base.counters->send_bad_descriptors);
    if (ready > wanted)
        ready = wanted;
    if (in_order)
        reclaim_in_order(queue, ready);
    else
        reclaim_any_order(queue, ready);
}

static uint16_t reclaim_burst(struct ae_queue *base, uint16_t count)
{
    struct queue *queue = (struct queue *)base;
    uint16_t reaped = queue->send.reaped;

    reclaim(queue, count, queue->driver.in_order);
    return (uint16_t)(queue->send.reaped - reaped);
}

/* The descriptor of this slot gets the frame; what is there already is left alone. */
static inline void fill(struct virtq_desc *desc, uint64_t address, uint32_t length)
{
    if (desc->addr != address)
        desc->addr = address;
    if (desc->len != length)
        desc->len = length;
}

/* Fills descriptors from this place on, not over the end of the ring, up to a frame that cannot be
 * sent. Returns how many. */
static inline __attribute__((always_inline)) uint32_t fill_run(struct queue *queue, uint32_t place,
                                                               struct ae_packet **packets,
                                                               uint32_t count, const bool in_order,
                                                               const bool checksum, uint64_t *bytes)
{
    struct ring *ring = &queue->send;
    const struct ae_sendable sendable = queue->driver.sendable;
    struct ae_packet **slots = ring->slots;
    struct virtq_desc *desc = ring->desc;
    uint32_t i;

    for (i = 0; i < count; i++) {
        struct ae_packet *packet = packets[i];
        uint32_t id;

        if (ae_unlikely(!ae_virtio_prepare(&sendable, packet, checksum)))
            break;
        id = enter(ring, place + i, in_order);
        slots[id] = packet;
        fill(&desc[id], ae_virtio_send_address(&queue->driver, packet),
             packet->length + AE_VIRTIO_HEADER);
        *bytes += packet->length;
    }
    return i;
}

/* From several packets, once there are such frames. */
#include "port/virtio/split_chains.h"

/* Packets: as many descriptors. */
static uint32_t unsent(const struct ae_queue *base)
{
    const struct ring *ring = &((const struct queue *)base)->send;

    return ring->chains ? size_of(ring) - room_for_chains(ring) : in_flight(ring);
}

static inline __attribute__((always_inline)) uint16_t send_burst(struct ae_queue *base,
                                                                 struct ae_packet **packets,
                                                                 uint16_t count,
                                                                 const bool in_order,
                                                                 const bool checksum)
{
    struct queue *queue = (struct queue *)base;
    struct ring *ring = &queue->send;
    uint32_t room, sent, place = ring->next & ring->mask, run = ring->mask + 1u - place;
    uint64_t bytes = 0;

    if (ae_unlikely(space(ring) < count)) {
        reclaim(queue, count - (uint32_t)space(ring), in_order);
        if (ae_unlikely(queue->driver.broken)) {
            ae_refuse_away(base, count);
            return 0;
        }
    }
    room = space(ring) < count ? space(ring) : count;
    sent = fill_run(queue, place, packets, room < run ? room : run, in_order, checksum, &bytes);
    if (ae_unlikely(run < room) && sent == run)
        sent += fill_run(queue, 0, packets + run, room - run, in_order, checksum, &bytes);
    if (ae_unlikely(sent < room)) {
        if (ae_virtio_sends_chain(&queue->driver, packets[sent]))
            return begin_chains(queue, packets, sent, count);
        ae_refuse(base, packets[sent], &queue->driver.sendable, ae_virtio_offloads(checksum));
    } else if (ae_unlikely(room < count))
        ae_refuse_full(base, count - sent);
    if (sent == 0)
        return 0;
    ring->next = (uint16_t)(ring->next + sent);
    publish(ring);
    base->counters->sent_frames += sent;
    base->counters->sent_bytes += bytes;
    /* Ahead of the next burst, so that its packets come from the pool's top. */
    if (space(ring) < count)
        reclaim(queue, ae_virtio_room(count) - (uint32_t)space(ring), in_order);
    return (uint16_t)sent;
}

/* One burst function for each of what may be negotiated. */
#include "port/virtio/instances.h"

/* ---- The form ---- */

/* In order, until there are chains, what is away are the slots between the two places; else `away`
 * says it. */
static void release_ring(struct ae_pool *pool, struct ring *ring, bool in_order)
{
    in_order = in_order && !ring->chains;
    for (uint16_t place = ring->reaped; in_order && place != ring->next; place++)
        ae_pool_return(pool, ring->slots[place & ring->mask]);
    release_away(pool, ring);
    ring->next = ring->reaped = ring->seen = 0;
}

static void renew_ring(struct ring *ring, uint16_t flags, uint32_t length)
{
    memset(ring->memory, 0, ae_virtio_ring_layout((uint16_t)(ring->mask + 1), false).size);
    for (uint32_t place = 0; place <= ring->mask; place++) {
        ring->order[place] = (uint16_t)place;
        ring->avail->ring[place] = (uint16_t)place;
        ring->desc[place].flags = flags;
        ring->desc[place].len = length;
    }
    ring->avail->flags = VIRTQ_AVAIL_F_NO_INTERRUPT;
}

static void renew(struct ae_virtio_driver *driver)
{
    struct queue *queue = (struct queue *)driver;

    renew_ring(&queue->send, 0, 0);
    renew_ring(&queue->receive, VIRTQ_DESC_F_WRITE, driver->space);
    refill(queue, driver->in_order);
}

static void find_positions(struct ae_virtio_driver *driver, uint16_t positions[2])
{
    struct queue *queue = (struct queue *)driver;
    struct ae_queue_counters *counters = driver->base.counters;

    poll_used(queue, &queue->receive, &counters->receive_bad_descriptors);
    poll_used(queue, &queue->send, &counters->send_bad_descriptors);
    positions[0] = queue->receive.seen;
    positions[1] = queue->send.seen;
}

static void place_ring(struct ring *ring, const struct ae_virtio_ring *from)
{
    struct ae_virtio_layout layout = ae_virtio_ring_layout(from->size, false);

    ring->desc = (void *)(from->memory + layout.descriptors);
    ring->avail = (void *)(from->memory + layout.driver);
    ring->used = (void *)(from->memory + layout.device);
    ring->mask = (uint16_t)(from->size - 1);
}

#include "port/virtio/form.h"

const struct ae_virtio_form ae_virtio_split = {
    .packed = false,
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
