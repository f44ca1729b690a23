/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_BACK_WORKERS_H
#define AE_PORT_VHOST_BACK_WORKERS_H

/*
 * What is handed over to workers of the session (vhost/back/handover.h), when, and whether they
 * have taken it over. Nothing here waits.
 */

#include "port/vhost/back/server.h"

/* Workers are new: what they get first is that there is nothing. */
int ae_vhost_workers_start(struct ae_vhost_server *server, struct ae_error *err);

/* Has every worker taken over what it was handed last? */
bool ae_vhost_workers_took_over(const struct ae_vhost_server *server);

/* Do all rings stand still? False: not yet; the workers have been told. */
bool ae_vhost_workers_stand_still(struct ae_vhost_server *server);

/* Brings the workers to where the session is, and the link. */
void ae_vhost_workers_update(struct ae_vhost_server *server);

#endif
