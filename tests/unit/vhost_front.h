/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VHOST_FRONT_H
#define VHOST_FRONT_H

/* What tests of the front end do with a port and its owner, against a scripted back end. */

#include "port/owner.h"
#include "vhost_back.h"

#define WAIT_S 20 /* for what must come */

extern const struct ae_port_options options; /* rings of 64, 64 packets beside them */

char *spec_of(const struct back *back, const char *choices); /* till the next call */
struct ae_port *open_port(struct back *back, const char *choices);

/* What a supervisor does once; with a worker that only polls. */
void turn_owner(struct ae_port_owner *owner);
void turn(struct ae_port *port);

bool link_is_up(const struct ae_port *port);
void wait_for_link(struct ae_port *port, bool up);

/* Until the back end has counted as many. */
void wait_for(struct ae_port *port, const atomic_uint *counter, unsigned count);

/* 60 + mark bytes of mark. */
struct ae_packet *make_frame(struct ae_queue *queue, uint8_t mark);

#endif
