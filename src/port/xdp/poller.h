/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_XDP_POLLER_H
#define AE_PORT_XDP_POLLER_H

/*
 * A process of the owner's that makes a queue's system calls without pause, on a CPU that it has to
 * itself or shares: frames move in its calls, while the worker only sees its rings change. It has
 * the queue's socket and nothing else, ends with the owner, and then puts back what was deferred.
 */

#include <stdbool.h>
#include <sys/types.h>

#include <aether/error.h>

#include "port/xdp/deferral.h"

struct xdp_poller {
    pid_t pid; /* 0: none */
    int end;   /* it ends when this is closed; while there is a process */
};

struct xdp_poller_options {
    int socket;
    uint32_t send_ring; /* entries */
    int cpu;            /* where it runs, -1: wherever the owner may */
    const struct xdp_deferral *deferral;
};

int ae_xdp_poller_start(struct xdp_poller *poller, const struct xdp_poller_options *options,
                        struct ae_error *err);
/* Has it ended by itself? Then there is none any more. */
bool ae_xdp_poller_ended(struct xdp_poller *poller);
void ae_xdp_poller_stop(struct xdp_poller *poller); /* none is allowed: zeroed */

#endif
