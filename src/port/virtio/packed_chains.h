/* SPDX-License-Identifier: Apache-2.0 */

/* Chains of descriptors in a packed ring: what virtio/chains.h needs. Included by virtio/packed.c,
 * once.
 */

static void ready_for_chains(struct queue *queue, uint32_t prepared)
{
    struct ring *ring = &queue->send;

    (void)prepared; /* nothing is entered before it is published */
    if (!queue->driver.in_order)
        return;
    reclaim_in_order(queue, ring->reapable);
    for (uint32_t i = 0; i < in_flight(ring); i++)
        ring->away[after(ring->next_used, i, ring->size).index] = true;
}

static void free_descriptor(struct ring *ring, uint16_t id)
{
    ring->order[ring->next_used.index] = id;
    ring->next_used = after(ring->next_used, 1, ring->size);
    ring->free++;
}

static uint32_t room_for_chains(const struct ring *ring)
{
    return ring->free;
}

/* A list of descriptors with one buffer id (2.8.6). Its first one publishes it, written last. */
static void fill_chain(struct queue *queue, struct ae_packet *first)
{
    struct ring *ring = &queue->send;
    struct pvirtq_desc *head = &ring->desc[ring->next.index];
    uint16_t flags = (uint16_t)(ring->next.flags | (first->more ? VIRTQ_DESC_F_NEXT : 0));
    uint16_t id = ring->order[ring->next.index];

    ring->more[id] = first->more;
    ring->away[id] = true;
    for (struct ae_packet *packet = first; packet; packet = ae_packet_next(packet)) {
        struct pvirtq_desc *desc = &ring->desc[ring->next.index];
        uint32_t header = packet == first ? AE_VIRTIO_HEADER : 0;
        uint16_t own = ring->order[ring->next.index];

        desc->addr = ae_packet_iova(packet).value - header;
        desc->len = packet->length + header;
        desc->id = id;
        if (packet != first)
            desc->flags = (uint16_t)(ring->next.flags | (packet->more ? VIRTQ_DESC_F_NEXT : 0));
        ring->slots[own] = packet;
        ring->next = after(ring->next, 1, ring->size);
        ring->behind[own] = ring->order[ring->next.index];
    }
    ring->free -= first->more + 1u;
    ae_dma_write_barrier();
    /* Pairs with the device's acquire of flags: the whole list is there before them. */
    __atomic_store_n(&head->flags, flags, __ATOMIC_RELEASE);
}

static void publish_chains(struct ring *ring)
{
    ae_virtio_notify(&ring->doorbell, &ring->device_event->flags, (uint16_t)ring->next.index,
                     ring->next.flags & VIRTQ_DESC_F_AVAIL);
}

/* Takes back frames until `wanted` descriptors are free that were not, or as many as there are. */
static void reap_chains(struct queue *queue, uint32_t wanted);

#include "port/virtio/chains.h"

static void reap_chains(struct queue *queue, uint32_t wanted)
{
    struct ring *ring = &queue->send;
    uint32_t enough = ring->free + wanted;

    while (ring->free < enough && in_flight(ring) && is_used(ring->desc, ring->next_used)) {
        uint32_t id = used_at(ring->desc, ring->next_used).id, next = id;

        /* In order: all up to this one (2.8.8), which is on the way if it is with the device. */
        do {
            if (queue->driver.in_order && id < ring->size && ring->away[id])
                next = ring->order[ring->next_used.index];
            if (!take_back(queue, next))
                return;
        } while (next != id);
    }
}
