/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_FRONT_AGENDA_H
#define AE_PORT_VHOST_FRONT_AGENDA_H

/* Which dialogue is due, and what comes of it. */

#include "port/vhost/front/front.h"

/* Holds what is due, as far as it goes without waiting. Negative: the connection is of no use any
 * more. */
int ae_vhost_front_proceed(struct ae_vhost_front *front, struct ae_error *err);

/* Holds one to its end, waiting. */
int ae_vhost_front_hold(struct ae_vhost_front *front, const struct ae_vhost_step *dialogue,
                        unsigned pair, struct ae_error *err);

#endif
