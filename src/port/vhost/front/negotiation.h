/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_FRONT_NEGOTIATION_H
#define AE_PORT_VHOST_FRONT_NEGOTIATION_H

/* What is said first: what the back end offers, and what of it is taken. */

#include "port/vhost/front/dialogue.h"

extern const struct ae_vhost_step ae_vhost_negotiation[]; /* features, queues, configuration */

#endif
