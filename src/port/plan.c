/* SPDX-License-Identifier: Apache-2.0 */

/* What memory a port needs, told before it is opened. */

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "machine/hugepages.h"
#include "machine/pci.h"
#include "port/owner.h"

/* As node_of of an owner that is open. */
static int node_of(const struct ae_port_owner *owner)
{
    struct ae_pci pci;

    if (owner->ops->pci && !ae_pci_read(&pci, owner->base, NULL) && pci.info.numa_node >= 0)
        return pci.info.numa_node;
    return owner->options.on_node ? owner->options.node : -1;
}

static void lay_out(struct ae_port_plan *plan, struct ae_port_owner *owner)
{
    const struct ae_port_options *options = &owner->options;
    uint32_t packets, buffer_size;

    /* As an open port has them, unless its device has fewer. */
    owner->handoff.info.queues = options->queues;
    owner->handoff.receive_ring = options->receive_ring;
    owner->handoff.send_ring = options->send_ring;
    packets = options->queues * ae_port_owner_packets(owner);
    buffer_size = options->domain ? options->domain->buffer_size : AE_DOMAIN_BUFFER_LEAST;
    *plan = (struct ae_port_plan){
        .rings = ae_port_owner_rings(owner),
        .buffers = (uint64_t)packets * buffer_size,
        .packets = packets,
        .page_size = options->page_size ? options->page_size : ae_hugepages_default_size(),
        .owner = owner->ops->owner_bytes,
        .state = sizeof(struct ae_port_state) + options->queues * sizeof(struct ae_queue_state),
        .node = node_of(owner),
    };
}

static uint64_t pages(uint64_t bytes, size_t page_size)
{
    return (bytes + page_size - 1) / page_size;
}

static int count_pages(struct ae_port_plan *plan, struct ae_error *err)
{
    if (!plan->page_size)
        return ae_error_set(err, -ENOMEM, "this kernel has no huge pages");
    if (plan->page_size & (plan->page_size - 1))
        return ae_error_set(err, -EINVAL, "pages of %zu bytes are not possible", plan->page_size);
    plan->pages = pages(plan->rings, plan->page_size) + pages(plan->buffers, plan->page_size);
    if (plan->node < 0 || ae_hugepages_free_on(plan->page_size, plan->node, &plan->free))
        ae_hugepages_free(plan->page_size, &plan->free);
    return 0;
}

int ae_port_plan(struct ae_port_plan *plan, const char *spec, const struct ae_port_options *options,
                 struct ae_error *err)
{
    struct ae_port_owner *owner = calloc(1, sizeof(*owner)); /* which is never opened */
    int rc;

    if (!owner)
        return ae_error_set(err, -ENOMEM, "planning port %s: out of memory", spec);
    if (options)
        owner->options = *options;
    rc = ae_port_parse_spec(owner, spec, err);
    if (!rc)
        rc = ae_port_check_options(owner, err);
    if (!rc) {
        lay_out(plan, owner);
        rc = count_pages(plan, err);
    }
    free(owner);
    return rc ? ae_error_prefix(err, rc, "planning port %s", spec) : 0;
}

int ae_port_plans_fit(const struct ae_port_plan *plans, unsigned count, struct ae_error *err)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t needed = 0;
        int rc;

        if (plans[i].page_size == (size_t)sysconf(_SC_PAGESIZE))
            continue;
        for (unsigned j = 0; j < count; j++)
            needed += plans[j].page_size == plans[i].page_size ? plans[j].pages : 0;
        rc = ae_hugepages_check(plans[i].page_size, needed, err);
        if (rc)
            return ae_error_prefix(err, rc, "memory of %s", count > 1 ? "all ports" : "the port");
    }
    return 0;
}
