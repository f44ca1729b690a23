/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_GATE_H
#define AE_WORKER_SUPERVISOR_GATE_H

/*
 * The gate that workers pass (worker/gate.c), from the side of who opens it: from STARTED to QUIET
 * to LEFT, each once; whatever else the worker writes costs a comparison.
 */

#include "worker/supervisor/supervisor.h"

void ae_supervisor_tend_gate(struct ae_supervisor *supervisor, unsigned number);

#endif
