/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_PAIR_PAIR_H
#define AE_PORT_PAIR_PAIR_H

/*
 * Two ports of one process, joined by a wire made of memory: what one sends, the other receives.
 * pair.c joins the ends, pair/owner.c is the port that has one, pair/queue.c moves frames.
 *
 * Each end may have its pool, and be polled by a thread of its own; so a frame is copied, from the
 * sender's packet into the wire and from there into a packet of the receiver's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "port/owner.h"
#include "port/sendable.h"

#define PAIR_MTU_MAX 9000

struct pair_slot {
    uint32_t length;
    uint8_t frame[]; /* the longest one has room */
};

/* One way of one queue: a ring with one writer and one reader, who count up and never back. */
struct pair_wire {
    uint32_t size;  /* slots, a power of two; fixed */
    uint32_t bytes; /* from one slot to the next, whole cache lines; fixed */
    uint8_t *slots;
    uint32_t written __attribute__((aligned(64))); /* by the sender; stored with release */
    uint32_t read_seen;                            /* the sender's copy of `read` */
    uint32_t read __attribute__((aligned(64)));    /* by the receiver; stored with release */
    uint32_t written_seen;                         /* the receiver's copy of `written` */
};

/* The ends of a pair are 0 and 1; end e sends into wires[queue][e] and receives from the other. */
struct pair {
    struct pair *next;
    char name[AE_PORT_SPEC];
    uint64_t id;         /* never used again in this process */
    unsigned references; /* owners and queues */
    uint16_t queues;
    uint16_t mtu;
    struct ae_port_owner *ends[2];
    struct pair_wire wires[AE_PORT_QUEUES][2];
};

static inline struct pair_slot *pair_slot(const struct pair_wire *wire, uint32_t at)
{
    return (struct pair_slot *)(void *)(wire->slots +
                                        (size_t)(at & (wire->size - 1)) * wire->bytes);
}

/* What a port is told in the handoff's driver_private. The process finds the pair by it. */
struct pair_handoff {
    uint64_t id;
    uint32_t end;
    int32_t process; /* where its owners are */
};

static inline struct pair_handoff *ae_pair_handoff(struct ae_port_owner *owner)
{
    return (struct pair_handoff *)owner->handoff.driver_private;
}

static inline const struct pair_handoff *pair_handoff(const struct ae_port_handoff *handoff)
{
    return (const struct pair_handoff *)(const void *)handoff->driver_private;
}

/* Makes the owner an end of the pair of its name. -EBUSY: it has both; -EINVAL: the other end's
 * wires do not go with its options. */
int ae_pair_join(struct ae_port_owner *owner, struct ae_error *err);
/* Of both ends: up while both are there. */
void ae_pair_set_links(struct ae_port_owner *owner);
void ae_pair_leave(struct ae_port_owner *owner);

/*
 * The pair that a handoff tells of, with a wire for this queue and one more reference. Of owners in
 * another process, which are a worker's, there is one in this process, made by the first end that
 * asks. NULL: the owners were in this process and are gone, or there is no memory.
 */
struct pair *ae_pair_hold(const struct ae_port_handoff *handoff, unsigned queue);
void ae_pair_release(struct pair *pair);

#endif
