/* SPDX-License-Identifier: Apache-2.0 */

/* The half of a port that a worker polls. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "port/port.h"

static int power_of_two(uint32_t value)
{
    return value && !(value & (value - 1));
}

static bool check_ring(const struct ae_queue_ops *ops, uint16_t size)
{
    return !ops->ring_bytes ||
           (power_of_two(size) && size >= ops->ring_min && size <= ops->ring_max);
}

/* A worker checks what it is handed, as it checks everything that it did not make itself. */
static int check_handoff(const struct ae_queue_ops *ops, const struct ae_port_handoff *handoff,
                         struct ae_error *err)
{
    unsigned queues = handoff->info.queues;
    uint64_t buffers = (uint64_t)queues * handoff->packets * handoff->buffer_size;

    if (queues < 1 || queues > AE_PORT_QUEUES || handoff->queue_count < 1 ||
        handoff->queue_first + handoff->queue_count > (int)queues ||
        !check_ring(ops, handoff->receive_ring) || !check_ring(ops, handoff->send_ring) ||
        handoff->packets > 1u << 20 || handoff->buffer_size != AE_PORT_BUFFER ||
        handoff->packets <= handoff->receive_ring ||
        handoff->buffers_offset != ae_port_receive_ring_offset(ops, handoff, queues) ||
        handoff->memory_size < handoff->buffers_offset ||
        handoff->memory_size - handoff->buffers_offset < buffers ||
        (ops->registers && handoff->registers_size == 0))
        return ae_error_set(err, -EPROTO,
                            "attaching port %.*s: what was handed over makes no sense",
                            AE_PORT_SPEC - 1, handoff->info.spec);
    return 0;
}

static int map_state(struct ae_port *port, struct ae_error *err)
{
    int seals = fcntl(port->handoff.state_fd, F_GET_SEALS);
    struct stat status;
    void *state;

    /* Nobody may shrink it later: a page that is gone would end us. */
    if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(port->handoff.state_fd, &status) ||
        status.st_size < AE_PORT_STATE_SIZE)
        return ae_error_set(err, -EPROTO, "attaching a port: its state page is missing");
    state = mmap(NULL, AE_PORT_STATE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                 port->handoff.state_fd, 0);
    if (state == MAP_FAILED)
        return ae_error_set(err, -errno, "attaching a port: mapping its state page: %s",
                            strerror(errno));
    port->state = state;
    return 0;
}

static int map_registers(struct ae_port *port, struct ae_error *err)
{
    void *registers;

    if (!port->ops->registers)
        return 0;
    if (port->handoff.registers_mapped) {
        port->registers = (void *)(uintptr_t)port->handoff.registers_mapped;
        return 0;
    }
    registers = mmap(NULL, port->handoff.registers_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                     port->handoff.device_fd, (off_t)port->handoff.registers_offset);

    if (registers == MAP_FAILED)
        return ae_error_set(err, -errno, "attaching a port: mapping its registers: %s",
                            strerror(errno));
    port->registers = registers;
    return 0;
}

int ae_port_attach(struct ae_port **out, const struct ae_port_handoff *given, struct ae_error *err)
{
    struct ae_port *port = calloc(1, sizeof(*port));
    const struct ae_port_handoff *handoff;
    int rc = 0;

    if (!port)
        return ae_error_set(err, -ENOMEM, "attaching a port: out of memory");
    /* From here on only the copy counts: what was given lies in memory that others write to. */
    port->handoff = *given;
    handoff = &port->handoff;
    port->handoff.info.driver[sizeof(port->handoff.info.driver) - 1] = '\0';
    port->handoff.info.spec[sizeof(port->handoff.info.spec) - 1] = '\0';
    port->ops = ae_queue_ops_named(port->handoff.info.driver);
    if (!port->ops)
        rc = ae_error_set(err, -EPROTO, "attaching a port: there is no driver '%s'",
                          port->handoff.info.driver);
    if (!rc)
        rc = check_handoff(port->ops, handoff, err);
    if (!rc)
        rc = ae_memory_attach(&port->memory, handoff->memory_fd, handoff->memory_size, err);
    if (!rc)
        rc = map_state(port, err);
    if (!rc)
        rc = map_registers(port, err);
    for (unsigned i = 0; i < handoff->queue_count && !rc; i++) {
        unsigned index = handoff->queue_first + i;

        rc = port->ops->attach(port, index, &port->queues[index], err);
    }
    if (rc) {
        ae_port_close(port);
        return rc;
    }
    *out = port;
    return 0;
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
        if (port->queues[i])
            port->ops->detach(port->queues[i]);
    if (port->registers)
        munmap((void *)(uintptr_t)port->registers, port->handoff.registers_size);
    if (port->state)
        munmap(port->state, AE_PORT_STATE_SIZE);
    ae_memory_destroy(port->memory);
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
    return index < port->handoff.queue_count ? port->queues[port->handoff.queue_first + index]
                                             : NULL;
}

void ae_port_pause(struct ae_port *port)
{
    for (unsigned i = 0; i < AE_PORT_QUEUES && port->ops && port->ops->pause; i++)
        if (port->queues[i])
            port->ops->pause(port->queues[i]);
}
