/* SPDX-License-Identifier: Apache-2.0 */

/* What is rare in the driver's half of a virtio queue pair, whatever the form of its rings. */

#include "port/virtio/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "port/virtio/driver.h"

#define LINE 64u

static uint32_t whole_lines(size_t bytes)
{
    return (uint32_t)((bytes + LINE - 1) / LINE * LINE);
}

struct ae_virtio_layout ae_virtio_ring_layout(uint16_t size, bool packed)
{
    struct ae_virtio_layout layout = {0};

    layout.driver = whole_lines(size * sizeof(struct virtq_desc));
    if (packed) {
        layout.device = layout.driver + LINE;
        layout.size = layout.device + LINE;
    } else {
        /* The last two bytes of each are there for devices that write event indices unasked. */
        layout.device = layout.driver +
                        whole_lines(sizeof(struct virtq_avail) + (size + 1u) * sizeof(uint16_t));
        layout.size =
            layout.device + whole_lines(sizeof(struct virtq_used) +
                                        size * sizeof(struct virtq_used_elem) + sizeof(uint16_t));
    }
    return layout;
}

/* ---- Attach ---- */

static int check_ring(const struct ae_virtio_ring *ring, const char *name, bool packed,
                      struct ae_error *err)
{
    bool power = !(ring->size & (ring->size - 1));

    if (ring->size < 2 || ring->size > VIRTQ_SIZE_MAX || (!packed && !power))
        return ae_error_set(
            err, -EINVAL, "virtio: %s queue of %u descriptors; %s from 2 to %d are possible", name,
            ring->size, packed ? "any number" : "a power of two", VIRTQ_SIZE_MAX);
    if (!ring->memory || (uintptr_t)ring->memory % LINE)
        return ae_error_set(err, -EINVAL,
                            "virtio: memory of the %s queue at %p; it must be there, "
                            "aligned to %u bytes",
                            name, (void *)ring->memory, LINE);
    return 0;
}

/* Buffers of a frame that is received: one where that holds the longest. */
static uint32_t receive_segments(const struct ae_virtio_pair *pair)
{
    uint32_t room = pair->pool->buffer_size - AE_PACKET_HEADROOM;

    if (!(pair->features & VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF)) ||
        AE_FRAME_MAX(pair->mtu) <= room)
        return 1;
    return pair->receive.size < AE_FRAME_SEGMENTS ? pair->receive.size : AE_FRAME_SEGMENTS;
}

static int check_pair(const struct ae_virtio_pair *pair, bool packed, struct ae_error *err)
{
    uint32_t longest = AE_FRAME_MAX(pair->mtu), most = receive_segments(pair);
    uint32_t room = pair->pool->buffer_size - AE_PACKET_HEADROOM;
    int rc = check_ring(&pair->receive, "receive", packed, err);

    if (!rc)
        rc = check_ring(&pair->send, "send", packed, err);
    if (rc)
        return rc;
    if (!(pair->features & VIRTIO_FEATURE(VIRTIO_F_VERSION_1)) ||
        !!(pair->features & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED)) != packed)
        return ae_error_set(err, -EINVAL,
                            "virtio: features 0x%llx do not go with %s rings of version 1",
                            (unsigned long long)pair->features, packed ? "packed" : "split");
    if (pair->features &
        (VIRTIO_FEATURE(VIRTIO_F_EVENT_IDX) | VIRTIO_FEATURE(VIRTIO_NET_F_HASH_REPORT)))
        return ae_error_set(err, -EINVAL,
                            "virtio: features 0x%llx: EVENT_IDX and HASH_REPORT are not served",
                            (unsigned long long)pair->features);
    if (longest > most * room)
        return ae_error_set(err, -EINVAL,
                            "virtio: an MTU of %u is a frame of %u bytes, a buffer holds %u and "
                            "%u of them are a frame at most%s",
                            pair->mtu, longest, room, most,
                            most == 1 ? " (several with mrg_rxbuf=on)" : "");
    return 0;
}

static void set_up(struct ae_virtio_driver *driver, const struct ae_virtio_form *form,
                   const struct ae_virtio_pair *pair)
{
    const struct ae_pool *pool = pair->pool;
    uint32_t longest = AE_FRAME_MAX(pair->mtu), room = pool->buffer_size - AE_PACKET_HEADROOM;
    bool checksum_out = pair->features & VIRTIO_FEATURE(VIRTIO_NET_F_CSUM);

    driver->form = form;
    driver->in_order = pair->features & VIRTIO_FEATURE(VIRTIO_F_IN_ORDER);
    driver->mergeable = pair->features & VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF);
    driver->checksum_in = pair->features & VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM);
    driver->receive = form->receives[driver->in_order][driver->mergeable][driver->checksum_in];
    driver->send = form->sends[driver->in_order][checksum_out];
    driver->base.unsent = form->unsent;
    driver->base.pool = pair->pool;
    driver->base.counters = pair->counters;
    driver->sendable =
        ae_sendable_make(pair->pool, longest,
                         pair->send.size < AE_FRAME_SEGMENTS ? pair->send.size : AE_FRAME_SEGMENTS);
    driver->offloads = ae_virtio_offloads(checksum_out);
    driver->stride = pool->buffer_size;
    driver->first_address = pool->iova.value + AE_PACKET_HEADROOM - AE_VIRTIO_HEADER;
    driver->space = room + AE_VIRTIO_HEADER;
    driver->receive_span = (longest < room ? longest : room) - AE_FRAME_MIN;
    driver->merging.longest = longest;
    driver->merging.segments = receive_segments(pair);
    driver->merging.ring = pair->receive.size;
    driver->send_offset = pool->iova.value - (uintptr_t)pool->memory - AE_VIRTIO_HEADER;
}

int ae_virtio_attach_form(struct ae_queue **queue, const struct ae_virtio_form *form,
                          const struct ae_virtio_pair *pair, struct ae_error *err)
{
    struct ae_virtio_driver *driver;
    int rc = check_pair(pair, form->packed, err);

    if (rc)
        return rc;
    driver = calloc(1, form->queue_bytes);
    if (!driver)
        return ae_error_set(err, -ENOMEM, "virtio: out of memory");
    set_up(driver, form, pair);
    rc = form->make_rings(driver, pair, err);
    if (rc) {
        form->free_rings(driver);
        free(driver);
        return rc;
    }
    ae_virtio_reset(&driver->base);
    *queue = &driver->base;
    return 0;
}

void ae_virtio_reset(struct ae_queue *queue)
{
    struct ae_virtio_driver *driver = (struct ae_virtio_driver *)queue;

    driver->form->release(driver);
    ae_virtio_drop_merging(driver);
    driver->merging.pieces = 0;
    driver->starved = 0;
    driver->broken = false;
    queue->receive = driver->receive;
    queue->send = driver->send;
    queue->reclaim = driver->form->reclaim;
    driver->form->renew(driver);
}

void ae_virtio_detach(struct ae_queue *queue)
{
    struct ae_virtio_driver *driver = (struct ae_virtio_driver *)queue;

    if (!queue)
        return;
    driver->form->release(driver);
    ae_virtio_drop_merging(driver);
    driver->form->free_rings(driver);
    free(driver);
}

/* ---- For another device ---- */

bool ae_virtio_positions(struct ae_queue *queue, uint16_t positions[2])
{
    struct ae_virtio_driver *driver = (struct ae_virtio_driver *)queue;

    if (!driver->broken)
        driver->form->find_positions(driver, positions);
    /* 5.1.6.4.1: all buffers of a frame are used at once. Another device begins with a frame, and
     * would be taken for one that goes on with the last one's. */
    if (!driver->broken && driver->merging.pieces)
        ae_virtio_break(driver, &driver->base.counters->receive_bad_descriptors);
    return !driver->broken;
}

/* ---- Notifications ---- */

void ae_virtio_notify_now(const struct ae_virtio_doorbell *doorbell, const uint16_t *suppression,
                          uint16_t next_off, bool next_wrap)
{
    /* Pairs with the device's own: it asks for notifications, then looks at the ring once more. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(suppression, __ATOMIC_RELAXED) & RING_EVENT_FLAGS_DISABLE)
        return;
    if (!doorbell->mmio) {
        uint64_t one = 1;
        ssize_t done = write(doorbell->fd, &one, sizeof(one));

        (void)done; /* full: the device has not yet woken from the last one */
        return;
    }
    ae_doorbell_barrier();
    if (doorbell->data)
        ae_mmio_write32(doorbell->mmio, 0,
                        VIRTIO_NOTIFICATION(doorbell->queue, next_off, next_wrap));
    else
        ae_mmio_write16(doorbell->mmio, 0, doorbell->queue);
}

bool ae_virtio_wants_notification(const struct ae_virtio_ring *ring, bool packed)
{
    const uint8_t *device = ring->memory + ae_virtio_ring_layout(ring->size, packed).device;
    const struct pvirtq_event_suppress *event = (const void *)device;
    const struct virtq_used *used = (const void *)device;

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (packed)
        return (__atomic_load_n(&event->flags, __ATOMIC_RELAXED) & 3) != RING_EVENT_FLAGS_DISABLE;
    return !(__atomic_load_n(&used->flags, __ATOMIC_RELAXED) & VIRTQ_USED_F_NO_NOTIFY);
}
