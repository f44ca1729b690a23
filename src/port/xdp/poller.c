/* SPDX-License-Identifier: Apache-2.0 */
#include "port/xdp/poller.h"

#include <linux/capability.h>

#include "port/xdp/xdp.h"

#define TURNS 1024 /* calls between two looks at whether the owner is there */

static void run(const void *context, int end)
{
    const struct xdp_poller_options *options = context;
    struct xdp_deferral deferral = *options->deferral;
    struct xdp_caller caller = {.socket = options->socket};
    struct xdp_ring send;

    if (ae_xdp_ring_map(&send, options->socket, XDP_SEND, options->send_ring, NULL))
        return;
    do
        for (unsigned i = 0; i < TURNS; i++)
            ae_xdp_call(&caller, &send);
    while (!ae_poller_is_over(end));
    ae_xdp_undefer(&deferral);
}

int ae_xdp_poller_start(struct ae_poller *poller, const struct xdp_poller_options *options,
                        struct ae_error *err)
{
    return ae_poller_start(poller,
                           &(struct ae_poller_options){.socket = options->socket,
                                                       .cpu = options->cpu,
                                                       .capabilities = 1u << CAP_NET_ADMIN,
                                                       .run = run,
                                                       .context = options},
                           err);
}
