/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_SUPERVISED_H
#define AE_TESTS_SUPERVISED_H

/* A run whose supervisor the test steps itself, and processes beside it. */

#include <sys/types.h>

#include <aether/supervise.h>

/* In what runs in a child: its exit status is the line of the first thing that is wrong. */
#define NEED(what)                 \
    do                             \
        if (!(what))               \
            return __LINE__ & 255; \
    while (0)

/* The CPU for a worker. Exits as skipped (77) where the supervisor would have none beside it. */
int supervised_cpu(void);

/* Steps until the child ends, for who asks a supervisor waits for an answer; its exit status. */
int supervised_end_of(struct ae_supervisor *supervisor, pid_t child);

/* Likewise of a child that does this. */
int supervised_beside(struct ae_supervisor *supervisor, int (*act)(void));

/* Has the workers stop, steps until they have, and closes it. */
void supervised_stop(struct ae_supervisor *supervisor);

#endif
