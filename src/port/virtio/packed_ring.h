/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VIRTIO_PACKED_RING_H
#define AE_PORT_VIRTIO_PACKED_RING_H

/*
 * A packed virtqueue (virtio 1.2, 2.8): what the device said in it, and filling it.
 *
 * One ring, which both sides write. A burst is written from its last descriptor down to its first,
 * so the device sees nothing of it before the first one's flags, and the line that it polls is
 * written last and left alone from then on. A buffer id becomes free at the place where it came
 * back, and is filled again there one round later: while the device works in order, id and
 * place are one.
 */

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
    uint8_t *more;            /* by a frame's buffer id: it has so many more descriptors, ... */
    uint16_t *behind;         /* ... whose ids are in a list; zero until there are chains */
    bool chains;              /* send: chains.h has the ring; `away` is kept in order, too */
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

static inline uint32_t size_of(const struct ring *ring)
{
    return ring->size;
}

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
static inline uint32_t batch_up_to(struct queue *queue, const struct ring *ring, struct place place,
                                   uint32_t id, uint32_t possible, uint64_t *counter)
{
    uint32_t length = (id < place.index ? id + ring->size : id) - place.index + 1;

    if (ae_unlikely(id >= ring->size || length > possible))
        return ae_virtio_break(&queue->driver, counter);
    return length;
}

/* Not in order: does the device have this buffer? */
static inline bool is_out(const struct ring *ring, uint32_t id)
{
    return id < ring->size && ring->away[id];
}

/* Not in order: the buffer that the device says it used is free again; false: it never had it. */
static inline bool reap(struct ring *ring, struct place place, uint32_t id)
{
    if (ae_unlikely(!is_out(ring, id)))
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

#endif
