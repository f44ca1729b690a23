/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_CAPTURE_H
#define AE_WORKER_SUPERVISOR_CAPTURE_H

/* Who captures what goes through a run's ports, and what its workers mirror for him
 * (worker/capture.h). */

#include "worker/supervisor/supervisor.h"

/* The memory of one worker's mirror, which is never read here. */
int ae_supervisor_make_mirror(struct ae_ward *ward, const struct ae_supervise_options *options,
                              struct ae_error *err);

/* fd: a connection to somebody who was shown the run, which is kept or closed; -1: there is none.
 * Hears those that are kept, and waits for none. */
void ae_supervisor_capture_step(struct ae_supervisor *supervisor, int fd);

/* The workers were started again, and their mirrors are new: who captures is given those. */
void ae_supervisor_capture_again(struct ae_supervisor *supervisor);

/* All of them; nothing is mirrored any more. */
void ae_supervisor_capture_close(struct ae_supervisor *supervisor);

#endif
