/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VIRTIO_NET_H
#define AE_PORT_VIRTIO_NET_H

/*
 * A virtio network device (OASIS VIRTIO 1.2, 5.1), whatever its transport: which features to take,
 * what the device says of itself, where the rings of a queue pair are.
 *
 * The two transports are virtio/pci.c (over VFIO) and vhost/front/front.c (over a socket); both
 * rings are virtio/split.c and virtio/packed.c.
 */

#include "port/port.h"
#include "port/virtio/queue.h"

#define AE_VIRTIO_NO_NOTIFY UINT32_MAX

/* What the worker is told, in the handoff's driver_private. */
struct ae_virtio_handoff {
    uint64_t features; /* negotiated */
    /* PCI: where the queue is notified, in the registers that are handed over: receive, send.
     * AE_VIRTIO_NO_NOTIFY: by the owner, through the state page. */
    uint32_t notify[AE_PORT_QUEUES][2];
    /* With VIRTIO_F_NOTIF_CONFIG_DATA, what is written there; else the virtqueue's number. */
    uint16_t notify_data[AE_PORT_QUEUES][2];
};

_Static_assert(sizeof(struct ae_virtio_handoff) <= AE_PORT_PRIVATE, "fits the handoff");

static inline struct ae_virtio_handoff *ae_virtio_handoff(struct ae_port_handoff *handoff)
{
    return (struct ae_virtio_handoff *)handoff->driver_private;
}

/* The choices that a spec may make: packed, in_order, mrg_rxbuf, csum, rss; on or off, without a
 * choice whatever the device offers, but for mrg_rxbuf. And vlan, a number: the one whose tagged
 * frames are let in. */
extern const char *const ae_virtio_keys[];

/*
 * Which of the offered features to take: all that the queues serve and `transport` (a mask of the
 * transport's own), less what the user chose to leave. A choice of "on" that the device does not
 * offer is -EOPNOTSUPP; so is a device without VIRTIO_F_VERSION_1.
 */
int ae_virtio_choose(const struct ae_port_owner *owner, uint64_t offered, uint64_t transport,
                     uint64_t *features, struct ae_error *err);

/* Bytes of struct virtio_net_config that these features make valid, from its start. */
uint32_t ae_virtio_config_size(uint64_t features);

/*
 * Takes over what the negotiated features and the configuration say: MAC, MTU, queue pairs, the
 * port's features, link. A device without a MAC gets a locally administered one, as 5.1.5 says.
 * -EINVAL: more queues are wanted than it has.
 */
int ae_virtio_learn(struct ae_port_owner *owner, uint64_t features,
                    const struct virtio_net_config *config, struct ae_error *err);

/* Link state from `status` (5.1.4.1); up when the device has no VIRTIO_NET_F_STATUS. */
void ae_virtio_set_link(struct ae_port_owner *owner, uint64_t features,
                        const struct virtio_net_config *config);

/* Bytes for a ring of this size in either form: struct ae_port_ops.ring_bytes. */
uint32_t ae_virtio_ring_bytes(uint16_t descriptors);

/* ae_virtio_attach_form, with the form that pair->features say. */
int ae_virtio_attach(struct ae_queue **queue, const struct ae_virtio_pair *pair,
                     struct ae_error *err);

/* The data half: struct ae_port_ops.attach and detach. Lays the rings out and fills the receive
 * ring; the pool is freed by detach. */
int ae_virtio_port_attach(struct ae_port *port, unsigned index, struct ae_queue **queue,
                          struct ae_error *err);
void ae_virtio_port_detach(struct ae_queue *queue);

#endif
