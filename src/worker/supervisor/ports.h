/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_PORTS_H
#define AE_WORKER_SUPERVISOR_PORTS_H

/* The ports of a supervisor, whose owner it is, and what is told of their links. */

#include "worker/supervisor/supervisor.h"

int ae_supervisor_open_ports(struct ae_supervisor *supervisor, struct ae_error *err);

/* The worker's share of each port, to its page, which is new. */
void ae_supervisor_hand_over(struct ae_supervisor *supervisor, unsigned number);

/* How soon a port has something to look after, ns; 0: none has. */
uint64_t ae_supervisor_step_ports(struct ae_supervisor *supervisor);

/* The workers are gone: bus master off, reset, unmap, in that order, is the owner's close. */
void ae_supervisor_close_ports(struct ae_supervisor *supervisor);

#endif
