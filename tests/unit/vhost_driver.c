/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost_driver.h"

#include <string.h>

#define AVAIL_USED (VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED)

static struct virtq_desc *table(const struct driver *driver)
{
    return (struct virtq_desc *)(void *)driver->at;
}

static struct pvirtq_desc *packed(const struct driver *driver)
{
    return (struct pvirtq_desc *)(void *)driver->at;
}

static struct virtq_avail *avail(const struct driver *driver)
{
    return (struct virtq_avail *)(void *)(driver->at + driver->available);
}

static struct virtq_used *used(const struct driver *driver)
{
    return (struct virtq_used *)(void *)(driver->at + driver->used);
}

void driver_init(struct driver *driver, uint8_t *at, uint16_t size, bool is_packed, bool in_order)
{
    *driver = (struct driver){
        .packed = is_packed,
        .in_order = in_order,
        .size = size,
        .at = at,
        .available = 16u * size,
        .used = (16u * size + 6 + 2u * size + 63) / 64 * 64,
        .wrap = true,
        .used_wrap = true,
    };
    driver_want_interrupts(driver, false);
}

void driver_connect(const struct driver *driver, struct ae_vhost_ring *ring)
{
    ring->ring = packed(driver);
    ring->avail = avail(driver);
    ring->used = used(driver);
    ring->size = driver->size;
    ring->wrap = true;
    ring->in_order = driver->in_order;
}

static uint16_t offer_split(struct driver *driver, const struct driver_piece *pieces,
                            unsigned count)
{
    uint16_t mask = (uint16_t)(driver->size - 1), head = driver->next_free & mask;
    struct virtq_avail *ring = avail(driver);

    for (unsigned i = 0; i < count; i++) {
        uint16_t at = driver->next_free++ & mask;

        table(driver)[at] = (struct virtq_desc){
            .addr = pieces[i].address,
            .len = pieces[i].length,
            .flags = (uint16_t)((pieces[i].writable ? VIRTQ_DESC_F_WRITE : 0) |
                                (i + 1 < count ? VIRTQ_DESC_F_NEXT : 0)),
            .next = i + 1 < count ? driver->next_free & mask : 0,
        };
    }
    ring->ring[driver->next++ & mask] = head;
    __atomic_store_n(&ring->idx, driver->next, __ATOMIC_RELEASE);
    return head;
}

static uint16_t offer_packed(struct driver *driver, const struct driver_piece *pieces,
                             unsigned count)
{
    struct pvirtq_desc *first = &packed(driver)[driver->next];
    uint16_t id = driver->next_id++ % driver->size, first_flags = 0;

    driver->counts[id] = (uint16_t)count;
    for (unsigned i = 0; i < count; i++) {
        struct pvirtq_desc *descriptor = &packed(driver)[driver->next];
        uint16_t flags = (uint16_t)((pieces[i].writable ? VIRTQ_DESC_F_WRITE : 0) |
                                    (i + 1 < count ? VIRTQ_DESC_F_NEXT : 0) |
                                    (driver->wrap ? VIRTQ_DESC_F_AVAIL : VIRTQ_DESC_F_USED));

        descriptor->addr = pieces[i].address;
        descriptor->len = pieces[i].length;
        descriptor->id = id;
        if (i)
            descriptor->flags = flags;
        else
            first_flags = flags;
        if (++driver->next == driver->size) {
            driver->next = 0;
            driver->wrap = !driver->wrap;
        }
    }
    __atomic_store_n(&first->flags, first_flags, __ATOMIC_RELEASE);
    return id;
}

uint16_t driver_offer(struct driver *driver, const struct driver_piece *pieces, unsigned count)
{
    return driver->packed ? offer_packed(driver, pieces, count)
                          : offer_split(driver, pieces, count);
}

static bool collect_split(struct driver *driver, uint16_t *id, uint32_t *length)
{
    uint16_t mask = (uint16_t)(driver->size - 1);
    const struct virtq_used_elem *element;

    if (__atomic_load_n(&used(driver)->idx, __ATOMIC_ACQUIRE) == driver->next_used)
        return false;
    element = &used(driver)->ring[driver->next_used & mask];
    *id = (uint16_t)element->id;
    *length = element->len;
    if (driver->in_order) {
        /* Our buffers to send have one descriptor each, in this order. */
        *id = avail(driver)->ring[driver->next_used & mask];
        *length = element->len;
    }
    driver->next_used++;
    return true;
}

static void pass(struct driver *driver, uint16_t id)
{
    driver->next_used = (uint16_t)(driver->next_used + driver->counts[id]);
    if (driver->next_used >= driver->size) {
        driver->next_used = (uint16_t)(driver->next_used - driver->size);
        driver->used_wrap = !driver->used_wrap;
    }
    driver->oldest_id++;
}

static bool collect_packed(struct driver *driver, uint16_t *id, uint32_t *length)
{
    const struct pvirtq_desc *descriptor = &packed(driver)[driver->next_used];
    uint16_t flags;

    *length = 0;
    if (driver->skip) {
        driver->skip--;
        *id = driver->oldest_id % driver->size;
        pass(driver, *id);
        return true;
    }
    flags = __atomic_load_n(&descriptor->flags, __ATOMIC_ACQUIRE);
    if ((flags & AVAIL_USED) != (driver->used_wrap ? AVAIL_USED : 0))
        return false;
    *id = descriptor->id;
    *length = descriptor->len;
    if (driver->in_order) {
        /* The last of a batch is named, in the place of the first. */
        driver->skip =
            (uint16_t)((*id + driver->size - driver->oldest_id % driver->size) % driver->size);
        *id = driver->oldest_id % driver->size;
    }
    pass(driver, *id);
    return true;
}

bool driver_collect(struct driver *driver, uint16_t *id, uint32_t *length)
{
    return driver->packed ? collect_packed(driver, id, length) : collect_split(driver, id, length);
}

void driver_want_interrupts(struct driver *driver, bool want)
{
    if (driver->packed) {
        struct pvirtq_event_suppress *event =
            (struct pvirtq_event_suppress *)(void *)(driver->at + driver->available);

        __atomic_store_n(&event->flags, want ? RING_EVENT_FLAGS_ENABLE : RING_EVENT_FLAGS_DISABLE,
                         __ATOMIC_RELAXED);
    } else {
        __atomic_store_n(&avail(driver)->flags, want ? 0 : VIRTQ_AVAIL_F_NO_INTERRUPT,
                         __ATOMIC_RELAXED);
    }
}
