/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_XDP_QUEUE_H
#define AE_PORT_XDP_QUEUE_H

/*
 * The worker's half of a queue: queue.c moves frames, over rings that attach.c mapped. The kernel
 * calls a byte by its distance from the domain's first.
 */

#include "port/sendable.h"
#include "port/xdp/xdp.h"

struct xdp_queue {
    struct ae_queue base;
    struct xdp_ring rings[XDP_RINGS];
    uint64_t first;  /* the kernel's address of the pool's first byte */
    uint64_t span;   /* bytes of the pool's buffers */
    unsigned order;  /* of a buffer's size: 1 << order bytes */
    uint32_t filled; /* packets that the kernel has to receive into: at most those of its ring */
    uint32_t unsent; /* packets that it has to send, likewise */
    uint32_t starved;
    uint8_t *places; /* of each packet of the pool: enum xdp_place */
    struct ae_sendable sendable;
    struct xdp_caller caller; /* the worker; its socket is -1: another calls */
};

struct xdp_queue_options {
    struct ae_pool *pool;
    struct ae_queue_counters *counters;
    uint64_t first;
    uint32_t frame_max;
};

/* A queue over its rings, which are mapped, and go with it; else zeroed. -ENOMEM. */
int ae_xdp_queue_make(struct xdp_queue *queue, const struct xdp_queue_options *options);

/* From now on the worker makes the calls, on this socket, which goes with the queue. */
void ae_xdp_queue_call(struct xdp_queue *queue, int socket);

/* Unmaps the rings and returns what was in them to the pool. */
void ae_xdp_queue_drop(struct xdp_queue *queue);

#endif
