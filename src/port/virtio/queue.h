/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VIRTIO_QUEUE_H
#define AE_PORT_VIRTIO_QUEUE_H

/*
 * The driver's half of a queue pair, whatever the transport: one receive and one send virtqueue,
 * polled. A transport lays the rings out in memory that the device reaches, fills a struct
 * ae_virtio_pair, and gets an ae_queue.
 *
 * What the device writes is not believed: each word is read once and checked. What cannot be is
 * counted (receive_bad_descriptors, send_bad_descriptors); when the place of the next entry is lost
 * with it, the queue is broken: nothing goes in or out until it is reset.
 */

#include <aether/port.h>

#include "port/virtio/virtio.h"

/* How the device is notified of available buffers: by the flag if there is one, else by mmio or fd
 * where the device does not suppress it. The flag is the cheapest: the worker then never looks at
 * suppression, which is on a line that the device writes. */
struct ae_virtio_doorbell {
    volatile uint8_t *mmio; /* PCI: the queue's notify address; NULL: none */
    int fd;                 /* an eventfd; -1: none. A system call: never in a quiet worker */
    uint32_t *flag;         /* a word set to 1, which the owner relays; NULL: none */
    uint16_t queue;         /* the virtqueue's index */
    bool data;              /* VIRTIO_F_NOTIFICATION_DATA */
};

struct ae_virtio_ring {
    uint8_t *memory; /* ae_virtio_layout.size bytes, aligned to 64, zeroed */
    ae_iova_t iova;  /* of memory */
    uint16_t size;   /* descriptors; 2 to 32768, split: a power of two */
    struct ae_virtio_doorbell doorbell;
};

/* Where the parts of a ring are, from its start. Parts written by different sides share no line. */
struct ae_virtio_layout {
    uint32_t descriptors; /* Descriptor Area */
    uint32_t driver;      /* Driver Area: available ring, or driver event suppression */
    uint32_t device;      /* Device Area: used ring, or device event suppression */
    uint32_t size;        /* of all */
};

struct ae_virtio_layout ae_virtio_ring_layout(uint16_t size, bool packed);

struct ae_virtio_pair {
    struct ae_virtio_ring receive;
    struct ae_virtio_ring send;
    uint64_t features; /* negotiated */
    struct ae_pool *pool;
    struct ae_queue_counters *counters;
    uint16_t mtu;
};

/* Features of the ring and of frames that both forms serve; a transport negotiates a subset of
 * these and of its own. */
#define AE_VIRTIO_QUEUE_FEATURES                                                            \
    (VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) |            \
     VIRTIO_FEATURE(VIRTIO_F_IN_ORDER) | VIRTIO_FEATURE(VIRTIO_F_ACCESS_PLATFORM) |         \
     VIRTIO_FEATURE(VIRTIO_F_ORDER_PLATFORM) | VIRTIO_FEATURE(VIRTIO_F_NOTIFICATION_DATA) | \
     VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) |          \
     VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) | VIRTIO_FEATURE(VIRTIO_NET_F_MTU))

struct ae_virtio_form;
extern const struct ae_virtio_form ae_virtio_split, ae_virtio_packed;

/*
 * Makes the rings new and fills the receive ring from the pool. Sets base.pool to the pool given,
 * which stays the caller's. The device must not look at the rings yet. -EINVAL: features or sizes
 * that the form does not serve; -ENOMEM.
 */
int ae_virtio_attach_form(struct ae_queue **queue, const struct ae_virtio_form *form,
                          const struct ae_virtio_pair *pair, struct ae_error *err);

/* Puts every packet in flight back into the pool and frees the queue. The device has stopped. */
void ae_virtio_detach(struct ae_queue *queue);

/*
 * The rings as new, for a device that begins again: packets in flight are back in the pool, the
 * receive ring is full. Frames that were not yet sent are lost. The device must not look at the
 * rings.
 */
void ae_virtio_reset(struct ae_queue *queue);

/*
 * Where the used buffers end in the receive and in the send ring, for a device that goes on where
 * another stopped: split the used ring's idx, packed the place with the wrap counter in bit 15.
 * False: the ring is broken. The device must not look at the rings.
 */
bool ae_virtio_positions(struct ae_queue *queue, uint16_t positions[2]);

/* For an owner who relays: after it exchanged the doorbell's flag for 0 and found it set, does the
 * device want to be notified? Holds the barrier between the two. */
bool ae_virtio_wants_notification(const struct ae_virtio_ring *ring, bool packed);

/* The device wrote something after which the ring cannot go on. */
bool ae_virtio_broken(const struct ae_queue *queue);

#endif
