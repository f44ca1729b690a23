/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIRTIO_DEVICE_H
#define VIRTIO_DEVICE_H

/*
 * A virtio device in memory, for tests of the driver: one virtqueue, written from the text of
 * virtio 1.2 and from nothing of the driver's but the struct definitions. Slow and plain: one
 * buffer at a time, and everything that the driver must do is asserted.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "port/virtio/virtio.h"

struct device_queue {
    bool packed;
    uint16_t size;
    /* split */
    struct virtq_desc *desc;
    struct virtq_avail *avail;
    struct virtq_used *used;
    uint16_t avail_seen; /* free-running */
    uint16_t used_idx;
    /* packed */
    struct pvirtq_desc *ring;
    struct pvirtq_event_suppress *event;
    uint16_t next_avail, next_used;
    bool avail_wrap, used_wrap;
};

#define DEVICE_PARTS 32

struct device_buffer {
    uint16_t id;
    uint64_t addr; /* of the first descriptor */
    uint32_t len;
    bool write;
    uint16_t count; /* descriptors of it */
    struct {
        uint64_t addr;
        uint32_t len;
    } parts[DEVICE_PARTS];
};

void device_queue_init(struct device_queue *queue, uint8_t *memory, uint16_t size, bool packed);

/* The next available buffer; false: there is none. */
bool device_fetch(struct device_queue *queue, struct device_buffer *buffer);

/* Says that a buffer was used: `skip` more before it (in order) are covered by this one entry; of a
 * packed ring, where buffers are chains, descriptors: all of those and of it, less one. */
void device_use(struct device_queue *queue, uint16_t id, uint32_t len, uint16_t skip);

/* The same in two steps for several: entries first, then all of them at once (split). */
void device_write_used(struct device_queue *queue, uint16_t offset, uint32_t id, uint32_t len);
void device_publish_used(struct device_queue *queue, uint16_t count);

/* Does the driver say that it wants no interrupts? */
bool device_interrupts_off(const struct device_queue *queue, const uint8_t *memory);

#endif
