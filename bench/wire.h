/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BENCH_WIRE_H
#define AE_BENCH_WIRE_H

/* The measuring side's end of a wire. One thread. */

#include <stdint.h>

#include <aether/error.h>

#include "frame.h"

#define WIRE_BURST 64

struct wire_frame {
    uint32_t number;
    uint16_t
        size; /* bytes, FRAME_LEAST to FRAME_MOST; 0: a request by ARP for the near end's address */
};

struct wire {
    struct frame_ends ends;
    uint32_t mark; /* of the run */
    uint64_t
        strange; /* frames that are no answer of the run's; those of other kinds are not counted */
    struct frame_headers headers; /* for frames of the size in them */

    /* Neither waits. At most WIRE_BURST; returns how many went, or came. */
    uint16_t (*send)(struct wire *wire, const struct wire_frame *frames, uint16_t count);
    uint16_t (*receive)(struct wire *wire, struct wire_frame *frames, uint16_t most);
    /* Until something has come, or so many ns are over. NULL: it is polled. */
    void (*wait)(struct wire *wire, uint64_t ns);
    void (*close)(struct wire *wire);
};

/*
 * "packet:INTERFACE" (AF_PACKET), "udp:ADDRESS" (a socket of the kernel's, to port 7),
 * "datagram:OWN,OTHER" (Unix sockets, as QEMU's -netdev dgram), or a port of Aether's, of which it
 * is the owner, too. NULL: err says why.
 */
struct wire *wire_open(const char *spec, const struct frame_ends *ends, struct ae_error *err);

/* For wire_open: what is behind the colon. */
struct wire *wire_packet(const char *interface, struct ae_error *err);
struct wire *wire_udp(const char *address, struct ae_error *err);
struct wire *wire_datagram(const char *paths, struct ae_error *err);
struct wire *wire_port(const char *spec, struct ae_error *err);

/* A whole frame, into memory of FRAME_MOST bytes; returns its length. And the other way round: an
 * answer by ARP is kept as where the near end is. For those. */
uint16_t wire_make(struct wire *wire, uint8_t *frame, const struct wire_frame *what);
bool wire_take(struct wire *wire, const uint8_t *frame, uint32_t length, struct wire_frame *what);

#endif
