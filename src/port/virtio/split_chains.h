/* SPDX-License-Identifier: Apache-2.0 */

/* Chains of descriptors in a split ring: what virtio/chains.h needs. Included by virtio/split.c,
 * once.
 */

static void ready_for_chains(struct queue *queue, uint32_t prepared)
{
    struct ring *ring = &queue->send;

    for (uint32_t i = 0; i < prepared; i++)
        ring->away[ring->order[(ring->next + i) & ring->mask]] = false;
    for (uint16_t place = ring->reaped; queue->driver.in_order && place != ring->next; place++)
        ring->away[place & ring->mask] = true;
    ring->filled = ring->next;
    ring->freed = ring->reaped;
}

static void free_descriptor(struct ring *ring, uint16_t id)
{
    ring->order[ring->freed++ & ring->mask] = id;
}

static uint32_t room_for_chains(const struct ring *ring)
{
    return size_of(ring) - (uint16_t)(ring->filled - ring->freed);
}

/* Descriptors in the order in which they came back: in order, that of the table (2.7.5). */
static void fill_chain(struct queue *queue, struct ae_packet *first)
{
    struct ring *ring = &queue->send;
    uint16_t head = ring->order[ring->filled & ring->mask], id = head;

    for (struct ae_packet *packet = first; packet; packet = ae_packet_next(packet)) {
        uint32_t header = packet == first ? AE_VIRTIO_HEADER : 0;
        uint16_t next = ring->order[++ring->filled & ring->mask];

        ring->slots[id] = packet;
        ring->behind[id] = next;
        ring->desc[id] = (struct virtq_desc){.addr = ae_packet_iova(packet).value - header,
                                             .len = packet->length + header,
                                             .flags = packet->more ? VIRTQ_DESC_F_NEXT : 0,
                                             .next = packet->more ? next : 0};
        id = next;
    }
    ring->more[head] = first->more;
    ring->away[head] = true;
    ring->avail->ring[ring->next++ & ring->mask] = head;
}

static void publish_chains(struct ring *ring)
{
    publish(ring);
}

/* Takes back frames until `wanted` descriptors are free that were not, or as many as there are. */
static void reap_chains(struct queue *queue, uint32_t wanted);

#include "port/virtio/chains.h"

static void reap_chains(struct queue *queue, uint32_t wanted)
{
    struct ring *ring = &queue->send;
    uint32_t ready = poll_used(queue, ring, &queue->driver.base.counters->send_bad_descriptors);
    uint16_t start = ring->freed;

    for (; ready > 0 && (uint16_t)(ring->freed - start) < wanted; ready--) {
        uint32_t id = queue->driver.in_order ? ring->order[ring->freed & ring->mask]
                                             : used_at(ring, ring->reaped & ring->mask).id;

        if (!take_back(queue, id))
            return;
        ring->reaped++;
    }
}
