/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_FRONT_CONNECTION_H
#define AE_PORT_VHOST_FRONT_CONNECTION_H

/* A front end's connection: how it is made, what belongs to it, and what worker and user see of
 * it. */

#include "port/vhost/front/front.h"

/* The first connection: may wait for a back end that connects to us. */
int ae_vhost_front_reach(struct ae_vhost_front *front, struct ae_error *err);

/* Connects, or accepts one who did; -EAGAIN: nobody is there. */
int ae_vhost_front_connect(struct ae_vhost_front *front, struct ae_error *err);
void ae_vhost_front_disconnect(struct ae_vhost_front *front);

/* One more that connects to us: one back end at a time. */
void ae_vhost_front_turn_away(struct ae_vhost_front *front);

/* Listens to the listening socket as long as somebody can be accepted. */
void ae_vhost_front_hear(struct ae_vhost_front *front);

/* New eventfds for a pair. */
int ae_vhost_front_kicks(struct ae_vhost_front *front, unsigned pair, struct ae_error *err);

void ae_vhost_front_kick(const struct ae_vhost_front *front, unsigned vring);

/* Turns the generation odd or even; sets the link. */
void ae_vhost_front_present(struct ae_vhost_front *front, bool present);
void ae_vhost_front_link(struct ae_vhost_front *front, bool up);

#endif
