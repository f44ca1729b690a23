/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DRIVER_H
#define DRIVER_H

/* The world around the driver's half: before a form's source. */

#define MTU 2u

/* Packets of a frame, at most. 1: the caller has no chains, so that the first one is not met. */
#ifndef SEGMENTS
#define SEGMENTS 1u
#endif

/* First: what it reads of packets is not shared with anybody. */
#include "port/sendable.c"

#include "packets.h"
#include "shared.h"

#include "port/virtio/driver.h"

/* The books see what becomes the driver's. */
static inline bool books_prepare(const struct ae_sendable *sendable, struct ae_packet *packet,
                                 bool checksum)
{
    bool good = ae_virtio_prepare(sendable, packet, checksum);

    if (good) {
        prove(whose[index_of(packet)] == CALLER);
        whose[index_of(packet)] = RING;
    }
    return good;
}

#define ae_virtio_prepare(sendable, packet, checksum) books_prepare(sendable, packet, checksum)
#define ae_virtio_receive_address(driver, packet)     nondet_u64()

#include "base/checksum.c"
#include "port/virtio/broken.c"
#include "port/virtio/frame.c"
#include "port/virtio/queue.c"

/* Not looked at where bursts are: merge in virtio_frame.c is about it. */
static inline struct ae_packet *books_merge(void)
{
    assume(false);
    return NULL;
}

static inline uint32_t books_prepare_chain(struct ae_packet *packet)
{
    struct ae_packet *at = packet;

    for (uint32_t i = 0; i < SEGMENTS && at; i++, at = ae_packet_next(at)) {
        prove(whose[index_of(at)] == CALLER);
        whose[index_of(at)] = RING;
    }
    prove(!at);
    return ae_virtio_prepare_chain(packet);
}

#define ae_virtio_prepare_chain(packet)          books_prepare_chain(packet)
#define ae_virtio_merge(driver, packet, written) books_merge()

#if SEGMENTS == 1
#define ae_virtio_sends_chain(driver, packet) false
#endif

#endif
