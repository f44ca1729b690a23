/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PACKET_DOMAIN_H
#define AE_PACKET_DOMAIN_H

/*
 * A domain as owners of ports have it (<aether/domain.h>): its memory, where devices find it, and
 * which port has how many of its packets. What a process that polls has of it is in part.h.
 */

#include <aether/dma.h>
#include <aether/domain.h>

#include "packet/part.h"

/* A port's packets: so many of the domain's, one behind another. */
struct ae_domain_claim {
    struct ae_domain_claim *next; /* by where they begin */
    uint32_t first, count;
};

struct ae_domain {
    unsigned references;
    struct ae_memory *memory;
    uint32_t packets;
    uint32_t buffer_size;
    struct ae_domain_claim *claims;
    bool settled; /* iova is known */
    ae_iova_t iova;
    struct ae_domain_part *part; /* this process's, all of it; NULL: no port is polled here */
};

/* One more reference, for ae_domain_close to drop. */
struct ae_domain *ae_domain_hold(struct ae_domain *domain);

/* -ENOSPC: so many are not free in a row. The claim stays where it is until it is dropped. */
int ae_domain_claim(struct ae_domain *domain, struct ae_domain_claim *claim, uint32_t count,
                    struct ae_error *err);
/* One that never was made is allowed: zeroed. */
void ae_domain_drop_claim(struct ae_domain *domain, struct ae_domain_claim *claim);

/* Has the devices of a space reach it where others do, or settles where that is. -EADDRNOTAVAIL:
 * they cannot reach it there. */
int ae_domain_map(struct ae_domain *domain, struct ae_dma_space *space, struct ae_error *err);

/* For ports without an IOMMU: any address will do. */
void ae_domain_settle(struct ae_domain *domain);

#endif
