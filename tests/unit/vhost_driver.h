/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VHOST_DRIVER_H
#define VHOST_DRIVER_H

/* The driver's side of a virtqueue in its plainest form, to test the device's side with: one buffer
 * at a time, nothing remembered that the standard does not ask for. */

#include <stdbool.h>
#include <stdint.h>

#include "port/vhost/back/ring.h"

struct driver_piece {
    uint64_t address;
    uint32_t length;
    bool writable;
};

struct driver {
    bool packed;
    bool in_order;
    uint16_t size;
    uint8_t *at;        /* of the ring; the parts below are behind each other */
    uint32_t available; /* offsets */
    uint32_t used;
    uint16_t next;      /* place of the next descriptor, free-running for split */
    uint16_t next_free; /* split: descriptor to use next */
    uint16_t next_used;
    bool wrap, used_wrap;
    uint16_t counts[1024]; /* descriptors of buffer `id`; packed */
    uint16_t next_id;      /* packed: ids go round */
    uint16_t oldest_id;
    uint16_t skip; /* in order: buffers used by the last report, still to be told of */
};

#define DRIVER_RING_BYTES 65536

/* Zeroed memory of DRIVER_RING_BYTES, aligned to 64. */
void driver_init(struct driver *driver, uint8_t *at, uint16_t size, bool packed, bool in_order);

/* Points the device's side at it. */
void driver_connect(const struct driver *driver, struct ae_vhost_ring *ring);

/* Makes a buffer of `count` descriptors available and returns its id. There must be room. */
uint16_t driver_offer(struct driver *driver, const struct driver_piece *pieces, unsigned count);

/* Takes the next used buffer; false: none. */
bool driver_collect(struct driver *driver, uint16_t *id, uint32_t *length);

void driver_want_interrupts(struct driver *driver, bool want);

#endif
