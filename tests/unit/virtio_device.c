/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio_device.h"

#include "port/virtio/queue.h"

void device_queue_init(struct device_queue *queue, uint8_t *memory, uint16_t size, bool packed)
{
    struct ae_virtio_layout layout = ae_virtio_ring_layout(size, packed);

    *queue = (struct device_queue){
        .packed = packed,
        .size = size,
        .desc = (void *)(memory + layout.descriptors),
        .avail = (void *)(memory + layout.driver),
        .used = (void *)(memory + layout.device),
        .ring = (void *)(memory + layout.descriptors),
        .event = (void *)(memory + layout.device),
        .avail_wrap = true,
        .used_wrap = true,
    };
}

static void add_part(struct device_buffer *buffer, uint64_t addr, uint32_t len, uint16_t flags)
{
    if (buffer->count == 0) {
        buffer->addr = addr;
        buffer->len = len;
        buffer->write = flags & VIRTQ_DESC_F_WRITE;
    }
    buffer->parts[buffer->count].addr = addr;
    buffer->parts[buffer->count++].len = len;
}

static bool take_split(struct device_queue *queue, struct device_buffer *buffer)
{
    struct virtq_desc desc;
    uint16_t at;

    if (__atomic_load_n(&queue->avail->idx, __ATOMIC_ACQUIRE) == queue->avail_seen)
        return false;
    buffer->id = queue->avail->ring[queue->avail_seen % queue->size];
    queue->avail_seen++;
    buffer->count = 0;
    at = buffer->id;
    do {
        desc = queue->desc[at % queue->size];
        add_part(buffer, desc.addr, desc.len, desc.flags);
        at = desc.next;
    } while (desc.flags & VIRTQ_DESC_F_NEXT && buffer->count < DEVICE_PARTS);
    return true;
}

static bool take_packed(struct device_queue *queue, struct device_buffer *buffer)
{
    struct pvirtq_desc *desc = &queue->ring[queue->next_avail];
    uint16_t flags = __atomic_load_n(&desc->flags, __ATOMIC_ACQUIRE);
    bool avail = flags & VIRTQ_DESC_F_AVAIL, used = flags & VIRTQ_DESC_F_USED;

    if (avail != queue->avail_wrap || used == queue->avail_wrap)
        return false;
    buffer->count = 0;
    do {
        desc = &queue->ring[queue->next_avail];
        flags = desc->flags;
        buffer->id = desc->id; /* 2.8.6: the last one's says it */
        add_part(buffer, desc->addr, desc->len, flags);
        if (++queue->next_avail == queue->size) {
            queue->next_avail = 0;
            queue->avail_wrap = !queue->avail_wrap;
        }
    } while (flags & VIRTQ_DESC_F_NEXT && buffer->count < DEVICE_PARTS);
    return true;
}

bool device_fetch(struct device_queue *queue, struct device_buffer *buffer)
{
    return queue->packed ? take_packed(queue, buffer) : take_split(queue, buffer);
}

void device_write_used(struct device_queue *queue, uint16_t offset, uint32_t id, uint32_t len)
{
    queue->used->ring[(uint16_t)(queue->used_idx + offset) % queue->size] =
        (struct virtq_used_elem){.id = id, .len = len};
}

void device_publish_used(struct device_queue *queue, uint16_t count)
{
    queue->used_idx = (uint16_t)(queue->used_idx + count);
    __atomic_store_n(&queue->used->idx, queue->used_idx, __ATOMIC_RELEASE);
}

void device_use(struct device_queue *queue, uint16_t id, uint32_t len, uint16_t skip)
{
    struct pvirtq_desc *desc = &queue->ring[queue->next_used];

    if (!queue->packed) {
        device_write_used(queue, 0, id, len);
        device_publish_used(queue, (uint16_t)(skip + 1));
        return;
    }
    desc->id = id;
    desc->len = len;
    __atomic_store_n(&desc->flags, queue->used_wrap ? VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED : 0,
                     __ATOMIC_RELEASE);
    for (int i = 0; i <= skip; i++)
        if (++queue->next_used == queue->size) {
            queue->next_used = 0;
            queue->used_wrap = !queue->used_wrap;
        }
}

bool device_interrupts_off(const struct device_queue *queue, const uint8_t *memory)
{
    const struct pvirtq_event_suppress *event =
        (const void *)(memory + ae_virtio_ring_layout(queue->size, queue->packed).driver);

    return queue->packed ? event->flags == RING_EVENT_FLAGS_DISABLE
                         : queue->avail->flags == VIRTQ_AVAIL_F_NO_INTERRUPT;
}
