/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost_tracker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct split_entry {
    uint8_t inflight;
    uint8_t padding[5];
    uint16_t next;
    uint64_t counter;
};

struct split_region {
    uint64_t features;
    uint16_t version;
    uint16_t desc_num;
    uint16_t last_batch_head;
    uint16_t used_idx;
    struct split_entry desc[];
};

struct packed_entry {
    uint8_t inflight;
    uint8_t padding;
    uint16_t next;
    uint16_t last;
    uint16_t num;
    uint64_t counter;
    uint16_t id;
    uint16_t flags;
    uint32_t len;
    uint64_t addr;
};

struct packed_region {
    uint64_t features;
    uint16_t version;
    uint16_t desc_num;
    uint16_t free_head;
    uint16_t old_free_head;
    uint16_t used_idx;
    uint16_t old_used_idx;
    uint8_t used_wrap_counter;
    uint8_t old_used_wrap_counter;
    uint8_t padding[7];
    struct packed_entry desc[];
};

size_t tracker_bytes(uint16_t size, bool packed)
{
    size_t bytes = packed ? sizeof(struct packed_region) + size * sizeof(struct packed_entry)
                          : sizeof(struct split_region) + size * sizeof(struct split_entry);

    return (bytes + 63) / 64 * 64;
}

/* ---- "When reconnecting" ---- */

static struct tracker *sorted; /* qsort has no argument; one thread */

static uint64_t counter_of(const struct tracked *taken)
{
    const struct packed_region *packed = sorted->region;
    const struct split_region *split = sorted->region;

    return sorted->device->packed ? packed->desc[taken->entry].counter
                                  : split->desc[taken->entry].counter;
}

static int by_counter(const void *one, const void *other)
{
    uint64_t a = counter_of(one), b = counter_of(other);

    return a < b ? -1 : a > b;
}

static void sort(struct tracker *tracker)
{
    sorted = tracker;
    qsort(tracker->again, tracker->count, sizeof(tracker->again[0]), by_counter);
    if (tracker->count)
        tracker->counter = counter_of(&tracker->again[tracker->count - 1]) + 1;
}

static uint16_t recover_split(struct tracker *tracker)
{
    struct split_region *region = tracker->region;
    struct device_queue *device = tracker->device;
    uint16_t used = __atomic_load_n(&device->used->idx, __ATOMIC_ACQUIRE);
    uint16_t entry = region->last_batch_head;

    for (uint16_t left = (uint16_t)(used - region->used_idx); left > 0; left--) {
        region->desc[entry].inflight = 0;
        entry = region->desc[entry].next;
    }
    region->used_idx = used;
    for (uint16_t i = 0; i < device->size; i++) {
        struct virtq_desc *desc = &device->desc[i];

        if (region->desc[i].inflight)
            tracker->again[tracker->count++] =
                (struct tracked){{.id = i,
                                  .addr = desc->addr,
                                  .len = desc->len,
                                  .write = desc->flags & VIRTQ_DESC_F_WRITE},
                                 i};
    }
    device->used_idx = used;
    device->avail_seen = (uint16_t)(used + tracker->count);
    return used;
}

static void settle_packed(struct tracker *tracker)
{
    struct packed_region *region = tracker->region;
    uint16_t flags = tracker->device->ring[region->old_used_idx].flags;
    bool avail = flags & VIRTQ_DESC_F_AVAIL, used = flags & VIRTQ_DESC_F_USED;

    if (region->used_idx != region->old_used_idx &&
        !(avail == region->old_used_wrap_counter && used != region->old_used_wrap_counter)) {
        region->old_free_head = region->free_head;
        region->old_used_idx = region->used_idx;
        region->old_used_wrap_counter = region->used_wrap_counter;
    }
    region->free_head = region->old_free_head;
    region->used_idx = region->old_used_idx;
    region->used_wrap_counter = region->old_used_wrap_counter;
}

static uint16_t recover_packed(struct tracker *tracker)
{
    struct packed_region *region = tracker->region;
    struct device_queue *device = tracker->device;
    uint16_t entry = region->free_head, place;

    settle_packed(tracker);
    for (entry = region->free_head; entry < device->size; entry = region->desc[entry].next)
        region->desc[entry].inflight = 0;
    for (uint16_t i = 0; i < device->size; i++) {
        struct packed_entry *desc = &region->desc[i];

        if (desc->inflight)
            tracker->again[tracker->count++] =
                (struct tracked){{.id = desc->id,
                                  .addr = desc->addr,
                                  .len = desc->len,
                                  .write = desc->flags & VIRTQ_DESC_F_WRITE},
                                 i};
    }
    device->next_used = region->used_idx;
    device->used_wrap = region->used_wrap_counter;
    place = (uint16_t)(region->used_idx + tracker->count);
    device->next_avail = place % device->size;
    device->avail_wrap = device->used_wrap ^ (place >= device->size);
    return (uint16_t)(region->used_idx | region->used_wrap_counter << 15);
}

static void make_anew(struct tracker *tracker)
{
    struct split_region *split = tracker->region;
    struct packed_region *packed = tracker->region;
    struct device_queue *device = tracker->device;

    if (!device->packed) {
        split->version = 1;
        split->desc_num = device->size;
        return;
    }
    packed->version = 1;
    packed->desc_num = device->size;
    packed->used_wrap_counter = packed->old_used_wrap_counter = 1;
    for (uint16_t i = 0; i < device->size; i++)
        packed->desc[i].next = (uint16_t)(i + 1);
}

bool tracker_begin(struct tracker *tracker, struct device_queue *device, uint8_t *region,
                   uint32_t base, bool *fresh)
{
    uint32_t place;

    assert(device->size <= TRACKER_MAX);
    memset(tracker, 0, sizeof(*tracker));
    tracker->device = device;
    tracker->region = region;
    *fresh = ((struct split_region *)tracker->region)->version == 0;
    if (*fresh)
        make_anew(tracker);
    place = device->packed ? recover_packed(tracker) : recover_split(tracker);
    sort(tracker);
    return base == (device->packed ? place | place << 16 : place);
}

/* ---- "When receiving available buffers from the driver" ---- */

static void mark_split(struct tracker *tracker, struct tracked *taken)
{
    struct split_region *region = tracker->region;

    taken->entry = taken->buffer.id;
    region->desc[taken->entry].counter = tracker->counter++;
    region->desc[taken->entry].inflight = 1;
}

static void mark_packed(struct tracker *tracker, struct tracked *taken)
{
    struct packed_region *region = tracker->region;
    struct packed_entry *entry = &region->desc[region->old_free_head];

    taken->entry = region->old_free_head;
    entry->num = 1;
    entry->counter = tracker->counter++;
    entry->inflight = 1;
    entry->last = region->free_head;
    entry->addr = taken->buffer.addr;
    entry->len = taken->buffer.len;
    entry->id = taken->buffer.id;
    entry->flags = taken->buffer.write ? VIRTQ_DESC_F_WRITE : 0;
    region->free_head = entry->next;
    region->old_free_head = region->free_head;
}

bool tracker_take(struct tracker *tracker, struct tracked *taken)
{
    if (tracker->next < tracker->count) {
        *taken = tracker->again[tracker->next++];
        return true;
    }
    if (!device_fetch(tracker->device, &taken->buffer))
        return false;
    if (tracker->device->packed)
        mark_packed(tracker, taken);
    else
        mark_split(tracker, taken);
    return true;
}

/* ---- "When supplying used buffers to the driver" ---- */

static void begin_split(struct tracker *tracker, const struct tracked *taken)
{
    struct split_region *region = tracker->region;

    region->desc[taken->entry].next = region->last_batch_head;
    region->last_batch_head = taken->entry;
}

static void end_split(struct tracker *tracker, const struct tracked *taken)
{
    struct split_region *region = tracker->region;

    region->desc[taken->entry].inflight = 0;
    region->used_idx = tracker->device->used_idx;
}

static void begin_packed(struct tracker *tracker, const struct tracked *taken)
{
    struct packed_region *region = tracker->region;

    region->desc[region->desc[taken->entry].last].next = region->free_head;
    region->free_head = taken->entry;
    if (++region->used_idx == tracker->device->size) {
        region->used_idx = 0;
        region->used_wrap_counter ^= 1;
    }
}

static void end_packed(struct tracker *tracker, const struct tracked *taken)
{
    struct packed_region *region = tracker->region;

    region->desc[taken->entry].inflight = 0;
    region->old_free_head = region->free_head;
    region->old_used_idx = region->used_idx;
    region->old_used_wrap_counter = region->used_wrap_counter;
}

void tracker_use(struct tracker *tracker, const struct tracked *taken, uint32_t length,
                 enum tracker_death death)
{
    bool packed = tracker->device->packed;

    (packed ? begin_packed : begin_split)(tracker, taken);
    if (death == TRACKER_DIES_EARLY)
        return;
    device_use(tracker->device, taken->buffer.id, length, 0);
    if (death == TRACKER_DIES_LATE)
        return;
    (packed ? end_packed : end_split)(tracker, taken);
}
