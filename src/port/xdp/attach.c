/* SPDX-License-Identifier: Apache-2.0 */

/* AF_XDP, the worker's half: attaching. */

#include <errno.h>
#include <stdlib.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "port/handoff.h"
#include "port/xdp/queue.h"

#define RING_MIN 128 /* some are filled while as many are received into */
#define RING_MAX 4096

static void detach(struct ae_queue *base)
{
    struct xdp_queue *queue = (struct xdp_queue *)base;

    ae_xdp_queue_drop(queue);
    free(queue);
}

static int map_rings(struct xdp_queue *queue, const struct ae_port_handoff *handoff, int fd,
                     struct ae_error *err)
{
    int rc = 0;

    for (unsigned kind = 0; kind < XDP_RINGS && !rc; kind++) {
        bool received = kind == XDP_RECEIVE || kind == XDP_FILL;

        rc = ae_xdp_ring_map(&queue->rings[kind], fd, kind,
                             received ? handoff->receive_ring : handoff->send_ring, err);
    }
    return rc;
}

static bool is_ring(uint16_t size)
{
    return size >= RING_MIN && size <= RING_MAX && !(size & (size - 1));
}

/* Its descriptor, which the port does not keep then. */
static int take_socket(struct ae_port *port, unsigned index)
{
    const struct ae_port_map *map = ae_handoff_find(&port->handoff, AE_PORT_MAP_CONTROL, index);
    int *fd = &port->handoff.maps[map - port->handoff.maps].fd, taken = *fd;

    *fd = -1;
    return taken;
}

static int attach(struct ae_port *port, unsigned index, struct ae_queue **out, struct ae_error *err)
{
    const struct ae_port_handoff *handoff = &port->handoff;
    struct xdp_queue *queue;
    int fd, rc;

    if (!is_ring(handoff->receive_ring) || !is_ring(handoff->send_ring))
        return ae_error_set(err, -EPROTO, "xdp: what was handed over makes no sense");
    queue = calloc(1, sizeof(*queue));
    if (!queue)
        return ae_error_set(err, -ENOMEM, "xdp: out of memory");
    queue->caller.socket = -1;
    fd = take_socket(port, index);
    rc = map_rings(queue, handoff, fd, err);
    if (!rc) {
        const struct xdp_queue_options options = {
            .pool = port->domain->pool,
            .counters = &port->queue_states[index]->counters,
            .first = (uint64_t)port->domain->slice.first * handoff->buffer_size,
            .frame_max = AE_FRAME_MAX(handoff->info.mtu),
        };

        rc = ae_xdp_queue_make(queue, &options);
        if (rc)
            ae_error_set(err, rc, "xdp: out of memory");
    }
    if (!rc && handoff->info.caller == AE_CALLER_WORKER)
        ae_xdp_queue_call(queue, fd);
    else
        ae_descriptor_close(&fd);
    if (rc) {
        detach(&queue->base);
        return rc;
    }
    *out = &queue->base;
    return 0;
}

const struct ae_queue_ops ae_queue_xdp = {
    .name = "xdp",
    .maps = 1u << AE_PORT_MAP_CONTROL,
    .ring_min = RING_MIN,
    .ring_max = RING_MAX,
    .attach = attach,
    .detach = detach,
};
