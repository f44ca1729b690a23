/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_SERVANT_H
#define AE_WORKER_SUPERVISOR_SERVANT_H

/*
 * Processes of a supervisor's own, for what might hold it up, such as a terminal that takes
 * nothing. One ends with the supervisor at the latest; what asks that to stop is not for it.
 */

#include <sys/types.h>

#include <aether/error.h>

struct ae_servant {
    pid_t pid; /* 0: we are it */
    int end;   /* of the pipe that is its standard input; -1: there is no servant */
};

#define AE_SERVANT_OUTPUTS 2

/*
 * Forks. The servant has a pipe's end as 0, the outputs as 1 and, perhaps, 2, no other descriptor,
 * and never returns from its caller. what: for the error.
 */
int ae_servant_open(struct ae_servant *servant, const char *name, const int *outputs,
                    unsigned count, const char *what, struct ae_error *err);

/* Closes the pipe, at whose end it is to end itself; waits for at most a second, then kills it. */
void ae_servant_close(struct ae_servant *servant);

#endif
