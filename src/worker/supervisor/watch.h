/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_WATCH_H
#define AE_WORKER_SUPERVISOR_WATCH_H

/* What a supervisor does while workers run. */

#include "worker/supervisor/supervisor.h"

/* Looks after workers and ports until the last worker has ended. */
void ae_supervisor_watch(struct ae_supervisor *supervisor);

#endif
