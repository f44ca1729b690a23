/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_FRONT_INFLIGHT_H
#define AE_PORT_VHOST_FRONT_INFLIGHT_H

/*
 * "Inflight I/O tracking": a back end that offers it keeps, in a buffer of its own, which
 * descriptors it has taken and not yet used. The owner holds the buffer's file, and the back end
 * that returns gets it back with the rings as they were. It is not mapped here, so that nothing
 * done to it can hurt us.
 *
 * Rings and buffer belong together, and the epoch in the port's state says so: a buffer is asked
 * for only once in an epoch, before its rings run; when the buffer is given up the next epoch
 * begins, and the worker lays its rings out anew.
 */

#include "port/vhost/front/dialogue.h"

extern const struct ae_vhost_step ae_vhost_inflight[]; /* before the first pair starts */

/* The back end offers to track, and has no buffer for it yet. */
bool ae_vhost_inflight_due(const struct ae_vhost_front *front);

/* Gives the buffer up, if there is one: rings begin anew with the next generation. */
void ae_vhost_inflight_forget(struct ae_vhost_front *front);

/* The connection is over, and the generation not yet changed. */
void ae_vhost_inflight_left(struct ae_vhost_front *front);

#endif
