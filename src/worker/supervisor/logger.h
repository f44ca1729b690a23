/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_LOGGER_H
#define AE_WORKER_SUPERVISOR_LOGGER_H

/*
 * What workers log, and what they print while quiet, is read and printed by a process of its own,
 * which waits for whoever takes it. The supervisor does not read it: that process, and those of who
 * looks (worker/view.h), are all that a hostile log can spoil.
 */

#include "worker/supervisor/supervisor.h"

/* The memory of one worker's log, and its bytes. */
size_t ae_logger_size(void);
int ae_logger_make_memory(struct ae_ward *ward, const struct ae_supervise_options *options,
                          struct ae_error *err);
void ae_logger_drop_memory(struct ae_ward *ward);

/* Once there is the memory of all, and before it is dropped: then it prints what is left. */
int ae_logger_open(struct ae_supervisor *supervisor, struct ae_error *err);
void ae_logger_close(struct ae_supervisor *supervisor);

#endif
