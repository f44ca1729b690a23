/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_INTEL_E1000E_QUEUE_H
#define AE_PORT_INTEL_E1000E_QUEUE_H

/* What both directions of an 82574L's worker know: e1000e_queue.c receives, e1000e_send.c sends. */

#include "port/intel/e1000e_regs.h"
#include "port/port.h"
#include "port/sendable.h"

struct receive_ring {
    volatile union e1000e_receive *ring;
    struct ae_packet **slots;
    volatile uint8_t *tail;
    uint64_t shift; /* from a buffer to what the card calls the place that it receives into */
    uint32_t mask;
    uint32_t batch;     /* so many free slots are worth refilling in an idle moment ... */
    uint32_t low;       /* ... and with fewer filled than these it cannot wait for one */
    uint32_t next;      /* slot to reap next; free-running */
    uint32_t left;      /* filled slots from there on */
    uint32_t starved;   /* free slots that the pool had no packet for */
    bool in_frame;      /* the next slot holds not the first part of a frame */
    bool dropping;      /* all of it, its last part as well */
    uint32_t frame_max; /* bytes, in however many parts */
    uint32_t part_count, part_bytes;
    struct ae_packet *parts[AE_FRAME_SEGMENTS]; /* the ring's; the last one is to come */
};

struct send_ring {
    volatile struct e1000e_send *ring;
    struct ae_packet **slots; /* NULL: a context descriptor */
    uint16_t *reports;        /* slots that asked for a report (RS), in order: a ring of its own */
    volatile uint8_t *tail;
    uint64_t shift; /* from a place in a buffer to what the card calls it */
    uint32_t mask;
    uint32_t next;   /* slot to fill; free-running */
    uint32_t oldest; /* slot not yet reported; free-running */
    uint32_t report_next;
    uint32_t report_oldest;
    uint32_t context; /* what the card's checksum context holds, 0: nothing */
};

struct queue {
    struct ae_queue base; /* first: the burst calls are given this */
    struct receive_ring receive;
    struct send_ring send;
    struct ae_sendable sendable;
    volatile uint8_t *registers;
    bool stamping;      /* a timestamp is awaited, */
    uint32_t stamp_end; /* of a frame in the slots before this; free-running */
};

uint16_t ae_e1000e_send(struct ae_queue *queue, struct ae_packet **packets, uint16_t count);

/* Takes back `count` packets or more, by whole bursts, as far as they are reported. */
uint16_t ae_e1000e_reclaim(struct ae_queue *queue, uint16_t count);

uint32_t ae_e1000e_unsent(const struct ae_queue *queue);
int ae_e1000e_sent_timestamp(struct ae_queue *queue, uint64_t *ns);

#endif
