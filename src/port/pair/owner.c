/* SPDX-License-Identifier: Apache-2.0 */

/* "pair:NAME": the first port of that name in a process is one end, the second the other. */

#include <string.h>

#include "port/pair/pair.h"

static int open_end(struct ae_port_owner *owner, struct ae_error *err)
{
    int rc = ae_pair_join(owner, err);

    memcpy(owner->handoff.info.mac,
           (uint8_t[]){2, 0, 0, 0, 0, (uint8_t)(ae_pair_handoff(owner)->end + 1)}, 6);
    return rc;
}

static int map(struct ae_port_owner *owner, struct ae_error *err)
{
    (void)owner, (void)err;
    return 0;
}

static int start(struct ae_port_owner *owner, struct ae_error *err)
{
    (void)err;
    ae_pair_set_links(owner);
    return 0;
}

static int stop(struct ae_port_owner *owner, struct ae_error *err)
{
    (void)owner, (void)err;
    return 0;
}

static const struct ae_port_transport transport = {
    .open = open_end,
    .map = map,
    .start = start,
    .stop = stop,
    .close = ae_pair_leave,
};

static const char *const keys[] = {"mtu", NULL};

const struct ae_port_ops ae_port_pair = {
    .queue = &ae_queue_pair,
    .path = AE_PATH_DEVICE, /* its rings are polled like a device's; no kernel is on the way */
    .caller = AE_CALLER_NONE,
    .scheme = "pair:",
    .description = "pair:NAME, the wire to the other port of this name in the same process",
    .keys = keys,
    .transport = &transport,
    .ordinary_pages = true,
    .ring_default = 256,
    .queues_max = AE_PORT_QUEUES,
    .mtu = 1500,
    .mtu_max = PAIR_MTU_MAX,
    .segments_max = AE_FRAME_SEGMENTS,
    .no_steering = "a frame comes to the queue by whose number it was sent",
};
