/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VIRTIO_ATTACH_H
#define AE_PORT_VIRTIO_ATTACH_H

/* The worker's half of a virtio network device: where the rings of a queue pair are. */

#include "port/port.h"
#include "port/virtio/queue.h"

#define AE_VIRTIO_NO_NOTIFY UINT32_MAX

/* What the worker is told, in the handoff's driver_private. */
struct ae_virtio_handoff {
    uint64_t features; /* negotiated */
    /* PCI: where the queue is notified, in the registers that are handed over: receive, send.
     * AE_VIRTIO_NO_NOTIFY: by the owner, through the state of the queue. */
    uint32_t notify[AE_PORT_QUEUES][2];
    /* With VIRTIO_F_NOTIF_CONFIG_DATA, what is written there; else the virtqueue's number. */
    uint16_t notify_data[AE_PORT_QUEUES][2];
};

_Static_assert(sizeof(struct ae_virtio_handoff) <= AE_PORT_PRIVATE, "fits the handoff");

static inline struct ae_virtio_handoff *ae_virtio_handoff(struct ae_port_handoff *handoff)
{
    return (struct ae_virtio_handoff *)handoff->driver_private;
}

/* Bytes for a ring of this size in either form: struct ae_queue_ops.ring_bytes. */
uint32_t ae_virtio_ring_bytes(uint16_t descriptors);

/* ae_virtio_attach_form, with the form that pair->features say. */
int ae_virtio_attach(struct ae_queue **queue, const struct ae_virtio_pair *pair,
                     struct ae_error *err);

/* struct ae_queue_ops.attach, whatever the transport. Lays the rings out and fills the receive
 * ring. */
int ae_virtio_port_attach(struct ae_port *port, unsigned index, struct ae_queue **queue,
                          struct ae_error *err);

#endif
