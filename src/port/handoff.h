/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_HANDOFF_H
#define AE_PORT_HANDOFF_H

/*
 * The maps of a handoff, which one loop checks and one loop maps, whatever the driver. What a kind
 * may be is a row of the table in handoff.c; another kind is another row.
 */

#include "port/port.h"

/* A map by its kind and number; NULL: there is none. */
const struct ae_port_map *ae_handoff_find(const struct ae_port_handoff *handoff,
                                          enum ae_port_map_kind kind, unsigned index);

/* Puts a map behind those that are there; there is room for all that an owner has. */
void ae_handoff_add(struct ae_port_handoff *handoff, struct ae_port_map map);

/*
 * Checks port->handoff, a copy that is the port's own, and maps all of it, with a duplicate of each
 * descriptor that is kept; the domain not again where the process has it (NULL: it has not).
 * Afterwards the copy says where everything is (`mapped`; memory and domain: in the port), and has
 * the port's own descriptors or -1. -EPROTO and -EBADF name the map.
 */
int ae_handoff_take(struct ae_port *port, struct ae_domain_part *domain, struct ae_error *err);

/* Unmaps and closes what was taken, all of it or as far as it came. */
void ae_handoff_release(struct ae_port *port);

#endif
