/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_FRONT_RINGS_H
#define AE_PORT_VHOST_FRONT_RINGS_H

/* What is said of memory and of rings. */

#include "port/vhost/front/dialogue.h"

extern const struct ae_vhost_step ae_vhost_memory[];
extern const struct ae_vhost_step ae_vhost_pair_start[];
extern const struct ae_vhost_step ae_vhost_pair_stop[];

/* The ring behind a vring's number (5.1.2: even ones receive). */
struct ae_virtio_ring ae_vhost_ring(const struct ae_vhost_front *front, unsigned vring);

#endif
