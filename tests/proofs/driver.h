/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DRIVER_H
#define DRIVER_H

/* The world around the driver's half: before a form's source. */

#define MTU 2u

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

#endif
