/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_LAUNCH_H
#define AE_WORKER_SUPERVISOR_LAUNCH_H

#include "base/child.h"
#include "worker/shared.h"

struct ae_launch_plan {
    int cpu;
    const struct ae_child_user *user; /* NULL: stay */
    char *const *argv;
    int input;               /* its standard input; -1: none */
    int output, errors;      /* and output: ours, or a relay's */
    const char *const *pass; /* as in struct ae_child_world */
    int shared_fd;
    struct ae_shared *shared; /* whose descriptors are inherited, but for devices' */
};

/* A worker between fork and exec: it waits until it is let go. */
int ae_launch_prepare(struct ae_child *child, const struct ae_launch_plan *plan,
                      struct ae_error *err);

/* Moves one that waits to its CPU. */
int ae_launch_settle(struct ae_child *child, int cpu, struct ae_error *err);

/*
 * Lets it run, and sees to it that it has the registers of its devices without having the devices;
 * as ae_child_go, and no longer than AE_LAUNCH_MS. An error is from before its exec; it has been
 * reaped then.
 */
int ae_launch_go(struct ae_child *child, const struct ae_launch_plan *plan,
                 const volatile sig_atomic_t *stop, struct ae_error *err);

#define AE_LAUNCH_MS 20000

#endif
