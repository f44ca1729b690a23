/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Frames that are sent from several packets: a chain of packets becomes a chain of descriptors, the
 * network header before the first. Included by virtio/split_chains.h and virtio/packed_chains.h
 * behind their own functions of a chain. Not a header like others: no guard, once per form.
 *
 * A queue begins with functions for which a frame is a descriptor. They stop at the first chain;
 * from then on until it is reset the queue has these, which know of each frame how many it has.
 */

/* The frame that the device says it used is back; false: it never had it, and the ring is broken.
 */
static bool take_back(struct queue *queue, uint32_t id)
{
    struct ring *ring = &queue->send;

    if (id >= size_of(ring) || !ring->away[id])
        return ae_virtio_break(&queue->driver, &queue->driver.base.counters->send_bad_descriptors);
    ring->away[id] = false;
    for (uint32_t left = ring->more[id] + 1u; left > 0; left--) {
        ae_pool_return(queue->driver.base.pool, ring->slots[id]);
        free_descriptor(ring, (uint16_t)id);
        id = ring->behind[id];
    }
    return true;
}

static uint16_t reclaim_chains(struct ae_queue *base, uint16_t count)
{
    struct queue *queue = (struct queue *)base;
    uint32_t room = room_for_chains(&queue->send);

    reap_chains(queue, count);
    return (uint16_t)(room_for_chains(&queue->send) - room);
}

static uint16_t send_chains(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct queue *queue = (struct queue *)base;
    struct ae_virtio_driver *driver = &queue->driver;
    uint16_t sent;

    for (sent = 0; sent < count; sent++) {
        uint32_t segments = 1u + packets[sent]->more, room = room_for_chains(&queue->send);

        if (!ae_virtio_sends_chain(driver, packets[sent])) {
            ae_refuse(base, packets[sent], &driver->sendable, driver->offloads);
            break;
        }
        if (room < segments)
            reap_chains(queue, ae_virtio_room((uint16_t)(segments - room)));
        if (room_for_chains(&queue->send) < segments) {
            if (driver->broken)
                ae_refuse_away(base, count - sent);
            else
                ae_refuse_full(base, count - sent);
            break;
        }
        base->counters->sent_bytes += ae_virtio_prepare_chain(packets[sent]);
        fill_chain(queue, packets[sent]);
    }
    base->counters->sent_frames += sent;
    if (sent)
        publish_chains(&queue->send);
    return sent;
}

/* At a burst's first chain, before `prepared` frames were published: it is sent over again. */
static __attribute__((noinline)) uint16_t begin_chains(struct queue *queue,
                                                       struct ae_packet **packets,
                                                       uint32_t prepared, uint16_t count)
{
    for (uint32_t i = 0; i < prepared; i++)
        packets[i]->in_pool = false;
    ready_for_chains(queue, prepared);
    queue->send.chains = true;
    queue->driver.base.send = send_chains;
    queue->driver.base.reclaim = reclaim_chains;
    return send_chains(&queue->driver.base, packets, count);
}

/* What is with the device goes back to the pool, where `away` says it. */
static void release_away(struct ae_pool *pool, struct ring *ring)
{
    for (uint32_t id = 0; id < size_of(ring); id++) {
        uint32_t left = ring->away[id] ? ring->more[id] + 1u : 0;

        for (uint32_t at = id; left > 0; left--, at = ring->behind[at])
            ae_pool_return(pool, ring->slots[at]);
        ring->away[id] = false;
    }
    memset(ring->slots, 0, size_of(ring) * sizeof(*ring->slots));
    memset(ring->more, 0, size_of(ring));
    ring->chains = false;
}
