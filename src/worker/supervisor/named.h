/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_NAMED_H
#define AE_WORKER_SUPERVISOR_NAMED_H

/* Channels that have a name: their memory, who is handed it, who asks for it (worker/named.h). */

#include "worker/supervisor/supervisor.h"

/* -EINVAL: one has no name, or another's, or no such size, or is nobody's. */
int ae_channels_check(const struct ae_supervise_options *options, struct ae_error *err);

/* Packets that a port's pools need for what is lent, for each queue. */
uint32_t ae_channels_lent(const struct ae_supervise_options *options, unsigned port);

/* Of options that were checked. They stay while workers are started again. */
int ae_supervisor_open_channels(struct ae_supervisor *supervisor, struct ae_error *err);
void ae_supervisor_close_channels(struct ae_supervisor *supervisor);

/* The worker's, to its page, which is new; its loans are new as well. */
int ae_supervisor_hand_channels(struct ae_supervisor *supervisor, unsigned number,
                                struct ae_error *err);

/* It has ended, and so have its loans. */
void ae_supervisor_end_loans(struct ae_supervisor *supervisor, unsigned number);

/* Answers one who waits for each, and frees those whose peer has ended. */
void ae_supervisor_step_channels(struct ae_supervisor *supervisor);

#endif
