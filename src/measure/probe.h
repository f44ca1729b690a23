/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MEASURE_PROBE_H
#define AE_MEASURE_PROBE_H

/*
 * A prober: sends numbered datagrams to something that returns them, and keeps the round trips. The
 * same loop drives every way to a wire, so that only the way differs.
 */

#include <stdbool.h>
#include <stdint.h>

#include <aether/histogram.h>
#include <aether/net.h>
#include <aether/port.h>
#include <aether/worker.h>

#include "measure/sequence.h"

#define AE_PROBE_PAYLOAD_MIN 16
#define AE_PROBE_PAYLOAD_MAX 1472

/* A way to a wire. Neither call waits. */
struct ae_probe_wire {
    void *context;
    /* False: it could not be sent now. */
    bool (*send)(void *context, const uint8_t *payload, uint16_t length);
    /* False: nothing has come. Otherwise at most AE_PROBE_PAYLOAD_MAX bytes. */
    bool (*receive)(void *context, uint8_t *payload, uint16_t *length);
};

struct ae_probe_options {
    uint64_t count;                 /* probes that are recorded; 0: until the time is over */
    uint64_t warm_up;               /* probes before them that are not */
    uint64_t rate;                  /* per second; 0: back to back, one at a time */
    uint64_t duration_ns;           /* 0: until the count is reached */
    uint64_t timeout_ns;            /* for an answer; 0: one second */
    uint16_t payload;               /* bytes */
    const struct ae_worker *worker; /* the run ends when it is to stop; NULL: it is nobody's */
};

/* Back to back, so many probes in a row without an answer end the run: before the first answer, and
 * after it where no duration ends it. */
#define AE_PROBE_PATIENCE_FIRST 3
#define AE_PROBE_PATIENCE       10

struct ae_probe_result {
    uint64_t sent;
    uint64_t received;
    uint64_t lost;
    uint64_t duplicates;
    uint64_t reordered;
    uint64_t strange;    /* datagrams that are no answer of this run, or were altered */
    uint64_t late_sends; /* sent more than a microsecond after they were meant to be */
    uint64_t elapsed_ns;
    bool gave_up;                   /* nobody answered any more */
    struct ae_histogram round_trip; /* ns, from when it was meant to be sent */
    struct ae_sequence sequence;
};

/* Runs to its end. The result (which is large) is the caller's memory, touched beforehand. */
void ae_probe_run(const struct ae_probe_wire *wire, const struct ae_probe_options *options,
                  struct ae_probe_result *result);

/* ---- Through a port ---- */

struct ae_probe_port {
    struct ae_queue *queue;
    struct ae_net *net;
    struct ae_udp_flow flow;
    uint16_t own_port;
    struct ae_packet *waiting[32]; /* received, not yet looked at */
    uint16_t waiting_count, waiting_next;
};

/* Waits for the link (up to 10 s), resolves the peer (up to 5 s) and prepares the wire. */
int ae_probe_port_open(struct ae_probe_port *probe, const struct ae_port *port,
                       struct ae_queue *queue, struct ae_net *net, ae_ipv4_t to, uint16_t to_port,
                       uint16_t own_port, struct ae_error *err);
void ae_probe_port_wire(struct ae_probe_port *probe, struct ae_probe_wire *wire);

/* ---- Through a socket of the kernel's ---- */

/*
 * A connected UDP socket. busy_poll_us, 0 to AE_PROBE_BUSY_POLL_MAX: while it waits for a datagram
 * the kernel polls the card itself for this long, and would rather be polled than interrupted
 * (socket(7), SO_BUSY_POLL, SO_PREFER_BUSY_POLL). More than net.core.busy_read takes CAP_NET_ADMIN:
 * -EPERM. The descriptor is the caller's.
 */
#define AE_PROBE_BUSY_POLL_MAX 1000000
int ae_probe_socket_open(int *fd, ae_ipv4_t to, uint16_t to_port, uint32_t busy_poll_us,
                         struct ae_error *err);
void ae_probe_socket_wire(int *fd, struct ae_probe_wire *wire);

#endif
