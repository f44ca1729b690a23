/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_BACK_RING_H
#define AE_PORT_VHOST_BACK_RING_H

/*
 * The device's half of a virtqueue whose driver is in another process or a virtual machine. Frames
 * are copied between the peer's memory and our packets.
 *
 * The peer may write anything anywhere in its memory, at any time, also while we read. So every
 * word of it is read once, checked, and then only the copy is used. A descriptor that makes no
 * sense is counted and given back; when the place of the next one is lost with it, the ring is
 * broken and is not looked at again.
 *
 * Sections are those of "Virtual I/O Device (VIRTIO) Version 1.2".
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <aether/packet.h>
#include <aether/port.h>

#include "port/sendable.h"
#include "port/virtio/virtio.h"

#define AE_VHOST_REGIONS 8
#define AE_VHOST_BURST   32 /* frames that are looked ahead at */
#define AE_VHOST_PIECES  64 /* descriptors of one frame, at most */

#define AE_VHOST_HEADER     sizeof(struct virtio_net_hdr)
#define AE_VHOST_BUFFER_MIN 1526 /* of a driver's without VIRTIO_NET_F_MRG_RXBUF (5.1.6.3.1) */

/* Of the peer's memory, as mapped here. */
struct ae_vhost_region {
    uint64_t first; /* guest address */
    uint64_t size;
    uint8_t *at;
};

struct ae_vhost_memory {
    unsigned count;
    struct ae_vhost_region regions[AE_VHOST_REGIONS];
};

struct ae_vhost_ring {
    /* Split: descriptor table, available ring, used ring. Packed: descriptor ring, driver's and
     * device's event suppression. Inside the peer's memory, aligned, of `size`: who sets them
     * checked. */
    union {
        const struct virtq_desc *table;
        struct pvirtq_desc *ring;
    };
    union {
        const struct virtq_avail *avail;
        const struct pvirtq_event_suppress *driver_event;
    };
    union {
        struct virtq_used *used;
        struct pvirtq_event_suppress *device_event;
    };
    uint16_t size;
    uint16_t next; /* split: idx up to which all is used; packed: place of the next descriptor */
    bool wrap;     /* packed: device ring wrap counter */
    bool in_order;
    bool mergeable; /* VIRTIO_NET_F_MRG_RXBUF */
    bool checksum;  /* VIRTIO_NET_F_GUEST_CSUM */
    bool broken;
    bool unnoticed; /* something was used since the driver was last notified */
    bool too_long;  /* the next frame to the driver is, for the buffer that has to hold all of it */
    uint32_t frame_max;            /* bytes of a frame, at most */
    uint32_t packet_max;           /* and of one that is received into a single packet */
    uint32_t *notify;              /* set to 1 when the driver wants to hear of what was used */
    struct ae_vhost_region recent; /* the one that the last address was in */
    const struct ae_vhost_memory *memory;
    struct ae_sendable sendable; /* to the peer */
};

/* A part of a frame in the peer's memory. */
struct ae_vhost_piece {
    uint8_t *at;
    uint32_t length;
};

/* A buffer of the driver's: a chain of descriptors. */
struct ae_vhost_buffer {
    uint16_t id;          /* what to give it back as */
    uint16_t descriptors; /* places that it takes in a packed ring */
    bool bad;             /* makes no sense: give it back empty */
    unsigned count;
    struct ae_vhost_piece pieces[AE_VHOST_PIECES];
};

/* Bursts of the queue that the ring is of. Frames from the driver, its transmit queue: at most
 * `count`, the rest stays where it is. Frames to the driver, its receive queue: those accepted are
 * copied, and back in the pool. */
typedef uint16_t ae_vhost_burst_t(struct ae_vhost_ring *ring, struct ae_queue *queue,
                                  struct ae_packet **packets, uint16_t count);

ae_vhost_burst_t ae_vhost_split_receive, ae_vhost_packed_receive;
ae_vhost_burst_t ae_vhost_split_send, ae_vhost_packed_send;

/* Frames up to `longest` bytes, in packets of this pool. */
void ae_vhost_set_limits(struct ae_vhost_ring *ring, const struct ae_pool *pool, uint32_t longest);

/* Tells the driver that we poll, so that it does not kick. */
void ae_vhost_split_start(struct ae_vhost_ring *ring);
void ae_vhost_packed_start(struct ae_vhost_ring *ring);

/* Looks through all regions. NULL: not one of them holds all of it. */
uint8_t *ae_vhost_find(struct ae_vhost_ring *ring, uint64_t address, uint32_t length);

/*
 * Copies a frame of one or more pieces into the packet, and more of its pool where it holds only a
 * part; their bytes are counted as received here, the caller counts those of the first. False: no
 * frame that we take, or too few packets (counted).
 */
bool ae_vhost_gather(const struct ae_vhost_ring *ring, const struct ae_vhost_buffer *buffer,
                     struct ae_packet *packet, struct ae_queue_counters *counters);

/* The same of one piece. */
bool ae_vhost_gather_piece(const struct ae_vhost_ring *ring, uint8_t *at, uint32_t length,
                           struct ae_packet *packet, struct ae_queue_counters *counters);

/* Copies header and frame, in however many packets, over pieces that hold them. */
void ae_vhost_scatter(const struct virtio_net_hdr *header, const struct ae_packet *packet,
                      const struct ae_vhost_piece *pieces, unsigned count);

/* The checksum that the packet asks for: left to the driver if it agreed to that, or done here. */
void ae_vhost_checksum(const struct ae_vhost_ring *ring, struct ae_packet *packet,
                       struct virtio_net_hdr *header);

/* May this be sent, a frame in one packet? */
static inline bool ae_vhost_can_send(const struct ae_vhost_ring *ring,
                                     const struct ae_packet *packet)
{
    return ae_packet_may_be_sent(packet, &ring->sendable, AE_SEND_CHECKSUMS) &&
           (!(packet->flags & AE_SEND_CHECKSUMS) || ae_offload_is_sound(packet));
}

/* Of `count` packets so many were sent; why not the next, if there is one? */
static inline void ae_vhost_count_sent(struct ae_vhost_ring *ring, struct ae_queue *queue,
                                       struct ae_packet **packets, uint16_t sent, uint16_t count)
{
    queue->counters->sent_frames += sent;
    if (sent == count)
        return;
    if (ring->broken) {
        ae_refuse_away(queue, (uint32_t)(count - sent));
    } else if (ring->too_long) {
        ring->too_long = false;
        queue->counters->send_bad++;
        queue->refusal = AE_REFUSAL_LENGTH;
    } else if (!ae_refusal_of(packets[sent], &ring->sendable, AE_SEND_CHECKSUMS)) {
        ae_refuse_full(queue, (uint32_t)(count - sent));
    } else {
        ae_refuse(queue, packets[sent], &ring->sendable, AE_SEND_CHECKSUMS);
    }
}

/* ---- For the burst functions of both forms ---- */

#define ae_vhost_load(place)         __atomic_load_n(place, __ATOMIC_RELAXED)
#define ae_vhost_store(place, value) __atomic_store_n(place, value, __ATOMIC_RELAXED)

/*
 * Notifies the driver if it wants to hear of what it was not notified of; called at every poll. A
 * driver that turned its interrupts on again hears of what it has not heard of: its store of flags
 * and its last look at the ring cannot both have missed ours, since we look again at every poll.
 */
static inline void ae_vhost_split_notify(struct ae_vhost_ring *ring)
{
    if (!ring->unnoticed || ae_vhost_load(&ring->avail->flags) & VIRTQ_AVAIL_F_NO_INTERRUPT)
        return;
    ring->unnoticed = false;
    __atomic_store_n(ring->notify, 1, __ATOMIC_RELEASE);
}

static inline void ae_vhost_packed_notify(struct ae_vhost_ring *ring)
{
    if (!ring->unnoticed || ae_vhost_load(&ring->driver_event->flags) == RING_EVENT_FLAGS_DISABLE)
        return;
    ring->unnoticed = false;
    __atomic_store_n(ring->notify, 1, __ATOMIC_RELEASE);
}

/* Half a descriptor at a time: the address; then length, flags and the rest in one word. */
static inline uint64_t ae_vhost_word(const void *descriptor, unsigned index)
{
    return ae_vhost_load((const uint64_t *)descriptor + index);
}

static inline uint8_t *ae_vhost_translate(struct ae_vhost_ring *ring, uint64_t address,
                                          uint32_t length)
{
    uint64_t offset = address - ring->recent.first;

    if (__builtin_expect(offset < ring->recent.size && length <= ring->recent.size - offset, 1))
        return ring->recent.at + offset;
    return ae_vhost_find(ring, address, length);
}

/* Of the sizes of frames, where a call of memcpy would cost more than the copying. */
static inline void ae_vhost_copy(uint8_t *to, const uint8_t *from, uint32_t length)
{
    uint32_t done = 0;

    if (length < 32) {
        memcpy(to, from, length);
        return;
    }
    for (; done + 32 <= length; done += 32)
        memcpy(to + done, from + done, 32);
    /* The last bytes once more, rather than one by one. */
    memcpy(to + length - 32, from + length - 32, 32);
}

static inline uint16_t ae_vhost_min(uint32_t one, uint32_t other)
{
    return (uint16_t)(one < other ? one : other);
}

/* One descriptor that holds header and frame is what drivers mostly use. */
static inline bool ae_vhost_gather_single(const struct ae_vhost_ring *ring, uint8_t *at,
                                          uint32_t length, struct ae_packet *packet,
                                          struct ae_queue_counters *counters)
{
    uint16_t flags_gso;

    memcpy(&flags_gso, at, sizeof(flags_gso));
    length -= (uint32_t)AE_VHOST_HEADER;
    if (__builtin_expect(flags_gso != 0 || length < AE_FRAME_MIN || length > ring->packet_max, 0))
        return ae_vhost_gather_piece(ring, at, length + (uint32_t)AE_VHOST_HEADER, packet,
                                     counters);
    ae_vhost_copy(packet->data, at + AE_VHOST_HEADER, length);
    packet->length = length;
    return true;
}

static inline void ae_vhost_scatter_single(const struct ae_vhost_ring *ring, uint8_t *at,
                                           struct ae_packet *packet)
{
    struct virtio_net_hdr header = {.num_buffers = 1};

    if (__builtin_expect(packet->flags & AE_SEND_CHECKSUMS, 0))
        ae_vhost_checksum(ring, packet, &header);
    memcpy(at, &header, sizeof(header));
    ae_vhost_copy(at + sizeof(header), packet->data, packet->length);
}

#endif
