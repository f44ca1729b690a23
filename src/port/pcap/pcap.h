/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_PCAP_PCAP_H
#define AE_PORT_PCAP_PCAP_H

/*
 * Frames from a file of libpcap's, and into another. The owner reads all of the file before its
 * worker runs, into memory that the worker then takes them from, and writes to the other file what
 * the worker leaves for it in a ring: so the worker touches memory only. owner.c is the port,
 * file.c its files, queue.c what the worker does.
 */

#include "port/port.h"
#include "port/sendable.h"

#define PCAP_MTU_MAX 9000

/* One frame that was read; the next one begins behind it, at a multiple of 8 bytes. */
struct pcap_frame {
    uint64_t ns;     /* when it was captured, CLOCK_REALTIME */
    uint64_t due_ns; /* to be received, since the first poll; of a pass through the file */
    uint32_t length; /* bytes */
    uint32_t reserved;
    uint8_t bytes[];
};

static inline uint64_t pcap_frame_bytes(uint32_t length)
{
    return (sizeof(struct pcap_frame) + length + 7) & ~UINT64_C(7);
}

/* One that was sent. */
struct pcap_slot {
    uint64_t ticks; /* when: ae_clock_ticks */
    uint32_t length;
    uint32_t reserved;
    uint8_t bytes[]; /* the longest one has room */
};

/* Of those, behind the frames: one writer, one reader, who count up and never back. */
struct pcap_ring {
    uint64_t written __attribute__((aligned(64))); /* by the worker; stored with release */
    uint64_t read __attribute__((aligned(64)));    /* by the owner; stored with release */
    uint8_t slots[] __attribute__((aligned(64)));
};

/* What a worker is told in the handoff's driver_private. */
struct pcap_handoff {
    uint64_t frames_bytes; /* of all frames, a multiple of 64 */
    uint64_t pass_ns;      /* of one pass through them; 0: each is due at once */
    uint32_t frame_count;
    uint32_t passes;     /* 0: without an end */
    uint32_t slot_bytes; /* from one to the next, whole cache lines */
    uint32_t slot_count; /* a power of two; 0: what is sent goes nowhere */
};

static inline uint64_t pcap_rings_bytes(const struct pcap_handoff *handoff)
{
    return handoff->frames_bytes + sizeof(struct pcap_ring) +
           (uint64_t)handoff->slot_bytes * handoff->slot_count;
}

#endif
