/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_ALONE_H
#define AETHER_ALONE_H

/*
 * A worker that was started without `aether run`, and opens its ports itself. Of libaether-host.
 * Nobody outlives it: when it is killed, it is the kernel that closes its devices.
 */

#include <aether/error.h>
#include <aether/owner.h>
#include <aether/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ae_worker_options {
    int cpu;                  /* the quiet CPU to move to; -1: stay where we are */
    const char *const *ports; /* specs for ae_port_open */
    unsigned port_count;      /* at most AE_WORKER_PORTS */
    struct ae_port_options port;
};

/*
 * As ae_worker_start, which serves all else of a worker's life, with these ports. Fails, and takes
 * nothing, when any cannot be had. -EBUSY: there is a supervisor (ae_worker_supervised).
 */
int ae_worker_start_alone(struct ae_worker **worker, const struct ae_worker_options *options,
                          struct ae_error *err);

#ifdef __cplusplus
}
#endif

#endif
