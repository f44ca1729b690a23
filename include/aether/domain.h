/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_DOMAIN_H
#define AETHER_DOMAIN_H

/*
 * Domains: memory for the buffers of packets, at one I/O address for every port that was given it.
 * Of libaether-host.
 *
 * A port has a domain of its own, unless one is named for it (struct ae_port_options). What was
 * received on one port of a domain is sent on another without a copy. The devices of its ports, and
 * the peer of a vhost-user port, see all packets of the domain, and of other domains nothing; rings
 * are a port's own.
 *
 * The first port of a domain settles its address. A port whose IOMMU does not translate that
 * address is refused.
 *
 * A domain and its owners are used from one thread at a time; its ports (ae_port_open) also share a
 * pool, and so are polled by one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <aether/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ae_domain;

struct ae_domain_options {
    uint32_t packets; /* buffers, 1 to 2^24; ae_port_plan says how many a port takes */
    /* Bytes, 2048 or 4096, headroom included; 0: 2048. */
    uint32_t buffer_size;
    size_t page_size; /* of its memory, bytes, as ae_memory_create takes it; 0: huge pages */
    bool on_node;     /* memory on `node`, as far as there is some; else anywhere */
    int node;
};

/* -EINVAL for options out of range, -ENOMEM as ae_memory_create. */
int ae_domain_create(struct ae_domain **domain, const struct ae_domain_options *options,
                     struct ae_error *err);

/* Its memory goes with the last port that has it. NULL is allowed. */
void ae_domain_close(struct ae_domain *domain);

#ifdef __cplusplus
}
#endif

#endif
