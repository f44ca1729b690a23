/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The device's half of a packed virtqueue (2.8). What is made available is used at once and in
 * order, so that one place says both: where the next available descriptor is, and where the next
 * used one goes.
 */

#include "base/unset.h"
#include "port/vhost/back/ring.h"

#define AVAIL_USED (VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED)

/* A place in the ring, and the wrap counter there. */
struct place {
    uint16_t at;
    bool wrap;
};

/* What was read of one available buffer whose place is known. */
struct entry {
    struct place place;
    uint16_t id;
    bool single; /* one descriptor, all of it at `bytes` */
    uint8_t *bytes;
    uint32_t length; /* of the buffer; then, of what was written into it */
};

static struct place after(const struct ae_vhost_ring *ring, struct place place, uint32_t count)
{
    uint32_t at = place.at + count;

    if (at >= ring->size)
        return (struct place){(uint16_t)(at - ring->size), !place.wrap};
    return (struct place){(uint16_t)at, place.wrap};
}

static struct place next_place(const struct ae_vhost_ring *ring)
{
    return (struct place){ring->next, ring->wrap};
}

/* 2.8.1: the flags with which a driver makes available, and a device uses, on this lap. */
static bool is_available(uint16_t flags, bool wrap)
{
    return (flags & AVAIL_USED) == (wrap ? VIRTQ_DESC_F_AVAIL : VIRTQ_DESC_F_USED);
}

static uint16_t used_flags(bool wrap)
{
    return wrap ? AVAIL_USED : 0;
}

void ae_vhost_packed_start(struct ae_vhost_ring *ring)
{
    ae_vhost_store(&ring->device_event->flags, (uint16_t)RING_EVENT_FLAGS_DISABLE);
    ring->unnoticed = true;
}

static void set_next(struct ae_vhost_ring *ring, struct place place)
{
    ring->next = place.at;
    ring->wrap = place.wrap;
    ring->unnoticed = true;
}

/* All of a used descriptor but its flags. */
static void use(struct ae_vhost_ring *ring, struct place place, uint16_t id, uint32_t length)
{
    ring->ring[place.at].id = id;
    ring->ring[place.at].len = length;
}

/* 2.8.21: from here on it is the driver's. */
static void publish(struct ae_vhost_ring *ring, struct place place)
{
    /* Pairs with the driver's acquire of flags: frame, id and len are there before them. */
    __atomic_store_n(&ring->ring[place.at].flags, used_flags(place.wrap), __ATOMIC_RELEASE);
}

/*
 * Reads the buffer that starts at `place`, a chain whose descriptors must be `direction`
 * (VIRTQ_DESC_F_WRITE or 0), and adds its pieces to the buffer's. The driver makes the first
 * descriptor available last, so that all of a chain is there, or the ring is broken: then false.
 */
static bool walk(struct ae_vhost_ring *ring, struct place place, unsigned direction,
                 struct ae_vhost_buffer *buffer)
{
    for (buffer->descriptors = 1; buffer->descriptors <= ring->size; buffer->descriptors++) {
        uint64_t rest = ae_vhost_word(&ring->ring[place.at], 1);
        uint64_t address = ae_vhost_word(&ring->ring[place.at], 0);
        uint32_t length = (uint32_t)rest;
        uint16_t flags = (uint16_t)(rest >> 48);
        uint8_t *piece = ae_vhost_translate(ring, address, length);

        if (!piece || buffer->count == AE_VHOST_PIECES ||
            (flags & ~(AVAIL_USED | VIRTQ_DESC_F_NEXT)) != direction)
            buffer->bad = true;
        else
            buffer->pieces[buffer->count++] = (struct ae_vhost_piece){piece, length};
        if (!(flags & VIRTQ_DESC_F_NEXT)) {
            buffer->id = (uint16_t)(rest >> 32);
            return true;
        }
        place = after(ring, place, 1);
    }
    ring->broken = true;
    return false;
}

static bool available_at(const struct ae_vhost_ring *ring, struct place place)
{
    /* Pairs with the driver's release of flags, after it wrote the rest of the buffer. */
    uint16_t flags = __atomic_load_n(&ring->ring[place.at].flags, __ATOMIC_ACQUIRE);

    return is_available(flags, place.wrap);
}

/*
 * Reads buffers of one descriptor each, from the next place on, and prefetches what they point at.
 * Stops at the first chain, which is `single` no more and has the place only. Returns how many
 * there are.
 */
static uint16_t fetch(struct ae_vhost_ring *ring, unsigned direction, struct entry *entries,
                      uint16_t count)
{
    struct place place = next_place(ring);
    uint16_t found = 0;

    while (found < count && found < ring->size) {
        struct entry *entry = &entries[found];
        const struct pvirtq_desc *descriptor = &ring->ring[place.at];
        uint64_t rest;
        uint8_t *at = NULL;

        if (!available_at(ring, place))
            break;
        rest = ae_vhost_word(descriptor, 1);
        *entry =
            (struct entry){.place = place, .id = (uint16_t)(rest >> 32), .length = (uint32_t)rest};
        found++;
        if (((rest >> 48) & ~(uint64_t)AVAIL_USED) == direction && entry->length > AE_VHOST_HEADER)
            at = ae_vhost_translate(ring, ae_vhost_word(descriptor, 0), entry->length);
        if (!at)
            break;
        entry->single = true;
        entry->bytes = at;
        if (direction)
            __builtin_prefetch(at, 1);
        else
            __builtin_prefetch(at);
        place = after(ring, place, 1);
    }
    return found;
}

/* ---- From the driver ---- */

static bool gather_chain(struct ae_vhost_ring *ring, struct ae_vhost_buffer *buffer,
                         struct ae_packet *packet, struct ae_queue_counters *counters)
{
    if (buffer->bad) {
        counters->receive_bad_descriptors++;
        return false;
    }
    return ae_vhost_gather(ring, buffer, packet, counters);
}

/* Uses each of a batch, the first one last: a driver that polls it meets all of them at once,
 * as it must all of one frame's, and a line with four descriptors moves to it once. */
static void use_each(struct ae_vhost_ring *ring, const struct entry *entries, uint16_t count)
{
    for (uint16_t i = count; i-- > 0;) {
        use(ring, entries[i].place, entries[i].id, entries[i].length);
        publish(ring, entries[i].place);
    }
}

/* Uses a batch. In order, the last of it stands for all, in the place of the first
 * (2.8.9). */
static void use_all(struct ae_vhost_ring *ring, const struct entry *entries, uint16_t count)
{
    if (ring->in_order) {
        use(ring, entries[0].place, entries[count - 1].id, 0);
        publish(ring, entries[0].place);
        return;
    }
    use_each(ring, entries, count);
}

uint16_t ae_vhost_packed_receive(struct ae_vhost_ring *ring, struct ae_queue *queue,
                                 struct ae_packet **packets, uint16_t count)
{
    struct ae_queue_counters *counters = queue->counters;
    struct ae_pool *pool = queue->pool;
    struct entry entries[AE_VHOST_BURST] AE_UNSET;
    uint16_t wanted = ae_vhost_min(count, AE_VHOST_BURST), found, done = 0, taken = 0;
    struct place next AE_UNSET;
    uint64_t bytes = 0;

    found = fetch(ring, 0, entries, wanted);
    if (__builtin_expect(found > ae_pool_available(pool), 0)) {
        counters->receive_no_buffer++;
        found = (uint16_t)ae_pool_available(pool);
    }
    ae_packet_get_burst(pool, packets, found);
    next = next_place(ring);
    for (; done < found; done++) {
        struct entry *entry = &entries[done];
        struct ae_packet *packet = packets[done];
        uint16_t descriptors = 1;
        bool good;

        if (__builtin_expect(entry->single, 1)) {
            good = ae_vhost_gather_single(ring, entry->bytes, entry->length, packet, counters);
        } else {
            struct ae_vhost_buffer buffer AE_UNSET;

            buffer.count = 0;
            buffer.bad = false;
            if (!walk(ring, entry->place, 0, &buffer))
                break;
            entry->id = buffer.id;
            descriptors = buffer.descriptors;
            good = gather_chain(ring, &buffer, packet, counters);
        }
        if (__builtin_expect(good, 1)) {
            packets[taken++] = packet;
            bytes += packet->length;
        } else {
            ae_packet_put(packet);
        }
        entry->length = 0; /* nothing was written into it */
        next = after(ring, next, descriptors);
    }
    for (uint16_t i = done; i < found; i++)
        ae_packet_put(packets[i]);
    if (done) {
        counters->received_frames += taken;
        counters->received_bytes += bytes;
        use_all(ring, entries, done);
        set_next(ring, next);
    }
    return taken;
}

/* ---- To the driver ---- */

/* Buffers of one frame. */
struct fetched {
    struct entry entries[AE_VHOST_PIECES];
    uint16_t count;
    struct place next;
};

static void use_fetched(struct ae_vhost_ring *ring, const struct fetched *fetched)
{
    use_each(ring, fetched->entries, fetched->count);
    set_next(ring, fetched->next);
}

static void use_empty(struct ae_vhost_ring *ring, struct fetched *fetched,
                      struct ae_queue_counters *counters)
{
    for (uint16_t i = 0; i < fetched->count; i++)
        fetched->entries[i].length = 0;
    counters->send_bad_descriptors++;
    use_fetched(ring, fetched);
}

/*
 * One frame over as many descriptors as it takes, and, with VIRTIO_NET_F_MRG_RXBUF, over several
 * buffers, from the next place on. Returns whether any was used; `sent` says whether the frame is
 * in it.
 */
static bool scatter_chains(struct ae_vhost_ring *ring, struct ae_packet *packet,
                           struct ae_queue_counters *counters, bool *sent)
{
    uint32_t need = (uint32_t)AE_VHOST_HEADER + ae_packet_total(packet), have = 0;
    struct virtio_net_hdr header = {.num_buffers = 0};
    struct ae_vhost_buffer buffer AE_UNSET;
    struct fetched fetched AE_UNSET;
    uint32_t descriptors = 0;

    buffer.count = 0;
    fetched.count = 0;
    fetched.next = next_place(ring);
    *sent = false;
    while (have < need && descriptors < ring->size && available_at(ring, fetched.next)) {
        unsigned from = buffer.count;
        struct entry *entry;
        uint32_t room = 0;

        buffer.bad = false;
        if (!walk(ring, fetched.next, VIRTQ_DESC_F_WRITE, &buffer))
            return false;
        descriptors += buffer.descriptors;
        if (descriptors > ring->size) {
            /* More than there are: the last chain runs into the first. */
            ring->broken = true;
            return false;
        }
        entry = &fetched.entries[fetched.count++];
        *entry = (struct entry){.place = fetched.next, .id = buffer.id};
        fetched.next = after(ring, fetched.next, buffer.descriptors);
        for (unsigned i = from; i < buffer.count; i++)
            room += buffer.pieces[i].length < need ? buffer.pieces[i].length : need;
        if (!buffer.bad && room < need && !ring->mergeable && room >= AE_VHOST_BUFFER_MIN) {
            ring->too_long = true;
            return false;
        }
        if (buffer.bad || room == 0 || (room < need && !ring->mergeable) ||
            (fetched.count == AE_VHOST_PIECES && have + room < need)) {
            use_empty(ring, &fetched, counters);
            return true;
        }
        entry->length = room < need - have ? room : need - have;
        have += entry->length;
    }
    if (have < need)
        return false;
    header.num_buffers = fetched.count;
    ae_vhost_checksum(ring, packet, &header);
    ae_vhost_scatter(&header, packet, buffer.pieces, buffer.count);
    use_fetched(ring, &fetched);
    *sent = true;
    return true;
}

static void sent_one(struct ae_packet *packet, struct ae_queue_counters *counters)
{
    counters->sent_bytes += packet->length;
    packet->in_pool = true;
    ae_pool_return(packet->pool, packet);
}

/* Into buffers of one descriptor, as far as they are there; returns how many frames. */
static uint16_t send_singles(struct ae_vhost_ring *ring, struct ae_queue_counters *counters,
                             struct ae_packet **packets, uint16_t count)
{
    struct entry entries[AE_VHOST_BURST] AE_UNSET;
    uint16_t found, sent = 0;

    found = fetch(ring, VIRTQ_DESC_F_WRITE, entries, ae_vhost_min(count, AE_VHOST_BURST));
    for (; sent < found; sent++) {
        struct entry *entry = &entries[sent];
        uint32_t need = (uint32_t)AE_VHOST_HEADER + packets[sent]->length;

        if (!entry->single || entry->length < need || !ae_vhost_can_send(ring, packets[sent]))
            break;
        ae_vhost_scatter_single(ring, entry->bytes, packets[sent]);
        entry->length = need;
        sent_one(packets[sent], counters);
    }
    if (sent) {
        use_each(ring, entries, sent);
        set_next(ring, after(ring, next_place(ring), sent));
    }
    return sent;
}

uint16_t ae_vhost_packed_send(struct ae_vhost_ring *ring, struct ae_queue *queue,
                              struct ae_packet **packets, uint16_t count)
{
    struct ae_queue_counters *counters = queue->counters;
    uint16_t sent = 0, empty = 0;

    /* Buffers that go back empty are bounded too: the driver may make more of them as we do so. */
    while (sent < count && empty < AE_VHOST_BURST && !ring->broken) {
        struct ae_packet *packet = packets[sent];
        bool done = false;
        uint16_t singles = 0;

        if (!packet->more)
            singles = send_singles(ring, counters, packets + sent, (uint16_t)(count - sent));
        sent = (uint16_t)(sent + singles);
        if (singles)
            continue;
        if (ae_refusal_of(packet, &ring->sendable, AE_SEND_CHECKSUMS) ||
            !scatter_chains(ring, packet, counters, &done))
            break;
        if (done) {
            counters->sent_bytes += ae_packet_total(packet);
            ae_packet_put(packet);
            sent++;
        } else {
            empty++;
        }
    }
    ae_vhost_count_sent(ring, queue, packets, sent, count);
    return sent;
}
