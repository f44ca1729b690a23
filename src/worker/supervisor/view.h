/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_VIEW_H
#define AE_WORKER_SUPERVISOR_VIEW_H

/* Where a supervisor is found, and what it shows (worker/view.h). */

#include "worker/supervisor/supervisor.h"

/* A run that cannot be looked at goes on; the result then says why. */
void ae_supervisor_view_open(struct ae_supervisor *supervisor);

/* Answers one who waits, at most, and never waits for him. Returns the connection to him, which is
 * the caller's, or -1. */
int ae_supervisor_view_step(struct ae_supervisor *supervisor);

void ae_supervisor_view_close(struct ae_supervisor *supervisor);

#endif
