/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/ports.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <aether/device.h>

#include "base/error.h"
#include "machine/topology.h"
#include "port/domains.h"
#include "port/owner.h"
#include "vfio/released.h"
#include "worker/supervisor/end.h"
#include "worker/supervisor/named.h"
#include "worker/supervisor/shares.h"

#define TOLD_AT_ONCE 8 /* news of a link; then one a second */

/* Memory of another node is slower, and not always by the same. */
static void tell_node(struct ae_supervisor *supervisor, unsigned port)
{
    size_t elsewhere;
    int node = ae_port_owner_node(supervisor->owners[port], &elsewhere);

    if (elsewhere && !supervisor->result->memory_notice[0])
        snprintf(
            supervisor->result->memory_notice, sizeof(supervisor->result->memory_notice),
            "port %s: %zu kB of its memory are not on node %d, where it belongs, for want of free "
            "huge pages there; see /sys/devices/system/node/node%d/hugepages",
            supervisor->options->ports[port], elsewhere / 1024, node, node);
}

static struct ae_port_options options_of(const struct ae_supervise_options *options, unsigned port)
{
    struct ae_port_options its = options->port;

    its.node = ae_topology_node((unsigned)options->cpus[0]);
    its.on_node = its.node >= 0;
    its.queues = (uint16_t)ae_shares_queues(options, port);
    its.packets = (its.packets ? its.packets : AE_PORT_PACKETS) + ae_channels_lent(options, port);
    return its;
}

int ae_supervise_plan(const struct ae_supervise_options *options,
                      struct ae_port_plan plans[AE_WORKER_PORTS], struct ae_error *err)
{
    int rc = ae_shares_check(options, err);

    if (!rc)
        rc = ae_channels_check(options, err);
    for (unsigned i = 0; i < options->port_count && !rc; i++) {
        const struct ae_port_options its = options_of(options, i);

        rc = ae_port_plan(&plans[i], options->ports[i], &its, err);
    }
    return rc ? rc : ae_port_plans_fit(plans, options->port_count, err);
}

int ae_supervisor_open_ports(struct ae_supervisor *supervisor, struct ae_error *err)
{
    const struct ae_supervise_options *options = supervisor->options;
    struct ae_port_options ports[AE_WORKER_PORTS];
    int rc;

    for (unsigned i = 0; i < options->port_count; i++)
        ports[i] = options_of(options, i);
    rc = ae_domains_open(supervisor->domains, options->ports, ports, options->port_count, err);
    if (rc)
        return rc;
    for (unsigned i = 0; i < options->port_count; i++) {
        ports[i].domain = supervisor->domains[i];
        rc = ae_port_owner_open(&supervisor->owners[i], options->ports[i], &ports[i], err);
        if (rc)
            return rc;
        tell_node(supervisor, i);
        if (options->hooks.opened)
            options->hooks.opened(options->hooks.context, i, &supervisor->owners[i]->handoff.info);
        ae_port_owner_get_link(supervisor->owners[i], &supervisor->links[i].link);
        supervisor->links[i].left = TOLD_AT_ONCE;
        supervisor->links[i].refilled_ms = ae_supervisor_now();
        supervisor->owner_count++;
    }
    return 0;
}

/* The first port with the same domain: so ports are told that they share one. */
static unsigned domain_of(const struct ae_supervisor *supervisor, unsigned port)
{
    for (unsigned i = 0; i < port && supervisor->domains[port]; i++)
        if (supervisor->domains[i] == supervisor->domains[port])
            return i;
    return port;
}

/* Packets of all queues that a worker has in a domain. */
static uint32_t packets_of(const struct ae_supervisor *supervisor, unsigned worker, unsigned domain)
{
    uint32_t packets = 0;

    for (unsigned i = 0; i < supervisor->owner_count; i++) {
        unsigned first, count;

        if (domain_of(supervisor, i) == domain &&
            ae_shares_find(supervisor->options, worker, i, &first, &count))
            packets += count * supervisor->owners[i]->packets;
    }
    return packets;
}

/* One worker's packets are behind another's, and the ports of a worker have them in common. */
static void slice(const struct ae_supervisor *supervisor, unsigned worker, unsigned domain,
                  struct ae_port_handoff *handoff)
{
    handoff->domain = domain;
    handoff->packet_first = 0;
    for (unsigned i = 0; i < worker; i++)
        handoff->packet_first += packets_of(supervisor, i, domain);
    handoff->packet_count = packets_of(supervisor, worker, domain);
}

void ae_supervisor_hand_over(struct ae_supervisor *supervisor, unsigned number)
{
    struct ae_shared *shared = supervisor->wards[number].shared;

    for (unsigned i = 0; i < supervisor->owner_count; i++) {
        struct ae_port_handoff *handoff = &shared->ports[shared->port_count];
        unsigned first, count;

        if (!ae_shares_find(supervisor->options, number, i, &first, &count))
            continue;
        ae_port_owner_get_handoff(supervisor->owners[i], first, count, handoff);
        slice(supervisor, number, domain_of(supervisor, i), handoff);
        shared->port_count++;
    }
}

/* A peer, or a device that is broken, can change a link as fast as it likes: that must not flood
 * whoever listens. */
static bool may_tell(struct ae_link_told *told, uint64_t now)
{
    if (now - told->refilled_ms >= 1000) {
        uint64_t more = (now - told->refilled_ms) / 1000;

        told->left = more < TOLD_AT_ONCE - told->left ? told->left + (unsigned)more : TOLD_AT_ONCE;
        told->refilled_ms = now;
    }
    if (!told->left)
        return false;
    told->left--;
    return true;
}

static void look_at_link(struct ae_supervisor *supervisor, unsigned port)
{
    const struct ae_supervise_hooks *hooks = &supervisor->options->hooks;
    const char *trouble = ae_port_owner_trouble(supervisor->owners[port]);
    struct ae_link_told *told = &supervisor->links[port];
    struct ae_link link;

    ae_port_owner_get_link(supervisor->owners[port], &link);
    if (link.changes == told->link.changes && link.device_gone == told->link.device_gone &&
        strcmp(trouble, told->trouble) == 0)
        return;
    if (link.device_gone)
        ae_supervisor_ask_to_stop(supervisor, ae_supervisor_now());
    if (!may_tell(told, ae_supervisor_now()))
        return; /* what it is then will be told */
    told->link = link;
    snprintf(told->trouble, sizeof(told->trouble), "%s", trouble);
    if (hooks->link)
        hooks->link(hooks->context, port, &link, trouble);
}

uint64_t ae_supervisor_step_ports(struct ae_supervisor *supervisor)
{
    uint64_t pause = 0;

    for (unsigned i = 0; i < supervisor->owner_count; i++) {
        uint64_t soon = ae_port_owner_step(supervisor->owners[i]);

        look_at_link(supervisor, i);
        pause = soon && (!pause || soon < pause) ? soon : pause;
    }
    return pause;
}

/* By what the kernel says: a device that somebody still has, or that still writes, is a failure. */
static void check_released(struct ae_supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->owner_count; i++) {
        char address[AE_PCI_ADDRESS_TEXT];
        struct ae_error why;

        if (!ae_port_pci_address(supervisor->options->ports[i], address) &&
            ae_vfio_check_released(address, &why))
            ae_supervisor_tell_trouble(supervisor, why.text);
    }
}

void ae_supervisor_close_ports(struct ae_supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->owner_count; i++)
        ae_port_owner_close(supervisor->owners[i]);
    ae_domains_close(supervisor->domains, AE_WORKER_PORTS);
    check_released(supervisor);
}
