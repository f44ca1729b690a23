/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_XDP_XDP_H
#define AE_PORT_XDP_XDP_H

/*
 * A port over AF_XDP: the kernel's driver has the card, and four rings in memory that it shares
 * with us carry the frames (Linux, Documentation/networking/af_xdp.rst). A queue of the port is a
 * queue of the interface, and a socket of its own. What the two halves say alike.
 */

#include <linux/if_xdp.h>
#include <stdint.h>

#include <aether/error.h>

#include "port/port.h"

/* One of a socket's rings, mapped. Indices count up, and wrap. */
struct xdp_ring {
    uint32_t *producer, *consumer;
    void *entries; /* struct xdp_desc; of a fill or completion ring uint64_t */
    uint32_t mask;
    uint32_t next; /* our index of the two */
    void *mapped;
    size_t length;
};

enum xdp_ring_kind { XDP_RECEIVE, XDP_SEND, XDP_FILL, XDP_COMPLETION, XDP_RINGS };

/* Maps a ring of so many entries. -EPROTO: the descriptor is of no socket that has it; -EBUSY: the
 * kernel is older than Linux 6.4, and maps it before the socket is bound only. */
int ae_xdp_ring_map(struct xdp_ring *ring, int fd, enum xdp_ring_kind kind, uint32_t entries,
                    struct ae_error *err);
void ae_xdp_ring_unmap(struct xdp_ring *ring); /* one that never was mapped is allowed: zeroed */

/* Who makes the calls of a socket. */
struct xdp_caller {
    int socket;
    uint32_t consumed; /* of the send ring, when it last looked */
    unsigned vain;     /* calls since then that sent nothing of what is there */
};

/* Has the kernel poll the socket's queue: what is to be sent goes, what came comes. Without
 * waiting. */
void ae_xdp_call(struct xdp_caller *caller, const struct xdp_ring *send);

#endif
