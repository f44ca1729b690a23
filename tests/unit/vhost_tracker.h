/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VHOST_TRACKER_H
#define VHOST_TRACKER_H

/*
 * What a back end has taken from one vring and not yet used, kept in the buffer that the front end
 * holds for it: "Inflight I/O tracking" of the vhost-user text, step by step, and from nothing of
 * the front end's. Every buffer is one descriptor here.
 */

#include "virtio_device.h"

#define TRACKER_MAX 256 /* descriptors */

struct tracked {
    struct device_buffer buffer;
    uint16_t entry; /* of the region */
};

/* Where a back end dies while it uses a buffer. */
enum tracker_death {
    TRACKER_LIVES,
    TRACKER_DIES_EARLY, /* the region is written, the ring is not */
    TRACKER_DIES_LATE,  /* the ring is written, the buffer is still marked */
};

struct tracker {
    struct device_queue *device;
    void *region;
    uint64_t counter;
    struct tracked again[TRACKER_MAX]; /* to be taken once more, oldest first */
    unsigned count, next;
};

/* Of one vring's region. */
size_t tracker_bytes(uint16_t size, bool packed);

/* Takes up a ring that was just initialized, at the place that the region tells. *fresh: nobody was
 * there before. False: the base that the front end gave is another place. */
bool tracker_begin(struct tracker *tracker, struct device_queue *device, uint8_t *region,
                   uint32_t base, bool *fresh);

bool tracker_take(struct tracker *tracker, struct tracked *taken);
void tracker_use(struct tracker *tracker, const struct tracked *taken, uint32_t length,
                 enum tracker_death death);

#endif
