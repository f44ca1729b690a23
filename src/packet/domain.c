/* SPDX-License-Identifier: Apache-2.0 */
#include "packet/domain.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"

#define PACKETS_MAX (1u << 24)

/*
 * Where a domain is, if the first device reaches that: every IOMMU translates 39 bits, and firmware
 * reserves addresses for devices, and the window of x86 interrupts, below 4 GiB.
 */
#define PREFERRED (UINT64_C(1) << 32)

int ae_domain_create(struct ae_domain **out, const struct ae_domain_options *options,
                     struct ae_error *err)
{
    uint32_t size = options->buffer_size ? options->buffer_size : AE_DOMAIN_BUFFER_LEAST;
    struct ae_domain *domain;
    int rc;

    if (options->packets < 1 || options->packets > PACKETS_MAX ||
        !ae_domain_buffer_is_possible(size))
        return ae_error_set(err, -EINVAL,
                            "creating a domain: %u packets of %u bytes; 1 to %u of %d or %d are "
                            "possible",
                            options->packets, size, PACKETS_MAX, AE_DOMAIN_BUFFER_LEAST,
                            AE_DOMAIN_BUFFER_MOST);
    domain = calloc(1, sizeof(*domain));
    if (!domain)
        return ae_error_set(err, -ENOMEM, "creating a domain: out of memory");
    domain->references = 1;
    domain->packets = options->packets;
    domain->buffer_size = size;
    rc = ae_memory_create_on(&domain->memory, (size_t)options->packets * size, options->page_size,
                             options->on_node ? options->node : -1, err);
    if (rc) {
        ae_domain_close(domain);
        return rc;
    }
    *out = domain;
    return 0;
}

struct ae_domain *ae_domain_hold(struct ae_domain *domain)
{
    domain->references++;
    return domain;
}

void ae_domain_close(struct ae_domain *domain)
{
    if (!domain || --domain->references)
        return;
    ae_domain_part_release(domain->part);
    ae_memory_destroy(domain->memory);
    free(domain);
}

int ae_domain_claim(struct ae_domain *domain, struct ae_domain_claim *claim, uint32_t count,
                    struct ae_error *err)
{
    struct ae_domain_claim **at = &domain->claims;
    uint32_t first = 0;

    while (*at && (*at)->first - first < count) {
        first = (*at)->first + (*at)->count;
        at = &(*at)->next;
    }
    if (!*at && domain->packets - first < count)
        return ae_error_set(err, -ENOSPC,
                            "%u packets of a domain that has %u, of which other ports have some; "
                            "it needs more",
                            count, domain->packets);
    *claim = (struct ae_domain_claim){.next = *at, .first = first, .count = count};
    *at = claim;
    return 0;
}

void ae_domain_drop_claim(struct ae_domain *domain, struct ae_domain_claim *claim)
{
    for (struct ae_domain_claim **at = &domain->claims; *at; at = &(*at)->next)
        if (*at == claim) {
            *at = claim->next;
            return;
        }
}

int ae_domain_map(struct ae_domain *domain, struct ae_dma_space *space, struct ae_error *err)
{
    ae_iova_t iova = domain->settled ? domain->iova : (ae_iova_t){PREFERRED};
    int rc = ae_dma_map_at(space, domain->memory, iova, err);

    if (rc == -EADDRNOTAVAIL && !domain->settled)
        rc = ae_dma_map(space, domain->memory, &iova, err);
    if (rc == -EADDRNOTAVAIL)
        return ae_error_prefix(err, rc,
                               "the domain that it shares was settled by another port; open this "
                               "one before it, or without the domain");
    if (rc)
        return rc;
    domain->settled = true;
    domain->iova = iova;
    return 0;
}

void ae_domain_settle(struct ae_domain *domain)
{
    if (!domain->settled)
        domain->iova.value = PREFERRED;
    domain->settled = true;
}
