/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_WATCH_H
#define AE_WORKER_SUPERVISOR_WATCH_H

/* What a supervisor waits for: one descriptor stands for its workers, its ports and the time. */

#include "worker/supervisor/supervisor.h"

/* The time, and the ports that are open. */
int ae_supervisor_watch_open(struct ae_supervisor *supervisor, struct ae_error *err);

/* Each worker that was started. */
int ae_supervisor_watch_workers(struct ae_supervisor *supervisor, struct ae_error *err);

/* Readable in so many nanoseconds, at least one. */
void ae_supervisor_wake_in(struct ae_supervisor *supervisor, uint64_t ns);

/* Before its descriptor is closed. */
void ae_supervisor_unwatch(struct ae_supervisor *supervisor, int fd);

void ae_supervisor_watch_close(struct ae_supervisor *supervisor);

#endif
