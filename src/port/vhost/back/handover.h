/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_BACK_HANDOVER_H
#define AE_PORT_VHOST_BACK_HANDOVER_H

/*
 * What the owner of a back end, who talks to the peer, tells the worker, who works on the rings:
 * over each queue pair's control socket (SOCK_SEQPACKET), with the descriptors of the peer's
 * memory.
 *
 * The owner sends one of these to every queue, then raises `generation` in the port's state. A
 * queue that finds another number there than its own stops its rings, reads the newest message,
 * leaves in `positions` where its rings stood, and copies the number to its own `generation`: from
 * then on it does as the message says, and the owner may send the next. A change of rings that run
 * is two such steps: stop, and start again from where they stood.
 *
 * Both ends are ours; but the worker is trusted with less than its owner, so the owner believes
 * nothing of it but positions within the ring.
 */

#include <stdbool.h>
#include <stdint.h>

#include "port/port.h"
#include "port/vhost/message.h"

/* Of a pair, as the peer counts its virtqueues. */
enum ae_vhost_direction {
    AE_VHOST_TO_PEER,   /* receiveq: we send */
    AE_VHOST_FROM_PEER, /* transmitq: we receive */
};

struct ae_vhost_handover_ring {
    uint64_t descriptors; /* user addresses */
    uint64_t available;
    uint64_t used;
    uint16_t size;
    uint16_t position; /* of the next entry; packed: wrap counter in bit 15 */
    bool run;
    bool enabled; /* not: frames from the peer are dropped */
};

struct ae_vhost_handover {
    uint32_t generation;
    uint32_t memory_id; /* another number: other memory */
    uint64_t features;
    struct ae_vhost_handover_ring rings[2]; /* enum ae_vhost_direction */
    uint32_t announce; /* another number than before: a frame is to appear that announces `mac` */
    uint8_t mac[6];
    uint16_t mtu;
    uint32_t region_count; /* and as many descriptors, in order */
    struct vhost_user_region regions[VHOST_USER_MAX_REGIONS];
};

int ae_vhost_send_handover(int fd, const struct ae_vhost_handover *handover, const int *fds,
                           struct ae_error *err);

/* The newest message there is; descriptors of older ones are closed. 0: none. */
int ae_vhost_receive_handover(int fd, struct ae_vhost_handover *handover,
                              int fds[VHOST_USER_MAX_REGIONS]);

/* Of a ring's three parts, bytes. */
static inline uint64_t ae_vhost_descriptors_size(uint16_t size)
{
    return 16ull * size;
}

static inline uint64_t ae_vhost_available_size(uint16_t size, bool packed)
{
    return packed ? 4 : 6 + 2ull * size;
}

static inline uint64_t ae_vhost_used_size(uint16_t size, bool packed)
{
    return packed ? 4 : 6 + 8ull * size;
}

#endif
