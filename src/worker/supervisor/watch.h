/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_WATCH_H
#define AE_WORKER_SUPERVISOR_WATCH_H

/* What a supervisor does while workers run. */

#include "worker/supervisor/supervisor.h"

int ae_supervisor_watch_open(struct ae_supervisor *supervisor, struct ae_error *err);
void ae_supervisor_watch_close(struct ae_supervisor *supervisor);

#endif
