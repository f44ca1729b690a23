/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_INTEL_E1000E_QUEUE_H
#define AE_PORT_INTEL_E1000E_QUEUE_H

#include "port/port.h"

/* The worker's half of the 82574L driver. */
int ae_e1000e_attach(struct ae_port *port, unsigned index, struct ae_queue **queue,
                     struct ae_error *err);
void ae_e1000e_detach(struct ae_queue *queue);

#endif
