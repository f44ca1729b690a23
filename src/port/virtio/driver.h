/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VIRTIO_DRIVER_H
#define AE_PORT_VIRTIO_DRIVER_H

/*
 * What the split and the packed form of the driver's half share: the network header before each
 * frame and what is believed of it.
 *
 * Header and frame are one descriptor: the header lies in the packet's headroom, right before the
 * frame. The functions are inline and take what was negotiated as constants, so that each
 * instance of a burst function has only the tests that it needs.
 */

#include <string.h>

#include "base/barrier.h"
#include "port/sendable.h"
#include "port/virtio/queue.h"

#define AE_VIRTIO_HEADER ((uint32_t)sizeof(struct virtio_net_hdr))
#define AE_VIRTIO_REFILL 32u /* receive descriptors are refilled in as many */

#define AE_VIRTIO_SEND_CHECKSUM \
    ((uint32_t)(AE_PACKET_SEND_UDP_CHECKSUM | AE_PACKET_SEND_TCP_CHECKSUM))

_Static_assert(sizeof(struct virtio_net_hdr) <= AE_PACKET_SEND_HEADROOM, "the header's place");

#define ae_likely(condition)   __builtin_expect(!!(condition), 1)
#define ae_unlikely(condition) __builtin_expect(!!(condition), 0)

typedef uint16_t (*ae_virtio_burst)(struct ae_queue *, struct ae_packet **, uint16_t);

/* A frame that is received in several buffers, as far as it came: frame.c's. */
struct ae_virtio_merging {
    uint32_t pieces;   /* buffers still to come */
    uint32_t count;    /* of those that came; 0: the frame is dropped */
    uint32_t total;    /* bytes in them */
    uint32_t longest;  /* bytes of a frame */
    uint32_t segments; /* buffers of a frame, at most; 1: it has to be in one */
    uint32_t ring;     /* buffers that the device can have at once */
    struct ae_packet *packets[AE_FRAME_SEGMENTS];
};

/* The head of either form's queue. */
struct ae_virtio_driver {
    struct ae_queue base; /* first: the burst calls are given this */
    ae_virtio_burst receive;
    ae_virtio_burst send;
    const struct ae_virtio_form *form;
    struct ae_sendable sendable;
    uint32_t stride;        /* from one packet's buffer to the next one's */
    uint64_t first_address; /* where the pool's first packet is received into */
    uint32_t space;         /* bytes from there: header and frame */
    uint64_t
        send_offset;   /* from where a frame is in our memory to what the device calls its header */
    uint32_t starved;  /* receive descriptors that the pool has no packet for */
    uint32_t offloads; /* that a frame sent may ask for: enum ae_packet_flag */
    uint32_t receive_span; /* bytes of the longest frame in one buffer, less the shortest */
    struct ae_virtio_merging merging;
    bool in_order;
    bool mergeable;
    bool checksum_in;
    bool broken;
};

/* What differs between the forms, beside their burst functions. */
struct ae_virtio_form {
    bool packed;
    size_t queue_bytes;                      /* of its queue, which begins with the driver */
    const ae_virtio_burst (*receives)[2][2]; /* by in_order, VIRTIO_NET_F_MRG_RXBUF, _GUEST_CSUM */
    const ae_virtio_burst (*sends)[2];       /* by in_order, VIRTIO_NET_F_CSUM */
    uint16_t (*reclaim)(struct ae_queue *queue, uint16_t count); /* ae_reclaim */
    uint32_t (*unsent)(const struct ae_queue *queue);
    /* After it failed, free_rings is called too. */
    int (*make_rings)(struct ae_virtio_driver *driver, const struct ae_virtio_pair *pair,
                      struct ae_error *err);
    void (*free_rings)(struct ae_virtio_driver *driver);
    void (*renew)(struct ae_virtio_driver *driver);   /* rings as new, receive ring full */
    void (*release)(struct ae_virtio_driver *driver); /* packets in flight to the pool */
    /* ae_virtio_positions, of rings that are not broken; it may break them. */
    void (*find_positions)(struct ae_virtio_driver *driver, uint16_t positions[2]);
};

/* Stops both rings until the queue is reset. Returns 0, what the burst calls return from now on. */
uint16_t ae_virtio_break(struct ae_virtio_driver *driver, uint64_t *counter);

/* ---- Notifying the device ---- */

/* By mmio or fd, with suppression read behind a full barrier, so that a device that falls asleep is
 * not missed. */
void ae_virtio_notify_now(const struct ae_virtio_doorbell *doorbell, const uint16_t *suppression,
                          uint16_t next_off, bool next_wrap);

_Static_assert(VIRTQ_USED_F_NO_NOTIFY == RING_EVENT_FLAGS_DISABLE, "one test for both forms");

/* After the new entries were published. suppression: the flags of the device's part of the ring. */
static inline void ae_virtio_notify(const struct ae_virtio_doorbell *doorbell,
                                    const uint16_t *suppression, uint16_t next_off, bool next_wrap)
{
    /* Always stored, never tested: pairs with the exchange of the owner, who must see the entries
     * that were published before. The owner reads the suppression word in our place. */
    if (ae_likely(doorbell->flag))
        __atomic_store_n(doorbell->flag, 1, __ATOMIC_RELEASE);
    else if (doorbell->mmio || doorbell->fd >= 0)
        ae_virtio_notify_now(doorbell, suppression, next_off, next_wrap);
}

/* ---- Receive ---- */

/* The pool had no packets for so many descriptors; each is counted once. */
static inline void ae_virtio_starve(struct ae_virtio_driver *driver, uint32_t count)
{
    if (ae_unlikely(count > driver->starved))
        driver->base.counters->receive_no_buffer += count - driver->starved;
    driver->starved = count;
}

/* What the header says of the checksum; false: what it says cannot be. Completes one that the
 * device left to us (5.1.6.4.1), so that the frame is good wherever it goes next. */
bool ae_virtio_checksum_in(struct ae_packet *packet);

/* Of how many buffers, from this one on, a frame is made, as the device says in its header. */
static inline uint16_t ae_virtio_num_buffers(const struct ae_packet *packet)
{
    const uint8_t *end = packet->buffer + AE_PACKET_HEADROOM;

    return __atomic_load_n((const uint16_t *)(const void *)(end - 2), __ATOMIC_RELAXED);
}

/* A buffer with a frame by itself, in which the device says it wrote `written` bytes: is it good,
 * then the caller's? If not, it is counted and back in the pool. */
static inline __attribute__((always_inline)) bool ae_virtio_accept(struct ae_virtio_driver *driver,
                                                                   struct ae_packet *packet,
                                                                   uint32_t written,
                                                                   const bool checksum)
{
    uint32_t length = written - AE_VIRTIO_HEADER;
    bool good;

    ae_packet_renew(packet);
    packet->length = length;
    /* Wraps to a large number when too short. */
    good = length - AE_FRAME_MIN <= driver->receive_span;
    if (checksum && good && ae_unlikely(packet->data[-(int)AE_VIRTIO_HEADER]))
        good = ae_virtio_checksum_in(packet);
    if (ae_unlikely(!good)) {
        driver->base.counters->receive_bad_descriptors++;
        ae_packet_put(packet);
    }
    return good;
}

/*
 * The next buffer, whatever it is: a frame, or the first or another one of a frame in several
 * (5.1.6.4), and then perhaps the last. Returns the good frame that is whole with it, a chain of
 * packets, which is the caller's; NULL: there is none yet, or what there is was counted and is back
 * in the pool. A device has to use all buffers of a frame at once (5.1.6.4.1); nobody waits for
 * those that it does not. Of a frame in too many buffers, or with too many bytes, what still comes
 * is dropped, too.
 */
struct ae_packet *ae_virtio_merge(struct ae_virtio_driver *driver, struct ae_packet *packet,
                                  uint32_t written);

/* What came of a frame that is not whole goes back to the pool. */
void ae_virtio_drop_merging(struct ae_virtio_driver *driver);

/* ---- Send ---- */

/* What may be asked of it, with and without VIRTIO_NET_F_CSUM. */
static inline uint32_t ae_virtio_offloads(const bool checksum)
{
    return checksum ? AE_VIRTIO_SEND_CHECKSUM : 0;
}

/* Writes a header that asks for a checksum; false: the request cannot be. */
bool ae_virtio_checksum_out(struct ae_packet *packet);

/* Writes the header; false: this frame cannot be sent. A header that is zero already stays as it
 * is, so that its cache line stays with whoever reads it. The packet is the driver's afterwards. */
static inline bool ae_virtio_prepare(const struct ae_sendable *sendable, struct ae_packet *packet,
                                     const bool checksum)
{
    uint8_t *header = packet->data - AE_VIRTIO_HEADER;
    uint64_t first;
    uint32_t rest;

    if (!ae_packet_may_be_sent(packet, sendable, ae_virtio_offloads(checksum)))
        return false;
    if (checksum && packet->flags & AE_VIRTIO_SEND_CHECKSUM) {
        packet->in_pool = ae_virtio_checksum_out(packet);
        return packet->in_pool;
    }
    packet->in_pool = true;
    memcpy(&first, header, sizeof(first));
    memcpy(&rest, header + sizeof(first), sizeof(rest));
    if (ae_unlikely(first | rest))
        memset(header, 0, AE_VIRTIO_HEADER);
    return true;
}

/* May this frame be sent by those who know chains? */
static inline bool ae_virtio_sends_chain(const struct ae_virtio_driver *driver,
                                         const struct ae_packet *packet)
{
    return ae_refusal_of(packet, &driver->sendable, driver->offloads) == AE_REFUSAL_NONE;
}

/* As ae_virtio_prepare, of a frame that may be sent, in one packet or several. Returns its bytes.
 */
uint32_t ae_virtio_prepare_chain(struct ae_packet *packet);

/* What the device calls the header before a frame, which is in the pool's memory. */
static inline uint64_t ae_virtio_send_address(const struct ae_virtio_driver *driver,
                                              const struct ae_packet *packet)
{
    return (uintptr_t)packet->data + driver->send_offset;
}

/* Where a packet is received into: by its place in the pool, so that it need not be looked at. */
static inline uint64_t ae_virtio_receive_address(const struct ae_virtio_driver *driver,
                                                 const struct ae_packet *packet)
{
    const struct ae_packet *first = driver->base.pool->packets;

    return driver->first_address + (uint64_t)(packet - first) * driver->stride;
}

/* How many frames to make room for at once: many where bursts are small, but whole bursts, so that
 * slots keep their packets. */
static inline uint16_t ae_virtio_room(uint16_t count)
{
    return count > AE_VIRTIO_REFILL / 4 ? count : (uint16_t)AE_VIRTIO_REFILL;
}

#endif
