/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PACKET_PART_H
#define AE_PACKET_PART_H

/*
 * What a process has of a domain: all of its memory, mapped, and a pool over those of its packets
 * that are this process's. The ports of a process on one domain share it, so that a packet of one
 * is a packet of the other.
 */

#include <stdbool.h>
#include <sys/types.h>

#include <aether/memory.h>
#include <aether/packet.h>

/* Sizes of a domain's buffers. Those of 2048 bytes hold the headroom and the longest frame of an
 * MTU of 1902. */
#define AE_DOMAIN_BUFFER_LEAST 2048
#define AE_DOMAIN_BUFFER_MOST  4096

static inline bool ae_domain_buffer_is_possible(uint32_t size)
{
    return size == AE_DOMAIN_BUFFER_LEAST || size == AE_DOMAIN_BUFFER_MOST;
}

/* What there is of the domain, and which packets of it. */
struct ae_domain_slice {
    uint64_t length; /* of its memory, bytes */
    ae_iova_t iova;
    uint32_t buffer_size;
    uint32_t first, count; /* packets */
};

struct ae_domain_part {
    unsigned references;
    struct ae_domain_slice slice;
    dev_t device; /* its file */
    ino_t inode;
    struct ae_memory *memory;
    struct ae_pool *pool;
};

/*
 * One more reference to `have`, which must be just that, or, if that is NULL, a new part. The
 * descriptor is not taken. -EPROTO: what others said of this domain was something else, or the
 * packets are not in it.
 */
int ae_domain_part_take(struct ae_domain_part **part, struct ae_domain_part *have, int fd,
                        const struct ae_domain_slice *slice, struct ae_error *err);

static inline struct ae_domain_part *ae_domain_part_hold(struct ae_domain_part *part)
{
    part->references++;
    return part;
}

/* With the last reference it is unmapped; packets still out are then dangling. NULL is allowed. */
void ae_domain_part_release(struct ae_domain_part *part);

#endif
