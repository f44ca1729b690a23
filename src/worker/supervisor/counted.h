/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_COUNTED_H
#define AE_WORKER_SUPERVISOR_COUNTED_H

/* What a worker's queues have counted, which is its own word. */

#include "worker/supervisor/supervisor.h"

/* Of each port, its queues added up. */
void ae_supervisor_count(const struct ae_supervisor *supervisor, unsigned number,
                         struct ae_queue_counters queues[AE_WORKER_PORTS]);

/* The same since it became quiet (ward->before), to its result. */
void ae_supervisor_count_quiet(const struct ae_supervisor *supervisor, unsigned number);

#endif
