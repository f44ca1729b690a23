/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A queue that is measured: around the driver's own, which knows nothing of it, so that one that is
 * not measured pays nothing.
 */

#include <errno.h>
#include <stdlib.h>

#include <aether/clock.h>

#include "base/error.h"
#include "port/port.h"

struct ae_meter {
    struct ae_queue base;
    struct ae_queue *inner;
    struct ae_queue_histogram *histograms; /* in the queue's state */
    enum ae_queue_measure gap;             /* which kind the time since the last poll is */
    uint64_t polled;                       /* when that was, ticks; 0: there was none */
    uint64_t ns_per_tick;                  /* in 2^-32 ns */
};

static uint16_t receive(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct ae_meter *meter = (struct ae_meter *)base;
    uint64_t now = ae_clock_ticks(), ticks = now - meter->polled;
    uint16_t received;

    if (meter->polled)
        ae_queue_histogram_record(&meter->histograms[meter->gap],
                                  (uint64_t)((unsigned __int128)ticks * meter->ns_per_tick >> 32));
    received = meter->inner->receive(meter->inner, packets, count);
    if (received)
        ae_queue_histogram_record(&meter->histograms[AE_QUEUE_BURST], received);
    meter->gap = received ? AE_QUEUE_TURN : AE_QUEUE_IDLE;
    meter->polled = now;
    return received;
}

static uint16_t send(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct ae_queue *inner = ((struct ae_meter *)base)->inner;
    uint16_t sent = inner->send(inner, packets, count);

    if (sent < count)
        base->refusal = inner->refusal;
    return sent;
}

static uint16_t reclaim(struct ae_queue *base, uint16_t count)
{
    struct ae_queue *inner = ((struct ae_meter *)base)->inner;

    return inner->reclaim(inner, count);
}

static uint32_t unsent(const struct ae_queue *base)
{
    const struct ae_queue *inner = ((const struct ae_meter *)base)->inner;

    return inner->unsent(inner);
}

static int sent_timestamp(struct ae_queue *base, uint64_t *ns)
{
    return ae_sent_timestamp(((struct ae_meter *)base)->inner, ns);
}

static struct ae_meter *make_meter(struct ae_queue *inner, struct ae_queue_state *state)
{
    struct ae_meter *meter = malloc(sizeof(*meter));

    if (!meter)
        return NULL;
    *meter = (struct ae_meter){
        .base = *inner,
        .inner = inner,
        .histograms = state->histograms,
        .ns_per_tick = (UINT64_C(1000000000) << 32) / ae_clock_hz(),
    };
    meter->base.receive = receive;
    meter->base.send = send;
    meter->base.sent_timestamp = sent_timestamp;
    if (inner->reclaim) {
        meter->base.reclaim = reclaim;
        meter->base.unsent = unsent;
    }
    return meter;
}

int ae_port_measure(struct ae_port *port, struct ae_error *err)
{
    int rc = ae_clock_calibrate(err);

    if (rc)
        return rc;
    for (unsigned i = 0; i < AE_PORT_QUEUES; i++) {
        if (!port->queues[i] || port->meters[i])
            continue;
        port->meters[i] = make_meter(port->queues[i], port->queue_states[i]);
        if (!port->meters[i])
            return ae_error_set(err, -ENOMEM, "measuring a port: out of memory");
    }
    return 0;
}

struct ae_queue *ae_meter_queue(struct ae_meter *meter)
{
    return &meter->base;
}

void ae_port_resume(struct ae_port *port)
{
    for (unsigned i = 0; i < AE_PORT_QUEUES; i++)
        if (port->meters[i])
            port->meters[i]->polled = 0;
}
