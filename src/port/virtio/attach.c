/* SPDX-License-Identifier: Apache-2.0 */

#include "port/virtio/attach.h"

#include <errno.h>

#include "base/barrier.h"
#include "base/error.h"

uint32_t ae_virtio_ring_bytes(uint16_t descriptors)
{
    uint32_t split = ae_virtio_ring_layout(descriptors, false).size;
    uint32_t packed = ae_virtio_ring_layout(descriptors, true).size;

    return split > packed ? split : packed;
}

static int make_doorbell(const struct ae_port *port, unsigned index, unsigned direction,
                         struct ae_virtio_doorbell *doorbell, struct ae_error *err)
{
    const struct ae_virtio_handoff *handoff =
        (const struct ae_virtio_handoff *)port->handoff.driver_private;
    struct ae_queue_state *state = port->queue_states[index];
    uint32_t offset = handoff->notify[index][direction], width;

    *doorbell = (struct ae_virtio_doorbell){
        .fd = -1,
        .queue = handoff->notify_data[index][direction],
        .data = handoff->features & VIRTIO_FEATURE(VIRTIO_F_NOTIFICATION_DATA),
    };
    if (offset == AE_VIRTIO_NO_NOTIFY) {
        doorbell->flag = direction ? &state->notify_send : &state->notify_receive;
        return 0;
    }
    width = doorbell->data ? sizeof(uint32_t) : sizeof(uint16_t);
    if (port->registers_size < width || offset > port->registers_size - width || offset % width)
        return ae_error_set(err, -EPROTO, "virtio: queue %u is notified outside of its registers",
                            index);
    doorbell->mmio = port->registers + offset;
    /* The kernel maps a device's pages when they are first touched (vfio_pci_core.c), and whether
     * the device wants a notification before the worker is quiet is its own affair. */
    ae_mmio_read16(doorbell->mmio, 0);
    return 0;
}

static void place_ring(struct ae_virtio_ring *ring, const struct ae_port *port, uint64_t offset,
                       uint16_t size)
{
    ring->memory = (uint8_t *)ae_memory_base(port->memory) + offset;
    ring->iova = ae_iova_add(port->memory_iova, offset);
    ring->size = size;
}

/* Rings are zeroed when the device starts: anything else is somebody's. */
static int check_unused(const struct ae_port *port, unsigned index, struct ae_error *err)
{
    const uint8_t *memory = ae_memory_base(port->memory);
    uint64_t at = ae_port_receive_ring_offset(port->ops, &port->handoff, index);
    uint64_t end = ae_port_receive_ring_offset(port->ops, &port->handoff, index + 1);

    for (; at < end; at++)
        if (memory[at])
            return ae_error_set(
                err, -EBUSY,
                "virtio: the rings of queue %u are in use, or were left behind by a "
                "worker that died; its owner has to restart it",
                index);
    return 0;
}

int ae_virtio_attach(struct ae_queue **queue, const struct ae_virtio_pair *pair,
                     struct ae_error *err)
{
    bool packed = pair->features & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);

    return ae_virtio_attach_form(queue, packed ? &ae_virtio_packed : &ae_virtio_split, pair, err);
}

int ae_virtio_port_attach(struct ae_port *port, unsigned index, struct ae_queue **queue,
                          struct ae_error *err)
{
    const struct ae_port_handoff *handoff = &port->handoff;
    struct ae_virtio_pair pair = {
        .features = ((const struct ae_virtio_handoff *)handoff->driver_private)->features,
        .counters = &port->queue_states[index]->counters,
        .mtu = handoff->info.mtu,
        .pool = port->domain->pool,
    };
    int rc = check_unused(port, index, err);

    if (rc)
        return rc;
    place_ring(&pair.receive, port, ae_port_receive_ring_offset(port->ops, handoff, index),
               handoff->receive_ring);
    place_ring(&pair.send, port, ae_port_send_ring_offset(port->ops, handoff, index),
               handoff->send_ring);
    rc = make_doorbell(port, index, 0, &pair.receive.doorbell, err);
    if (!rc)
        rc = make_doorbell(port, index, 1, &pair.send.doorbell, err);
    return rc ? rc : ae_virtio_attach(queue, &pair, err);
}

const struct ae_queue_ops ae_queue_virtio_pci = {
    .name = "virtio-pci",
    .maps = 1u << AE_PORT_MAP_REGISTERS,
    .ring_min = 16,
    .ring_max = VIRTQ_SIZE_MAX,
    .ring_bytes = ae_virtio_ring_bytes,
    .attach = ae_virtio_port_attach,
    .detach = ae_virtio_detach,
};
