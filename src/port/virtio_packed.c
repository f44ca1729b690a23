/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The driver's half of a pair of packed virtqueues (virtio 1.2, 2.8), polled.
 *
 * One ring, which both sides write. A burst is written from its last descriptor down to its first, so
 * the device sees nothing of it before the first one's flags, and the line that it polls is written
 * last and left alone from then on. A buffer id becomes free at the place where it came back, and is
 * given again at that place one round later: while the device works in order, id and place are one.
 */

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "port/virtio_driver.h"

#define WRAP (VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED)

struct ring {
    struct pvirtq_desc *desc;
    struct pvirtq_event_suppress *device_event;
    struct ae_packet **slots; /* by buffer id; NULL: not in flight */
    uint16_t *order;          /* by place: the buffer id that is given there */
    uint16_t size;
    uint16_t next;      /* place to fill */
    uint16_t next_flags; /* AVAIL and USED of a descriptor made available there */
    uint16_t look;      /* place where the device says what it used next */
    uint16_t look_flags; /* AVAIL and USED of a used descriptor there */
    uint16_t used;      /* in order: buffers known to be used, not yet taken back ... */
    uint16_t done;      /* ... the first of them */
    uint16_t free;      /* descriptors */
    uint16_t batch;
    struct ae_virtio_doorbell doorbell;
    uint8_t *memory;
};

struct queue {
    struct ae_virtio_driver driver; /* first */
    struct ring receive;
    struct ring send;
};

static inline uint16_t in_flight(const struct ring *ring)
{
    return (uint16_t)(ring->size - ring->free);
}

/* `steps` places on, at most a round. */
static inline uint16_t after(const struct ring *ring, uint16_t place, uint32_t steps)
{
    uint32_t sum = place + steps;

    return (uint16_t)(sum >= ring->size ? sum - ring->size : sum);
}

/* Goes on by so many; a round changes what the flags have to be. */
static inline void advance(const struct ring *ring, uint16_t *place, uint16_t *flags,
                           uint32_t steps)
{
    if (*place + steps >= ring->size)
        *flags ^= WRAP;
    *place = after(ring, *place, steps);
}

/* Has the device used the descriptor it would use next? Then what it says may be read. */
static inline bool is_used(const struct ring *ring)
{
    /* Pairs with the device's release of flags: length, id and buffer were written before. */
    uint16_t flags = __atomic_load_n(&ring->desc[ring->look].flags, __ATOMIC_ACQUIRE);

    ae_dma_read_barrier();
    return (flags & WRAP) == ring->look_flags;
}

struct told {
    uint32_t length;
    uint16_t id;
};

/* What the device wrote into the descriptor, read at once. */
static inline struct told used_here(const struct ring *ring)
{
    uint64_t word;

    memcpy(&word, &ring->desc[ring->look].len, sizeof(word));
    __asm__("" : "+r"(word)); /* so that the compiler cannot read it again */
    return (struct told){.length = (uint32_t)word, .id = (uint16_t)(word >> 32)};
}

/* In order: how many buffers up to this id are used (2.8.8). 0: cannot be, the ring is broken. */
static inline uint16_t batch_up_to(struct queue *queue, const struct ring *ring, uint16_t id,
                                   uint32_t possible, uint64_t *counter)
{
    uint32_t here = ring->look, length = (id < here ? id + (uint32_t)ring->size : id) - here + 1;

    if (ae_unlikely(id >= ring->size || length > possible))
        return ae_virtio_break(&queue->driver, counter);
    return (uint16_t)length;
}

/* ---- Making descriptors available ---- */

/* Descriptor `step` places from the next one. The first, step 0, is written last: it makes all of them
 * available. */
static inline void give(struct ring *ring, uint32_t step, struct ae_packet *packet,
                        uint64_t address, uint32_t length, uint16_t flags, const bool in_order)
{
    uint16_t place = after(ring, ring->next, step);
    uint16_t id = in_order ? place : ring->order[place];
    struct pvirtq_desc *desc = &ring->desc[place];

    flags |= (uint16_t)(ring->next_flags ^ (place < ring->next ? WRAP : 0));
    ring->slots[id] = packet;
    desc->addr = address;
    if (step == 0) {
        desc->len = length;
        desc->id = id;
        ae_dma_write_barrier();
        /* Pairs with the device's acquire of flags: the whole burst is there before them. */
        __atomic_store_n(&desc->flags, flags, __ATOMIC_RELEASE);
    } else {
        uint64_t word = length | (uint64_t)id << 32 | (uint64_t)flags << 48;

        memcpy(&desc->len, &word, sizeof(word));
    }
}

static inline void given(struct ring *ring, uint16_t count)
{
    ring->free = (uint16_t)(ring->free - count);
    advance(ring, &ring->next, &ring->next_flags, count);
    ae_virtio_tell(&ring->doorbell, &ring->device_event->flags, ring->next,
                   ring->next_flags & VIRTQ_DESC_F_AVAIL);
}

/* ---- Receive ---- */

/* Gives every free descriptor a packet, as far as there are any. */
static inline void refill(struct queue *queue, const bool in_order)
{
    struct ring *ring = &queue->receive;
    struct ae_pool *pool = queue->driver.base.pool;
    uint32_t wanted = ring->free, count = ae_pool_available(pool);

    if (count > wanted)
        count = wanted;
    ae_virtio_starve(&queue->driver, wanted - count);
    if (count == 0)
        return;
    for (uint32_t step = count; step-- > 0;) {
        struct ae_packet *packet = ae_packet_get(pool);

        give(ring, step, packet, ae_virtio_receive_address(packet),
             ae_virtio_receive_space(packet), VIRTQ_DESC_F_WRITE, in_order);
    }
    given(ring, (uint16_t)count);
}

/* A batch of which only the last buffer is told of: those skipped are full to the brim, longer than
 * any frame of this port. Dropped whole. */
static void drop_batch(struct queue *queue, uint16_t length)
{
    struct ring *ring = &queue->receive;

    queue->driver.base.counters->receive_bad_descriptors += length;
    for (uint16_t i = 0; i < length; i++) {
        uint16_t id = after(ring, ring->look, i);

        ae_packet_put(ring->slots[id]);
        ring->slots[id] = NULL;
    }
}

/* The packet that the device says it filled, its slot now empty; NULL: none came of this one, or the
 * ring is broken. */
static inline struct ae_packet *filled(struct queue *queue, uint16_t id, const bool in_order)
{
    struct ring *ring = &queue->receive;
    uint64_t *bad = &queue->driver.base.counters->receive_bad_descriptors;
    struct ae_packet *packet = NULL;
    uint16_t length = 1;

    if (in_order && ae_unlikely(id != ring->look)) {
        length = batch_up_to(queue, ring, id, in_flight(ring), bad);
        drop_batch(queue, length);
    } else if (!in_order && ae_unlikely(id >= ring->size || !ring->slots[id])) {
        length = ae_virtio_break(&queue->driver, bad);
    } else {
        if (!in_order)
            ring->order[ring->look] = id;
        packet = ring->slots[id];
        ring->slots[id] = NULL;
    }
    ring->free = (uint16_t)(ring->free + length);
    advance(ring, &ring->look, &ring->look_flags, length);
    return packet;
}

static inline __attribute__((always_inline)) uint16_t
receive_burst(struct ae_queue *base, struct ae_packet **packets, uint16_t count,
              const bool in_order, const bool mergeable, const bool checksum)
{
    struct queue *queue = (struct queue *)base;
    struct ring *ring = &queue->receive;
    struct ae_queue_counters *counters = base->counters;
    uint16_t taken = 0;
    uint64_t bytes = 0;

    if (ring->free >= ring->batch)
        refill(queue, in_order);
    /* Each round leaves fewer in flight. */
    while (taken < count && in_flight(ring) && is_used(ring)) {
        struct told told = used_here(ring);
        struct ae_packet *packet = filled(queue, told.id, in_order);

        if (ae_unlikely(!packet)) {
            if (queue->driver.broken)
                break;
        } else if (ae_virtio_take(&queue->driver, packet, told.length, mergeable, checksum)) {
            bytes += packet->length;
            packets[taken++] = packet;
        } else {
            ae_packet_put(packet);
        }
    }
    if (taken) {
        counters->received_frames += taken;
        counters->received_bytes += bytes;
    }
    return taken;
}

/* ---- Send ---- */

/* In order: learns of used batches until `wanted` buffers are known to be used. */
static inline void learn(struct queue *queue, uint16_t wanted)
{
    struct ring *ring = &queue->send;
    uint64_t *bad = &queue->driver.base.counters->send_bad_descriptors;

    while (ring->used < wanted && ring->used < in_flight(ring) && is_used(ring)) {
        uint16_t length = batch_up_to(queue, ring, used_here(ring).id,
                                      (uint32_t)in_flight(ring) - ring->used, bad);

        if (length == 0)
            return;
        ring->used = (uint16_t)(ring->used + length);
        advance(ring, &ring->look, &ring->look_flags, length);
    }
}

/* Puts `count` sent packets back, the oldest on top: so the next ones got from the pool are those of
 * the slots that are filled next. */
static inline void put_in_order(struct ring *ring, uint16_t count)
{
    for (uint32_t i = count; i-- > 0;) {
        uint16_t id = after(ring, ring->done, i);

        ae_packet_put(ring->slots[id]);
        ring->slots[id] = NULL;
    }
    ring->done = after(ring, ring->done, count);
    ring->used = (uint16_t)(ring->used - count);
    ring->free = (uint16_t)(ring->free + count);
}

static void put_as_told(struct queue *queue, uint16_t wanted)
{
    struct ring *ring = &queue->send;
    struct ae_packet *back[AE_VIRTIO_REFILL];
    uint32_t found;

    do {
        for (found = 0; found < AE_VIRTIO_REFILL && wanted && in_flight(ring) && is_used(ring);
             found++, wanted--) {
            uint16_t id = used_here(ring).id;

            if (ae_unlikely(id >= ring->size || !ring->slots[id])) {
                ae_virtio_break(&queue->driver,
                                &queue->driver.base.counters->send_bad_descriptors);
                wanted = 0;
                break;
            }
            ring->order[ring->look] = id;
            back[found] = ring->slots[id];
            ring->slots[id] = NULL; /* does not come back twice */
            ring->free++;
            advance(ring, &ring->look, &ring->look_flags, 1);
        }
        for (uint32_t i = found; i-- > 0;)
            ae_packet_put(back[i]);
    } while (found == AE_VIRTIO_REFILL);
}

/* Makes room for `wanted` more frames, as far as the device has sent that many. */
static inline void reclaim(struct queue *queue, uint16_t wanted, const bool in_order)
{
    struct ring *ring = &queue->send;

    if (!in_order) {
        put_as_told(queue, wanted);
        return;
    }
    learn(queue, wanted);
    put_in_order(ring, ring->used < wanted ? ring->used : wanted);
}

static inline __attribute__((always_inline)) uint16_t
send_burst(struct ae_queue *base, struct ae_packet **packets, uint16_t count, const bool in_order,
           const bool checksum)
{
    struct queue *queue = (struct queue *)base;
    struct ring *ring = &queue->send;
    struct ae_queue_counters *counters = base->counters;
    uint16_t room, good = 0;
    uint64_t bytes = 0;

    if (ring->free < count) {
        reclaim(queue, (uint16_t)(count - ring->free), in_order);
        if (ae_unlikely(queue->driver.broken))
            return 0;
    }
    room = ring->free < count ? ring->free : count;
    while (good < room && ae_likely(ae_virtio_prepare(&queue->driver, packets[good], checksum)))
        good++;
    if (good < room)
        counters->send_bad++;
    else
        counters->send_full += (uint64_t)(count - good);
    if (good == 0)
        return 0;
    for (uint32_t step = good; step-- > 0;) {
        struct ae_packet *packet = packets[step];

        bytes += packet->length;
        give(ring, step, packet, ae_virtio_send_address(packet),
             packet->length + AE_VIRTIO_HEADER, 0, in_order);
    }
    given(ring, good);
    counters->sent_frames += good;
    counters->sent_bytes += bytes;
    /* Ahead of the next burst, so that its packets come from the pool's top. */
    if (ring->free < count)
        reclaim(queue, (uint16_t)(count - ring->free), in_order);
    return good;
}

/* ---- One burst function for each of what start-up may settle ---- */

#define RECEIVE(name, in_order, mergeable, checksum)                                    \
    static uint16_t name(struct ae_queue *base, struct ae_packet **packets, uint16_t count) \
    {                                                                                   \
        return receive_burst(base, packets, count, in_order, mergeable, checksum);      \
    }
#define SEND(name, in_order, checksum)                                                  \
    static uint16_t name(struct ae_queue *base, struct ae_packet **packets, uint16_t count) \
    {                                                                                   \
        return send_burst(base, packets, count, in_order, checksum);                    \
    }

RECEIVE(receive_plain, false, false, false)
RECEIVE(receive_checksum, false, false, true)
RECEIVE(receive_mergeable, false, true, false)
RECEIVE(receive_mergeable_checksum, false, true, true)
RECEIVE(receive_in_order, true, false, false)
RECEIVE(receive_in_order_checksum, true, false, true)
RECEIVE(receive_in_order_mergeable, true, true, false)
RECEIVE(receive_in_order_mergeable_checksum, true, true, true)
SEND(send_plain, false, false)
SEND(send_checksum, false, true)
SEND(send_in_order, true, false)
SEND(send_in_order_checksum, true, true)

static const ae_virtio_burst receives[2][2][2] = {
    {{receive_plain, receive_checksum}, {receive_mergeable, receive_mergeable_checksum}},
    {{receive_in_order, receive_in_order_checksum},
     {receive_in_order_mergeable, receive_in_order_mergeable_checksum}},
};
static const ae_virtio_burst sends[2][2] = {
    {send_plain, send_checksum},
    {send_in_order, send_in_order_checksum},
};

/* ---- Attach, reset, detach ---- */

static void release_ring(struct ring *ring)
{
    for (uint32_t id = 0; ring->slots && id < ring->size; id++) {
        if (ring->slots[id])
            ae_packet_put(ring->slots[id]);
        ring->slots[id] = NULL;
    }
}

static void renew_ring(struct ring *ring)
{
    struct ae_virtio_layout layout = ae_virtio_ring_layout(ring->size, true);
    struct pvirtq_event_suppress *driver_event = (void *)(ring->memory + layout.driver);

    memset(ring->memory, 0, layout.size);
    driver_event->flags = RING_EVENT_FLAGS_DISABLE;
    for (uint16_t place = 0; place < ring->size; place++)
        ring->order[place] = place;
    /* 2.8.1: both wrap counters begin at 1. */
    ring->next_flags = VIRTQ_DESC_F_AVAIL;
    ring->look_flags = WRAP;
    ring->next = ring->look = ring->done = ring->used = 0;
    ring->free = ring->size;
}

static void renew(struct ae_virtio_driver *driver)
{
    struct queue *queue = (struct queue *)driver;

    renew_ring(&queue->send);
    renew_ring(&queue->receive);
    refill(queue, false);
}

static void release(struct ae_virtio_driver *driver)
{
    struct queue *queue = (struct queue *)driver;

    release_ring(&queue->receive);
    release_ring(&queue->send);
}

static void free_queue(struct ae_virtio_driver *driver)
{
    struct queue *queue = (struct queue *)driver;

    free(queue->receive.slots);
    free(queue->receive.order);
    free(queue->send.slots);
    free(queue->send.order);
    free(queue);
}

static int make_ring(struct ring *ring, const struct ae_virtio_ring *from, struct ae_error *err)
{
    struct ae_virtio_layout layout = ae_virtio_ring_layout(from->size, true);

    ring->memory = from->memory;
    ring->desc = (void *)(from->memory + layout.descriptors);
    ring->device_event = (void *)(from->memory + layout.device);
    ring->size = from->size;
    ring->batch = from->size / 4u < AE_VIRTIO_REFILL ? (uint16_t)((from->size + 3) / 4)
                                                     : AE_VIRTIO_REFILL;
    ring->doorbell = from->doorbell;
    ring->slots = calloc(from->size, sizeof(*ring->slots));
    ring->order = calloc(from->size, sizeof(*ring->order));
    return ring->slots && ring->order ? 0 : ae_error_set(err, -ENOMEM, "virtio: out of memory");
}

int ae_virtio_packed_attach(struct ae_queue **out, const struct ae_virtio_pair *pair,
                            struct ae_error *err)
{
    bool in_order = pair->features & VIRTIO_FEATURE(VIRTIO_F_IN_ORDER);
    bool mergeable = pair->features & VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF);
    bool checksum_in = pair->features & VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM);
    bool checksum_out = pair->features & VIRTIO_FEATURE(VIRTIO_NET_F_CSUM);
    struct queue *queue;
    int rc = ae_virtio_check_pair(pair, true, err);

    if (rc)
        return rc;
    queue = calloc(1, sizeof(*queue));
    if (!queue)
        return ae_error_set(err, -ENOMEM, "virtio: out of memory");
    rc = make_ring(&queue->receive, &pair->receive, err);
    if (!rc)
        rc = make_ring(&queue->send, &pair->send, err);
    if (rc) {
        free_queue(&queue->driver);
        return rc;
    }
    queue->driver.receive = receives[in_order][mergeable][checksum_in];
    queue->driver.send = sends[in_order][checksum_out];
    queue->driver.renew = renew;
    queue->driver.release = release;
    queue->driver.free = free_queue;
    ae_virtio_start(&queue->driver, pair);
    *out = &queue->driver.base;
    return 0;
}
