/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_START_H
#define AE_WORKER_SUPERVISOR_START_H

/* From a supervisor to a worker on each of its CPUs. */

#include "worker/supervisor/supervisor.h"

/* Starts them all. On failure ward_count says how many run already. */
int ae_supervisor_start(struct ae_supervisor *supervisor, struct ae_error *err);

#endif
