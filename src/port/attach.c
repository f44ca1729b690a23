/* SPDX-License-Identifier: Apache-2.0 */

/* The half of a port that a worker polls. */

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "port/handoff.h"

static int power_of_two(uint32_t value)
{
    return value && !(value & (value - 1));
}

static bool check_ring(const struct ae_queue_ops *ops, uint16_t size)
{
    return !ops->ring_bytes ||
           (power_of_two(size) && size >= ops->ring_min && size <= ops->ring_max);
}

static int check_version(const struct ae_port_handoff *handoff, struct ae_error *err)
{
    if (handoff->version != AE_PORT_HANDOFF_VERSION || handoff->size != sizeof(*handoff))
        return ae_error_set(err, -EPROTO,
                            "attaching a port: what was handed over is of version %u, %u bytes; "
                            "this program takes version %u, %zu bytes: use an 'aether run' of its "
                            "own version",
                            handoff->version, handoff->size, AE_PORT_HANDOFF_VERSION,
                            sizeof(*handoff));
    if (handoff->map_count > AE_PORT_MAPS)
        return ae_error_set(err, -EPROTO, "attaching a port: %u maps; %d are the most",
                            handoff->map_count, AE_PORT_MAPS);
    return 0;
}

/* A worker checks what it is handed, as it checks everything that it did not make itself. */
static int check_numbers(const struct ae_queue_ops *ops, const struct ae_port_handoff *handoff,
                         struct ae_error *err)
{
    unsigned queues = handoff->info.queues;

    if (queues < 1 || queues > AE_PORT_QUEUES || handoff->queue_count < 1 ||
        handoff->queue_first + handoff->queue_count > (int)queues ||
        !check_ring(ops, handoff->receive_ring) || !check_ring(ops, handoff->send_ring) ||
        !ae_domain_buffer_is_possible(handoff->buffer_size) ||
        handoff->packet_count <= handoff->queue_count * (unsigned)handoff->receive_ring)
        return ae_error_set(err, -EPROTO, "what was handed over makes no sense");
    return 0;
}

static int find_maps(struct ae_port *port, struct ae_error *err)
{
    const struct ae_port_handoff *handoff = &port->handoff;
    const struct ae_port_map *map = ae_handoff_find(handoff, AE_PORT_MAP_MEMORY, 0);

    if (map && map->length < ae_port_receive_ring_offset(port->ops, handoff, handoff->info.queues))
        return ae_error_set(err, -EPROTO, "its memory does not hold its rings");
    port->memory_iova.value = map ? map->iova : 0;
    map = ae_handoff_find(handoff, AE_PORT_MAP_STATE, 0);
    if (map->length < sizeof(*port->state))
        return ae_error_set(err, -EPROTO, "its state is too small");
    port->state = (const void *)(uintptr_t)map->mapped;
    for (unsigned i = handoff->queue_first; i < handoff->queue_first + handoff->queue_count; i++) {
        map = ae_handoff_find(handoff, AE_PORT_MAP_QUEUE, i);
        if (map->length < sizeof(struct ae_queue_state))
            return ae_error_set(err, -EPROTO, "the state of queue %u is too small", i);
        port->queue_states[i] = (void *)(uintptr_t)map->mapped;
    }
    map = ae_handoff_find(handoff, AE_PORT_MAP_REGISTERS, 0);
    if (map) {
        port->registers = (void *)(uintptr_t)map->mapped;
        port->registers_size = map->length;
    }
    return 0;
}

static int attach(struct ae_port *port, struct ae_domain_part *domain, struct ae_error *err)
{
    struct ae_port_handoff *handoff = &port->handoff;
    int rc;

    handoff->info.driver[sizeof(handoff->info.driver) - 1] = '\0';
    handoff->info.spec[sizeof(handoff->info.spec) - 1] = '\0';
    port->ops = ae_queue_ops_named(handoff->info.driver);
    if (!port->ops)
        return ae_error_set(err, -EPROTO, "there is no driver '%s'", handoff->info.driver);
    rc = check_numbers(port->ops, handoff, err);
    if (!rc)
        rc = ae_handoff_take(port, domain, err);
    if (!rc)
        rc = find_maps(port, err);
    for (unsigned i = 0; i < handoff->queue_count && !rc; i++) {
        unsigned index = handoff->queue_first + i;

        rc = port->ops->attach(port, index, &port->queues[index], err);
        if (!rc && ae_sieve_attach(port->queues[index], &port->state->filter))
            rc = ae_error_set(err, -ENOMEM, "out of memory");
    }
    if (!rc && handoff->measure)
        rc = ae_port_measure(port, err);
    return rc;
}

int ae_port_attach_on(struct ae_port **out, const struct ae_port_handoff *given,
                      struct ae_domain_part *domain, struct ae_error *err)
{
    struct ae_port *port = calloc(1, sizeof(*port));
    int rc;

    if (!port)
        return ae_error_set(err, -ENOMEM, "attaching a port: out of memory");
    /* From here on only the copy counts: what was given lies in memory that others write to. */
    port->handoff = *given;
    rc = check_version(&port->handoff, err);
    if (!rc) {
        rc = attach(port, domain, err);
        if (rc)
            ae_error_prefix(err, rc, "attaching port %s", port->handoff.info.spec);
    }
    if (rc) {
        ae_port_close(port);
        return rc;
    }
    *out = port;
    return 0;
}

int ae_port_attach(struct ae_port **port, const struct ae_port_handoff *handoff,
                   struct ae_error *err)
{
    return ae_port_attach_on(port, handoff, NULL, err);
}

void ae_port_close(struct ae_port *port)
{
    if (!port)
        return;
    ae_port_pause(port);
    /* The device stops before the queues it writes to are forgotten. */
    if (port->owner)
        port->close_owner(port->owner);
    for (unsigned i = 0; i < AE_PORT_QUEUES; i++)
        if (port->queues[i]) {
            free(port->meters[i]);
            ae_sieve_detach(port->queues[i]);
            port->ops->detach(port->queues[i]);
        }
    ae_handoff_release(port);
    free(port);
}

void ae_port_get_info(const struct ae_port *port, struct ae_port_info *info)
{
    *info = port->handoff.info;
}

void ae_port_get_link(const struct ae_port *port, struct ae_link *link)
{
    ae_port_read_link(port->state, link);
}

struct ae_queue *ae_port_queue(struct ae_port *port, unsigned index)
{
    unsigned number = port->handoff.queue_first + index;

    if (index >= port->handoff.queue_count)
        return NULL;
    return port->meters[number] ? ae_meter_queue(port->meters[number]) : port->queues[number];
}

void ae_port_pause(struct ae_port *port)
{
    for (unsigned i = 0; i < AE_PORT_QUEUES && port->ops && port->ops->pause; i++)
        if (port->queues[i])
            port->ops->pause(port->queues[i]);
}
