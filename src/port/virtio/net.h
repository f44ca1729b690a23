/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VIRTIO_NET_H
#define AE_PORT_VIRTIO_NET_H

/*
 * A virtio network device (OASIS VIRTIO 1.2, 5.1), whatever its transport: which features to take,
 * what the device says of itself.
 *
 * The two transports are virtio/pci.c (over VFIO) and vhost/front/front.c (over a socket); both
 * rings are virtio/split.c and virtio/packed.c.
 */

#include "port/owner.h"
#include "port/virtio/attach.h"

#define AE_VIRTIO_MTU_MAX 9000 /* that ",mtu=" may choose */

/* The choices that a spec may make: packed, in_order, mrg_rxbuf, csum, rss; on or off, without a
 * choice whatever the device offers, but for mrg_rxbuf, csum and rss. And numbers: mtu; vlan, the
 * one whose tagged frames are let in. */
extern const char *const ae_virtio_keys[];

/*
 * Which of the offered features to take: all that the queues serve and `transport` (a mask of the
 * transport's own), less what the user chose to leave. A choice of "on" that the device does not
 * offer is -EOPNOTSUPP; so is a device without VIRTIO_F_VERSION_1, and an MTU that takes several
 * buffers a frame without VIRTIO_NET_F_MRG_RXBUF. Sets what the port could have.
 */
int ae_virtio_choose(struct ae_port_owner *owner, uint64_t offered, uint64_t transport,
                     uint64_t *features, struct ae_error *err);

/* Bytes of struct virtio_net_config that these features make valid, from its start. */
uint32_t ae_virtio_config_size(uint64_t features);

/*
 * Takes over what the negotiated features and the configuration say: MAC, MTU, queue pairs, the
 * port's features, link. A device without a MAC gets a locally administered one, as 5.1.5 says.
 * -EINVAL: more queues are wanted than it has, or a larger MTU.
 */
int ae_virtio_learn(struct ae_port_owner *owner, uint64_t features,
                    const struct virtio_net_config *config, struct ae_error *err);

/* Link state from `status` (5.1.4.1); up when the device has no VIRTIO_NET_F_STATUS. */
void ae_virtio_set_link(struct ae_port_owner *owner, uint64_t features,
                        const struct virtio_net_config *config);

#endif
