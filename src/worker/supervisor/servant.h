/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_SERVANT_H
#define AE_WORKER_SUPERVISOR_SERVANT_H

/*
 * Processes of a supervisor's own, for what might hold it up, such as a terminal that takes
 * nothing. One ends with the supervisor at the latest; what asks that to stop is not for it.
 */

#include <sys/types.h>

#include <aether/error.h>

#define AE_SERVANT_DESCRIPTORS 4

/*
 * Forks. Returns 0 in the servant, which has these descriptors as 0, 1, ... and no others, and
 * which never returns from its caller; in the supervisor its pid, or -errno. what: for the error.
 */
pid_t ae_servant_start(const char *name, const int *descriptors, unsigned count, const char *what,
                       struct ae_error *err);

/* It was given to understand that it is to end: waits for at most a second, then kills it. */
void ae_servant_end(pid_t pid);

#endif
