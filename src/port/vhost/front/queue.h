/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_FRONT_QUEUE_H
#define AE_PORT_VHOST_FRONT_QUEUE_H

/* The worker's half of a vhost-user port: a virtio queue whose device may go and come back. Whether
 * it did is looked at only when there is nothing to receive or no room to send. */

#include "port/port.h"

int ae_vhost_user_attach(struct ae_port *port, unsigned index, struct ae_queue **queue,
                         struct ae_error *err);
void ae_vhost_user_detach(struct ae_queue *queue);

#endif
