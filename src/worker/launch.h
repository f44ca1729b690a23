/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_LAUNCH_H
#define AE_WORKER_LAUNCH_H

#include <sys/types.h>

#include "worker/shared.h"

/* A worker between fork and exec: it waits until `go` is closed. */
struct ae_launch {
    pid_t pid;
    int go;     /* write end; closing it without a byte ends the worker */
    int report; /* read end; what went wrong before exec, or end of file when exec succeeded */
};

struct ae_launch_plan {
    int cpu;
    const char *user; /* NULL: stay */
    char *const *argv;
    int shared_fd;
    const struct ae_shared *shared; /* whose descriptors are inherited */
};

int ae_launch_prepare(struct ae_launch *launch, const struct ae_launch_plan *plan,
                      struct ae_error *err);

/* Lets it run. An error is the worker's own, from before its exec; it has been reaped then. */
int ae_launch_go(struct ae_launch *launch, struct ae_error *err);

/* Ends it without running it. */
void ae_launch_cancel(struct ae_launch *launch);

#endif
