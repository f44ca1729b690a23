/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The device's half of a split virtqueue (2.7). What is made available is used at once and in
 * order, so that one index says both: up to where we fetched, and up to where the driver has it
 * back.
 */

#include "base/unset.h"
#include "port/vhost/back/ring.h"

/* What was read of one available entry. */
struct entry {
    uint16_t head;
    bool single; /* one descriptor, all of it at `at` */
    uint8_t *at;
    uint32_t length;
};

static uint16_t mask(const struct ae_vhost_ring *ring)
{
    return (uint16_t)(ring->size - 1);
}

void ae_vhost_split_start(struct ae_vhost_ring *ring)
{
    ae_vhost_store(&ring->used->flags, (uint16_t)VIRTQ_USED_F_NO_NOTIFY);
    /* Entries that an earlier device looked at and never used are still available. */
    ring->next = ae_vhost_load(&ring->used->idx);
    ring->unnoticed = true;
}

/* How many entries are available. */
static uint16_t poll_available(struct ae_vhost_ring *ring)
{
    /* Pairs with the driver's release of idx, after it wrote the entries and their descriptors. */
    uint16_t idx = __atomic_load_n(&ring->avail->idx, __ATOMIC_ACQUIRE);
    uint16_t available = (uint16_t)(idx - ring->next);

    if (__builtin_expect(available > ring->size, 0)) {
        ring->broken = true;
        return 0;
    }
    return available;
}

/* All up to idx `next` is used. */
static void publish(struct ae_vhost_ring *ring, uint16_t next)
{
    if (next == ring->next)
        return;
    ring->next = next;
    ring->unnoticed = true;
    /* Pairs with the driver's acquire of idx: frames and used elements are there before it. */
    __atomic_store_n(&ring->used->idx, next, __ATOMIC_RELEASE);
}

static void use(struct ae_vhost_ring *ring, uint16_t at, uint16_t head, uint32_t length)
{
    ring->used->ring[at & mask(ring)] = (struct virtq_used_elem){.id = head, .len = length};
}

/*
 * Walks a chain whose descriptors must be `direction` (VIRTQ_DESC_F_WRITE or 0), and adds its
 * pieces to the buffer's. Bounded by the ring's size, so that a loop ends.
 */
static void walk(struct ae_vhost_ring *ring, uint16_t head, unsigned direction,
                 struct ae_vhost_buffer *buffer)
{
    uint16_t at = head;

    for (uint16_t steps = 0; steps < ring->size; steps++) {
        uint64_t rest = ae_vhost_word(&ring->table[at], 1);
        uint64_t address = ae_vhost_word(&ring->table[at], 0);
        uint32_t length = (uint32_t)rest;
        uint16_t flags = (uint16_t)(rest >> 32), next = (uint16_t)(rest >> 48);
        uint8_t *piece = ae_vhost_translate(ring, address, length);

        if (!piece || buffer->count == AE_VHOST_PIECES || (flags & ~VIRTQ_DESC_F_NEXT) != direction)
            break;
        buffer->pieces[buffer->count++] = (struct ae_vhost_piece){piece, length};
        if (!(flags & VIRTQ_DESC_F_NEXT))
            return;
        if (next >= ring->size)
            break;
        at = next;
    }
    buffer->bad = true;
}

/*
 * Reads `count` available entries and prefetches what they point at: first the descriptors, then
 * the buffers. Returns how many of them name a descriptor.
 */
static uint16_t fetch(struct ae_vhost_ring *ring, unsigned direction, struct entry *entries,
                      uint16_t count)
{
    for (uint16_t i = 0; i < count; i++) {
        uint16_t head = ae_vhost_load(&ring->avail->ring[(ring->next + i) & mask(ring)]);

        if (__builtin_expect(head >= ring->size, 0)) {
            /* It could not even be given back. */
            ring->broken = true;
            count = i;
            break;
        }
        entries[i].head = head;
        __builtin_prefetch(&ring->table[head]);
    }
    for (uint16_t i = 0; i < count; i++) {
        const struct virtq_desc *descriptor = &ring->table[entries[i].head];
        uint64_t rest = ae_vhost_word(descriptor, 1);
        uint32_t length = (uint32_t)rest;
        uint8_t *at = NULL;

        if ((uint16_t)(rest >> 32) == direction && length > AE_VHOST_HEADER)
            at = ae_vhost_translate(ring, ae_vhost_word(descriptor, 0), length);
        entries[i].single = at != NULL;
        entries[i].at = at;
        entries[i].length = length;
        if (at && direction)
            __builtin_prefetch(at, 1);
        else if (at)
            __builtin_prefetch(at);
    }
    return count;
}

/* ---- From the driver ---- */

static bool gather_chain(struct ae_vhost_ring *ring, uint16_t head, struct ae_packet *packet,
                         struct ae_queue_counters *counters)
{
    struct ae_vhost_buffer buffer AE_UNSET;

    buffer.count = 0;
    buffer.bad = false;
    walk(ring, head, 0, &buffer);
    if (buffer.bad) {
        counters->receive_bad_descriptors++;
        return false;
    }
    return ae_vhost_gather(ring, &buffer, packet, counters);
}

uint16_t ae_vhost_split_receive(struct ae_vhost_ring *ring, struct ae_queue *queue,
                                struct ae_packet **packets, uint16_t count)
{
    struct ae_queue_counters *counters = queue->counters;
    struct ae_pool *pool = queue->pool;
    struct entry entries[AE_VHOST_BURST] AE_UNSET;
    uint16_t wanted = ae_vhost_min(count, AE_VHOST_BURST), taken = 0, first = ring->next;
    uint64_t bytes = 0;

    wanted = ae_vhost_min(wanted, poll_available(ring));
    if (!wanted)
        return 0;
    if (__builtin_expect(wanted > ae_pool_available(pool), 0)) {
        counters->receive_no_buffer++;
        wanted = (uint16_t)ae_pool_available(pool);
    }
    wanted = fetch(ring, 0, entries, wanted);
    ae_packet_get_burst(pool, packets, wanted);
    for (uint16_t i = 0; i < wanted; i++) {
        struct ae_packet *packet = packets[i];
        bool good = entries[i].single ? ae_vhost_gather_single(ring, entries[i].at,
                                                               entries[i].length, packet, counters)
                                      : gather_chain(ring, entries[i].head, packet, counters);

        if (__builtin_expect(good, 1)) {
            packets[taken++] = packet;
            bytes += packet->length;
        } else {
            ae_packet_put(packet);
        }
        if (!ring->in_order)
            use(ring, (uint16_t)(first + i), entries[i].head, 0);
    }
    /* 2.7.9: in order, the last of a batch stands for all of it, in the place of the first. */
    if (ring->in_order && wanted)
        use(ring, first, entries[wanted - 1].head, 0);
    counters->received_frames += taken;
    counters->received_bytes += bytes;
    publish(ring, (uint16_t)(first + wanted));
    return taken;
}

/* ---- To the driver ---- */

/* Buffers that no frame fits into go back empty. */
static uint16_t use_empty(struct ae_vhost_ring *ring, uint16_t first, const uint16_t *heads,
                          uint16_t count, struct ae_queue_counters *counters)
{
    for (uint16_t i = 0; i < count; i++)
        use(ring, (uint16_t)(first + i), heads[i], 0);
    counters->send_bad_descriptors++;
    return count;
}

/*
 * One frame over as many descriptors as it takes, and, with VIRTIO_NET_F_MRG_RXBUF, over several
 * buffers. Returns how many entries are done with, 0: not enough of them are there, or the frame is
 * too long; `sent` says whether the frame is in them.
 */
static uint16_t scatter_chains(struct ae_vhost_ring *ring, uint16_t first, uint16_t available,
                               struct ae_packet *packet, struct ae_queue_counters *counters,
                               bool *sent)
{
    uint32_t need = (uint32_t)AE_VHOST_HEADER + ae_packet_total(packet), have = 0;
    struct virtio_net_hdr header = {.num_buffers = 0};
    struct ae_vhost_buffer buffer AE_UNSET;
    uint32_t lengths[AE_VHOST_PIECES] AE_UNSET;
    uint16_t heads[AE_VHOST_PIECES] AE_UNSET, used = 0;

    buffer.count = 0;
    *sent = false;
    while (have < need && used < available) {
        uint16_t head = ae_vhost_load(&ring->avail->ring[(first + used) & mask(ring)]);
        unsigned from = buffer.count;
        uint32_t room = 0;

        if (head >= ring->size) {
            ring->broken = true;
            return 0;
        }
        heads[used++] = head;
        buffer.bad = false;
        walk(ring, head, VIRTQ_DESC_F_WRITE, &buffer);
        for (unsigned i = from; i < buffer.count; i++)
            room += buffer.pieces[i].length < need ? buffer.pieces[i].length : need;
        if (!buffer.bad && room < need && !ring->mergeable && room >= AE_VHOST_BUFFER_MIN) {
            ring->too_long = true;
            return 0;
        }
        if (buffer.bad || room == 0 || (room < need && !ring->mergeable) ||
            (used == AE_VHOST_PIECES && have + room < need))
            return use_empty(ring, first, heads, used, counters);
        lengths[used - 1] = room < need - have ? room : need - have;
        have += lengths[used - 1];
    }
    if (have < need)
        return 0;
    header.num_buffers = used;
    ae_vhost_checksum(ring, packet, &header);
    ae_vhost_scatter(&header, packet, buffer.pieces, buffer.count);
    for (uint16_t i = 0; i < used; i++)
        use(ring, (uint16_t)(first + i), heads[i], lengths[i]);
    *sent = true;
    return used;
}

/* A frame that is a chain, or goes into one: as scatter_chains. 0 as well: it cannot be sent. */
static __attribute__((noinline)) uint16_t send_chain(struct ae_vhost_ring *ring, uint16_t first,
                                                     uint16_t available, struct ae_packet *packet,
                                                     struct ae_queue_counters *counters, bool *sent)
{
    uint16_t used;

    if (ae_refusal_of(packet, &ring->sendable, AE_SEND_CHECKSUMS))
        return 0;
    used = scatter_chains(ring, first, available, packet, counters, sent);
    if (*sent) {
        counters->sent_bytes += ae_packet_total(packet);
        ae_packet_put(packet);
    }
    return used;
}

/* At most AE_VHOST_BURST entries; how many of them are done with is in `entries_used`. */
static uint16_t send_some(struct ae_vhost_ring *ring, struct ae_queue_counters *counters,
                          struct ae_packet **packets, uint16_t count, uint16_t available,
                          uint16_t *entries_used)
{
    struct entry entries[AE_VHOST_BURST] AE_UNSET;
    uint16_t fetched = ae_vhost_min(ae_vhost_min(count, available), AE_VHOST_BURST);
    uint16_t sent = 0, at = 0;
    uint64_t bytes = 0;

    fetched = fetch(ring, VIRTQ_DESC_F_WRITE, entries, fetched);
    while (sent < count && at < fetched) {
        struct ae_packet *packet = packets[sent];
        uint32_t need = (uint32_t)AE_VHOST_HEADER + packet->length;
        uint16_t used;
        bool good;

        if (__builtin_expect(ae_vhost_can_send(ring, packet) && entries[at].single &&
                                 entries[at].length >= need,
                             1)) {
            ae_vhost_scatter_single(ring, entries[at].at, packet);
            use(ring, (uint16_t)(ring->next + at), entries[at].head, need);
            at++;
            bytes += packet->length;
            packet->in_pool = true;
            ae_pool_return(packet->pool, packet);
            sent++;
            continue;
        }
        used = send_chain(ring, (uint16_t)(ring->next + at), (uint16_t)(available - at), packet,
                          counters, &good);
        if (!used)
            break;
        at = (uint16_t)(at + used);
        sent = (uint16_t)(sent + good);
    }
    counters->sent_bytes += bytes;
    *entries_used = at;
    return sent;
}

uint16_t ae_vhost_split_send(struct ae_vhost_ring *ring, struct ae_queue *queue,
                             struct ae_packet **packets, uint16_t count)
{
    struct ae_queue_counters *counters = queue->counters;
    uint16_t available = poll_available(ring), sent = 0, used AE_UNSET;

    do {
        sent = (uint16_t)(sent + send_some(ring, counters, packets + sent, (uint16_t)(count - sent),
                                           available, &used));
        publish(ring, (uint16_t)(ring->next + used));
        available = (uint16_t)(available - used);
    } while (used && sent < count && !ring->broken);
    ae_vhost_count_sent(ring, queue, packets, sent, count);
    return sent;
}
