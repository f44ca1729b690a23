/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_CALLS_H
#define AE_WORKER_CALLS_H

/*
 * System calls of a quiet worker, by Syscall User Dispatch
 * (Documentation/admin-guide/syscall-user-dispatch.rst): while a byte in our memory says so, the
 * kernel sends SIGSYS in place of making the call, and the handler notes it and lets it be made, or
 * refuses it. A loop that makes none is not slower by it. It is the process's own doing, for its
 * own mistakes: a program that wants to can undo it. A signal handler that blocks SIGSYS and makes
 * a call is ended by it.
 */

#include "worker/shared.h"

/* -EOPNOTSUPP: this kernel cannot. `calls` is where they are noted. */
int ae_calls_begin(enum ae_quiet_calls what, struct ae_shared_calls *calls, struct ae_error *err);

/* From here on. */
void ae_calls_watch(void);

/* No more. */
void ae_calls_end(void);

/* Reads what a worker noted, who may have written anything. Returns how many kinds there are. */
unsigned ae_calls_read(const struct ae_shared_calls *noted,
                       struct ae_quiet_call calls[AE_QUIET_CALLS]);

#endif
