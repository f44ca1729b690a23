/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_XDP_POLLER_H
#define AE_PORT_XDP_POLLER_H

/*
 * It polls a queue without pause, on a CPU that it has to itself or shares: frames move in its
 * calls, while the worker only sees its rings change. At its end it puts back what was deferred.
 */

#include "port/poller.h"
#include "port/xdp/deferral.h"

struct xdp_poller_options {
    int socket;
    uint32_t send_ring; /* entries */
    int cpu;            /* where it runs, -1: wherever the owner may */
    const struct xdp_deferral *deferral;
};

int ae_xdp_poller_start(struct ae_poller *poller, const struct xdp_poller_options *options,
                        struct ae_error *err);

#endif
