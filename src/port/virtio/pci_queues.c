/* SPDX-License-Identifier: Apache-2.0 */

/* The virtqueues of a virtio device over PCI (OASIS VIRTIO 1.2, 4.1.4.3, 4.1.5.1.3): those of
 * frames, which are the worker's, and the control queue. */

#include <errno.h>

#include "base/error.h"
#include "port/virtio/pci.h"

/* Selects a queue for the next accesses. Returns how many descriptors it has; -EPROTO: none. */
static int select_queue(struct virtio_pci *virtio, uint16_t queue, struct ae_error *err)
{
    volatile uint8_t *common = virtio->common.base;
    uint16_t queues = ae_mmio_read16(common, COMMON(num_queues)), size;

    if (queue >= queues)
        return ae_error_set(err, -EPROTO, "virtio: there is no queue %u, the device has %u", queue,
                            queues);
    ae_mmio_write16(common, COMMON(queue_select), queue);
    size = ae_mmio_read16(common, COMMON(queue_size));
    if (size && size <= VIRTQ_SIZE_MAX)
        return size;
    return ae_error_set(err, -EPROTO, "virtio: queue %u has %u descriptors; 1 to %d are possible",
                        queue, size, VIRTQ_SIZE_MAX);
}

/* Where a queue is notified, in owner->registers: with VIRTIO_F_NOTIFICATION_DATA 4 bytes, else
 * 2. */
static int find_notification(struct virtio_pci *virtio, uint16_t queue, uint32_t *offset,
                             struct ae_error *err)
{
    bool data = ae_virtio_pci_has(virtio, VIRTIO_F_NOTIFICATION_DATA);
    unsigned width = data ? sizeof(uint32_t) : sizeof(uint16_t);
    uint64_t at;
    int size = select_queue(virtio, queue, err);

    if (size < 0)
        return size;
    /* 4.1.5.2: 32 bits are written with VIRTIO_F_NOTIFICATION_DATA, else 16. */
    at = (uint64_t)ae_mmio_read16(virtio->common.base, COMMON(queue_notify_off)) *
         virtio->notify_off_multiplier;
    if (at % width || width > virtio->notify.length || at > virtio->notify.length - width)
        return ae_error_set(
            err, -EPROTO,
            "virtio: queue %u is notified by %u bytes at 0x%llx of a structure that "
            "has %u",
            queue, width, (unsigned long long)at, virtio->notify.length);
    *offset = virtio->notify_offset + (uint32_t)at;
    return 0;
}

/* ---- Finding ---- */

/* 5.1.2: the control queue is behind the last pair that the device has, not that we use. */
static int find_control_queue(struct ae_port_owner *owner, const struct virtio_net_config *config,
                              struct ae_error *err)
{
    struct virtio_pci *virtio = ae_virtio_pci_of(owner);
    bool many =
        ae_virtio_pci_has(virtio, VIRTIO_NET_F_MQ) || ae_virtio_pci_has(virtio, VIRTIO_NET_F_RSS);
    uint32_t pairs = many ? config->max_virtqueue_pairs : 1;

    if (pairs < owner->handoff.info.queues || 2 * pairs > UINT16_MAX)
        return ae_error_set(err, -EPROTO, "virtio: the device says that it has %u queue pairs",
                            pairs);
    virtio->control_index = (uint16_t)(2 * pairs);
    return 0;
}

/* A ring may be smaller than the device's, never larger. */
static int limit_ring(struct ae_port_owner *owner, uint16_t queue, uint16_t *ring, uint16_t asked,
                      struct ae_error *err)
{
    int size = select_queue(ae_virtio_pci_of(owner), queue, err);

    if (size < 0)
        return size;
    while (owner->able.ring_max > size)
        owner->able.ring_max /= 2;
    if (*ring <= size)
        return 0;
    if (asked || size < owner->ops->queue->ring_min)
        return ae_error_set(err, -EINVAL, "virtio: a ring of %u descriptors: queue %u has %d",
                            asked ? asked : owner->ops->queue->ring_min, queue, size);
    while (*ring > size)
        *ring /= 2;
    return 0;
}

static int find_pair(struct ae_port_owner *owner, unsigned pair, struct ae_error *err)
{
    struct ae_virtio_handoff *handoff = ae_virtio_handoff(&owner->handoff);
    int rc = limit_ring(owner, VIRTIO_NET_RECEIVEQ(pair), &owner->handoff.receive_ring,
                        owner->asked.receive_ring, err);

    if (!rc)
        rc = limit_ring(owner, VIRTIO_NET_TRANSMITQ(pair), &owner->handoff.send_ring,
                        owner->asked.send_ring, err);
    for (unsigned direction = 0; direction < 2 && !rc; direction++) {
        uint16_t queue = (uint16_t)(2 * pair + direction);

        handoff->notify_data[pair][direction] = queue;
        rc = find_notification(ae_virtio_pci_of(owner), queue, &handoff->notify[pair][direction],
                               err);
    }
    return rc;
}

int ae_virtio_pci_find_queues(struct ae_port_owner *owner, const struct virtio_net_config *config,
                              struct ae_error *err)
{
    int rc = find_control_queue(owner, config, err);

    for (unsigned i = 0; i < AE_VIRTIO_SPREAD; i++)
        ae_virtio_pci_of(owner)->spread[i] = (uint16_t)(i % owner->handoff.info.queues);
    for (unsigned pair = 0; pair < owner->handoff.info.queues && !rc; pair++)
        rc = find_pair(owner, pair, err);
    return rc;
}

/* ---- Enabling ---- */

/* 4.1.3.1: 64-bit fields are two accesses of 32 bits. */
static void set64(volatile uint8_t *to, uint32_t offset, uint64_t value)
{
    ae_mmio_write32(to, offset, (uint32_t)value);
    ae_mmio_write32(to, offset + 4, (uint32_t)(value >> 32));
}

static int enable_queue(struct virtio_pci *virtio, uint16_t queue, uint16_t size,
                        const uint64_t parts[3], struct ae_error *err)
{
    int most = select_queue(virtio, queue, err);

    if (most < 0)
        return most;
    if (size > most)
        return ae_error_set(err, -EPROTO, "virtio: queue %u has %d descriptors, it had %u", queue,
                            most, size);
    ae_mmio_write16(virtio->common.base, COMMON(queue_size), size);
    ae_mmio_write16(virtio->common.base, COMMON(queue_msix_vector), VIRTIO_MSI_NO_VECTOR);
    set64(virtio->common.base, COMMON(queue_desc), parts[0]);
    set64(virtio->common.base, COMMON(queue_driver), parts[1]);
    set64(virtio->common.base, COMMON(queue_device), parts[2]);
    ae_mmio_write16(virtio->common.base, COMMON(queue_enable), 1);
    return 0;
}

static int enable_ring(struct ae_port_owner *owner, uint16_t queue, uint64_t offset, uint16_t size,
                       struct ae_error *err)
{
    bool packed = ae_virtio_pci_has(ae_virtio_pci_of(owner), VIRTIO_F_RING_PACKED);
    struct ae_virtio_layout layout = ae_virtio_ring_layout(size, packed);
    uint64_t iova = owner->memory_iova.value + offset;
    const uint64_t parts[3] = {iova + layout.descriptors, iova + layout.driver,
                               iova + layout.device};

    return enable_queue(ae_virtio_pci_of(owner), queue, size, parts, err);
}

static void notify_control(void *context)
{
    struct ae_port_owner *owner = context;
    struct virtio_pci *virtio = ae_virtio_pci_of(owner);
    uint16_t queue = virtio->control_index;

    if (ae_virtio_pci_has(virtio, VIRTIO_F_NOTIFICATION_DATA))
        ae_mmio_write32(owner->registers.base, virtio->control_notify,
                        VIRTIO_NOTIFICATION(queue, virtio->control.next,
                                            virtio->control.packed && virtio->control.wrap));
    else
        ae_mmio_write16(owner->registers.base, virtio->control_notify, queue);
}

/* 2.7: the size of a split ring is a power of two. */
static uint16_t control_size(const struct virtio_pci *virtio, uint16_t most)
{
    uint16_t size = AE_VIRTIO_CONTROL_SIZE;

    if (ae_virtio_pci_has(virtio, VIRTIO_F_RING_PACKED) && most < size)
        return most;
    while (size > most)
        size /= 2;
    return size;
}

static int enable_control(struct ae_port_owner *owner, struct ae_error *err)
{
    struct virtio_pci *virtio = ae_virtio_pci_of(owner);
    struct ae_virtio_control *control = &virtio->control;
    uint64_t iova = owner->owner_memory_iova.value;
    int most = select_queue(virtio, virtio->control_index, err), rc;

    if (most < 0)
        return most;
    rc = find_notification(virtio, virtio->control_index, &virtio->control_notify, err);
    if (rc)
        return rc;
    *control = (struct ae_virtio_control){
        .memory = ae_memory_base(owner->owner_memory),
        .iova = {iova},
        .packed = ae_virtio_pci_has(virtio, VIRTIO_F_RING_PACKED),
        .size = control_size(virtio, (uint16_t)most),
        .wrap = true,
        .notify = notify_control,
        .context = owner,
        .timeout_ms = AE_VIRTIO_PCI_TIMEOUT_MS,
        .spread = virtio->spread,
    };
    if (control->size < AE_VIRTIO_CONTROL_LEAST)
        return ae_error_set(err, -EPROTO,
                            "virtio: the control queue has %d descriptors, a command "
                            "takes %d",
                            most, AE_VIRTIO_CONTROL_LEAST);
    return enable_queue(virtio, virtio->control_index, control->size,
                        (const uint64_t[]){iova + AE_VIRTIO_CONTROL_DESCRIPTORS,
                                           iova + AE_VIRTIO_CONTROL_DRIVER,
                                           iova + AE_VIRTIO_CONTROL_DEVICE},
                        err);
}

int ae_virtio_pci_enable_queues(struct ae_port_owner *owner, struct ae_error *err)
{
    const struct ae_port_handoff *handoff = &owner->handoff;
    int rc = 0;

    for (unsigned pair = 0; pair < handoff->info.queues && !rc; pair++) {
        rc = enable_ring(owner, VIRTIO_NET_RECEIVEQ(pair),
                         ae_port_receive_ring_offset(owner->ops->queue, handoff, pair),
                         handoff->receive_ring, err);
        if (!rc)
            rc = enable_ring(owner, VIRTIO_NET_TRANSMITQ(pair),
                             ae_port_send_ring_offset(owner->ops->queue, handoff, pair),
                             handoff->send_ring, err);
    }
    if (!rc && ae_virtio_pci_has(ae_virtio_pci_of(owner), VIRTIO_NET_F_CTRL_VQ))
        rc = enable_control(owner, err);
    return rc;
}
