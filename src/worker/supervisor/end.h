/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_END_H
#define AE_WORKER_SUPERVISOR_END_H

/* How workers end: they are asked to, they do or are made to, and what they leave is collected. */

#include "worker/supervisor/supervisor.h"

void ae_supervisor_ask_to_stop(struct ae_supervisor *supervisor, uint64_t now);

/* Asks them or ends them, when it is time. */
void ae_supervisor_tend_time(struct ae_supervisor *supervisor);

/* Its pidfd is readable. The others are asked to stop. */
void ae_supervisor_ended(struct ae_supervisor *supervisor, unsigned number);

/* Whoever still runs is ended: the start of a later one failed, or the supervisor is closed. */
void ae_supervisor_give_up(struct ae_supervisor *supervisor);

/* All that came of the workers ends before the devices go whose registers it may have. */
void ae_supervisor_end_descent(struct ae_supervisor *supervisor);

/* Of what could not be taken down, the first is told. */
void ae_supervisor_tell_trouble(struct ae_supervisor *supervisor, const char *what);

#endif
