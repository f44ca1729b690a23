/* SPDX-License-Identifier: Apache-2.0 */

/* The half of a port that holds what is at its other end: what is common to all transports. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "port/handoff.h"
#include "port/owner.h"
#include "port/sendable.h"

#define MTU_MIN 68 /* RFC 791, 3.2; VIRTIO 1.2, 5.1.4.1 */

static int check_ring(const char *which, uint16_t *size, const struct ae_port_ops *ops,
                      struct ae_error *err)
{
    if (!*size)
        *size = ops->ring_default;
    if (*size >= ops->queue->ring_min && *size <= ops->queue->ring_max &&
        (*size & (*size - 1)) == 0)
        return 0;
    return ae_error_set(err, -EINVAL,
                        "%s ring of %u descriptors: %s takes a power of two from %u to %u", which,
                        *size, ops->queue->name, ops->queue->ring_min, ops->queue->ring_max);
}

static int choose_mtu(struct ae_port_owner *owner, struct ae_error *err)
{
    unsigned long mtu = owner->ops->mtu;
    int rc = ae_port_choice_number(owner, "mtu", MTU_MIN, owner->ops->mtu_max, &mtu, err);

    owner->handoff.info.mtu = (uint16_t)mtu;
    return rc;
}

int ae_port_check_options(struct ae_port_owner *owner, struct ae_error *err)
{
    const struct ae_port_ops *ops = owner->ops;
    struct ae_port_options *options = &owner->options;
    int rc;

    rc = ae_port_settle_path(owner, ops->path, ops->caller, "it has no better one", err);
    if (rc)
        return rc;
    if (!options->queues)
        options->queues = 1;
    if (options->queues > ops->queues_max)
        return ae_error_set(err, -EINVAL, "%u queues: %s has %u", options->queues, ops->queue->name,
                            ops->queues_max);
    if (!options->packets)
        options->packets = AE_PORT_PACKETS;
    if (!options->page_size && ops->ordinary_pages && !ae_port_choice_is_made(owner, "domain"))
        options->page_size = (size_t)sysconf(_SC_PAGESIZE);
    if (options->packets > 1u << 19)
        return ae_error_set(err, -EINVAL, "%u packets: at most %u", options->packets, 1u << 19);
    rc = choose_mtu(owner, err);
    if (!rc)
        rc = check_ring("receive", &options->receive_ring, ops, err);
    return rc ? rc : check_ring("send", &options->send_ring, ops, err);
}

static void describe(struct ae_port_owner *owner, const char *spec)
{
    const struct ae_port_ops *ops = owner->ops;
    struct ae_port_handoff *handoff = &owner->handoff;
    struct ae_port_info *info = &handoff->info;

    snprintf(info->spec, sizeof(info->spec), "%s", spec);
    snprintf(info->driver, sizeof(info->driver), "%s", ops->queue->name);
    info->queues = owner->options.queues;
    info->features = ops->features;
    handoff->receive_ring = owner->options.receive_ring;
    handoff->send_ring = owner->options.send_ring;
    handoff->measure = owner->options.measure;
    owner->able = (struct ae_port_capabilities){
        .path = info->path,
        .caller = info->caller,
        .possible = ops->features,
        .mtu_max = ops->mtu_max,
        .segments_max = ops->segments_max,
        .queues = ops->queues_max,
        .ring_min = ops->queue->ring_min,
        .ring_max = ops->queue->ring_max,
        .filter_addresses = ops->filter_addresses,
        .filter_vlans = ops->filter_vlans,
        .clock = ops->clock,
    };
}

/* The device's own: what it writes stays in the caches there. Else where the worker is. */
static int node_of(const struct ae_port_owner *owner)
{
    struct ae_pci_info info;

    if (owner->device) {
        ae_device_get_info(owner->device, &info);
        if (info.numa_node >= 0)
            return info.numa_node;
    }
    return owner->options.on_node ? owner->options.node : -1;
}

int ae_port_owner_node(const struct ae_port_owner *owner, size_t *elsewhere)
{
    int node = node_of(owner);

    *elsewhere = ae_memory_elsewhere(owner->domain->memory, node);
    if (owner->memory)
        *elsewhere += ae_memory_elsewhere(owner->memory, node);
    return node;
}

/* Its own, unless it was given one. */
static int join_domain(struct ae_port_owner *owner, struct ae_error *err)
{
    const struct ae_port_options *options = &owner->options;
    uint32_t packets = owner->packets * owner->handoff.info.queues;
    int node = node_of(owner), rc = 0;

    if (!options->domain && ae_port_choice_is_made(owner, "domain"))
        return ae_error_set(
            err, -EINVAL,
            "domain=: a domain is for ports that are opened together, such as those "
            "of 'aether run', and has a name");
    if (options->domain)
        owner->domain = ae_domain_hold(options->domain);
    else
        rc = ae_domain_create(&owner->domain,
                              &(struct ae_domain_options){.packets = packets,
                                                          .page_size = options->page_size,
                                                          .on_node = node >= 0,
                                                          .node = node},
                              err);
    if (rc)
        return rc;
    owner->handoff.buffer_size = owner->domain->buffer_size;
    return ae_domain_claim(owner->domain, &owner->claim, packets, err);
}

uint32_t ae_port_owner_packets(const struct ae_port_owner *owner)
{
    return owner->options.packets + owner->handoff.receive_ring + owner->handoff.send_ring;
}

uint64_t ae_port_owner_rings(const struct ae_port_owner *owner)
{
    return ae_port_receive_ring_offset(owner->ops->queue, &owner->handoff,
                                       owner->handoff.info.queues);
}

static int make_rings(struct ae_port_owner *owner, struct ae_error *err)
{
    int rc = ae_memory_create_on(&owner->memory, ae_port_owner_rings(owner),
                                 owner->options.page_size, node_of(owner), err);

    if (rc)
        return rc;
    rc = ae_fragile_expect(&owner->fragile_memory, ae_memory_base(owner->memory),
                           ae_memory_size(owner->memory), ae_memory_page_size(owner->memory),
                           &owner->lost);
    return rc ? ae_error_set(err, rc, "handling bus errors: %s", strerror(-rc)) : 0;
}

/* Once the transport knows how many queues of which size there are. */
static int make_memory(struct ae_port_owner *owner, struct ae_error *err)
{
    int rc;

    owner->packets = ae_port_owner_packets(owner);
    rc = join_domain(owner, err);
    if (!rc && ae_port_owner_rings(owner))
        rc = make_rings(owner, err);
    if (rc || !owner->ops->owner_bytes)
        return rc;
    return ae_memory_create(&owner->owner_memory, owner->ops->owner_bytes,
                            (size_t)sysconf(_SC_PAGESIZE), err);
}

static int make_filter(struct ae_port_owner *owner, const struct ae_port_filter *given,
                       struct ae_error *err)
{
    unsigned long vlan = 0;
    int rc = ae_port_choice_number(owner, "vlan", 1, 4094, &vlan, err);

    return rc ? rc
              : ae_filter_make(&owner->filter, given, owner->handoff.info.mac, (unsigned)vlan, err);
}

/* Its own address an 82574L tells as late as when it starts. */
static void publish_filter(struct ae_port_owner *owner)
{
    owner->filter.own = ae_mac_of(owner->handoff.info.mac);
    ae_filter_publish(&owner->state->filter, &owner->filter_version, &owner->filter,
                      owner->filter_exact);
}

int ae_port_owner_filter(struct ae_port_owner *owner, const struct ae_port_filter *given,
                         struct ae_error *err)
{
    struct ae_filter before = owner->filter;
    bool exact = owner->filter_exact;
    int rc = make_filter(owner, given, err);

    if (!rc && owner->ops->filter)
        rc = owner->ops->filter(owner, err);
    if (rc) {
        owner->filter = before;
        owner->filter_exact = exact;
        return ae_error_prefix(err, rc, "port %s", owner->handoff.info.spec);
    }
    publish_filter(owner);
    return 0;
}

static int start(struct ae_port_owner *owner, struct ae_error *err)
{
    struct ae_link link;
    int rc;

    if (owner->memory)
        memset(ae_memory_base(owner->memory), 0, ae_port_owner_rings(owner));
    if (owner->owner_memory)
        memset(ae_memory_base(owner->owner_memory), 0, ae_memory_size(owner->owner_memory));
    memset(owner->queue_states, 0, owner->options.queues * sizeof(*owner->queue_states));
    if (owner->lost)
        return ae_error_set(err, -EIO, "%s; open it anew", ae_port_owner_trouble(owner));
    ae_port_read_link(owner->state, &link);
    link.device_gone = false; /* that it has to be reset was heard, and it is */
    ae_port_set_link(owner->state, &link);
    rc = owner->ops->transport->start(owner, err);
    if (!rc)
        publish_filter(owner);
    return rc;
}

int ae_port_owner_open(struct ae_port_owner **out, const char *spec,
                       const struct ae_port_options *options, struct ae_error *err)
{
    struct ae_port_owner *owner = calloc(1, sizeof(*owner));
    int rc;

    if (!owner)
        return ae_error_set(err, -ENOMEM, "opening port %s: out of memory", spec);
    owner->request_fd = owner->events = owner->state_fd = -1;
    for (unsigned i = 0; i < AE_PORT_QUEUES; i++)
        owner->controls[i] = owner->queue_fds[i] = owner->rings_fds[i] = -1;
    if (options)
        owner->options = owner->asked = *options;
    rc = ae_port_parse_spec(owner, spec, err);
    if (!rc)
        rc = ae_port_check_options(owner, err);
    if (!rc) {
        describe(owner, spec);
        rc = ae_port_state_make(owner, err);
    }
    if (!rc)
        rc = owner->ops->transport->open(owner, err);
    if (!rc)
        rc = make_filter(owner, owner->options.filter, err);
    if (!rc)
        rc = make_memory(owner, err);
    if (!rc)
        rc = owner->ops->transport->map(owner, err);
    if (!rc) {
        ae_domain_settle(owner->domain);
        rc = start(owner, err);
    }
    if (rc) {
        ae_port_owner_close(owner);
        return ae_error_prefix(err, rc, "opening port %s", spec);
    }
    *out = owner;
    return 0;
}

int ae_port_owner_restart(struct ae_port_owner *owner, struct ae_error *err)
{
    int rc = owner->ops->transport->stop(owner, err);

    return rc ? rc : start(owner, err);
}

void ae_port_owner_close(struct ae_port_owner *owner)
{
    if (!owner)
        return;
    /* It stops before the memory goes that it writes to. */
    if (owner->ops && owner->state)
        owner->ops->transport->close(owner);
    ae_fragile_forget(&owner->fragile_memory);
    ae_memory_destroy(owner->memory);
    ae_memory_destroy(owner->owner_memory);
    if (owner->domain)
        ae_domain_drop_claim(owner->domain, &owner->claim);
    ae_domain_close(owner->domain);
    ae_port_state_drop(owner);
    free(owner->driver);
    free(owner);
}

void ae_port_owner_make_handoff(const struct ae_port_owner *owner, unsigned first, unsigned count,
                                struct ae_port_handoff *handoff)
{
    *handoff = owner->handoff;
    handoff->version = AE_PORT_HANDOFF_VERSION;
    handoff->size = sizeof(*handoff);
    handoff->queue_first = (uint16_t)first;
    handoff->queue_count = (uint16_t)count;
    handoff->packet_first = owner->claim.first + first * owner->packets;
    handoff->packet_count = count * owner->packets;
    ae_handoff_add(handoff, (struct ae_port_map){.kind = AE_PORT_MAP_DOMAIN,
                                                 .fd = ae_memory_fd(owner->domain->memory),
                                                 .length = ae_memory_size(owner->domain->memory),
                                                 .iova = owner->domain->iova.value});
    if (owner->memory)
        ae_handoff_add(handoff, (struct ae_port_map){.kind = AE_PORT_MAP_MEMORY,
                                                     .fd = ae_memory_fd(owner->memory),
                                                     .length = ae_memory_size(owner->memory),
                                                     .iova = owner->memory_iova.value});
    ae_handoff_add(handoff, (struct ae_port_map){.kind = AE_PORT_MAP_STATE,
                                                 .fd = owner->state_fd,
                                                 .length = sizeof(*owner->state)});
    if (owner->ops->queue->maps & 1u << AE_PORT_MAP_REGISTERS)
        ae_handoff_add(handoff, (struct ae_port_map){.kind = AE_PORT_MAP_REGISTERS,
                                                     .fd = ae_device_fd(owner->device),
                                                     .offset = owner->registers.offset,
                                                     .length = owner->registers.size});
    for (unsigned i = first; i < first + count; i++) {
        ae_handoff_add(handoff, (struct ae_port_map){.kind = AE_PORT_MAP_QUEUE,
                                                     .fd = owner->queue_fds[i],
                                                     .index = i,
                                                     .length = sizeof(struct ae_queue_state)});
        if (owner->rings_fds[i] >= 0)
            ae_handoff_add(handoff, (struct ae_port_map){.kind = AE_PORT_MAP_RINGS,
                                                         .fd = owner->rings_fds[i],
                                                         .index = i,
                                                         .length = owner->rings_length});
        if (owner->controls[i] >= 0)
            ae_handoff_add(handoff, (struct ae_port_map){.kind = AE_PORT_MAP_CONTROL,
                                                         .fd = owner->controls[i],
                                                         .index = i});
    }
}

int ae_port_owner_get_handoff(const struct ae_port_owner *owner, unsigned first, unsigned count,
                              struct ae_port_handoff *handoff)
{
    unsigned queues = owner->handoff.info.queues;

    if (!count || first >= queues || count > queues - first)
        return -EINVAL;
    if (owner->domain->part)
        return -EBUSY;
    ae_port_owner_make_handoff(owner, first, count, handoff);
    return 0;
}

void ae_port_owner_get_link(const struct ae_port_owner *owner, struct ae_link *link)
{
    ae_port_read_link(owner->state, link);
    /* Nothing goes on without its memory. */
    if (owner->lost)
        link->device_gone = true;
}

int ae_port_owner_get_counters(const struct ae_port_owner *owner, unsigned index,
                               struct ae_queue_counters *counters)
{
    if (index >= owner->handoff.info.queues)
        return -EINVAL;
    *counters = owner->queue_states[index].counters;
    return 0;
}

int ae_port_owner_get_statistics(struct ae_port_owner *owner, struct ae_port_statistic *statistics,
                                 unsigned count)
{
    return owner->ops->statistics ? owner->ops->statistics(owner, statistics, count) : 0;
}

void ae_port_owner_get_capabilities(const struct ae_port_owner *owner,
                                    struct ae_port_capabilities *capabilities)
{
    *capabilities = owner->able;
    capabilities->features = owner->handoff.info.features;
    capabilities->frame_max = AE_FRAME_MAX(owner->handoff.info.mtu);
    if (!capabilities->mtu_max)
        capabilities->mtu_max = owner->handoff.info.mtu;
}

int ae_port_owner_clock(struct ae_port_owner *owner, struct ae_port_time *time,
                        struct ae_error *err)
{
    if (!owner->ops->clock)
        return ae_error_set(err, -EOPNOTSUPP, "port %s: %s has no clock", owner->handoff.info.spec,
                            owner->ops->queue->name);
    return owner->ops->clock(owner, time, err);
}

int ae_port_owner_steer(struct ae_port_owner *owner, const struct ae_port_flow *flow,
                        unsigned queue, struct ae_error *err)
{
    const struct ae_port_ops *ops = owner->ops;
    int rc;

    if (queue >= owner->handoff.info.queues)
        return ae_error_set(err, -EINVAL, "port %s: there is no queue %u, it has %u",
                            owner->handoff.info.spec, queue, owner->handoff.info.queues);
    rc = ops->steer ? ops->steer(owner, flow, queue, err)
                    : ae_error_set(err, -EOPNOTSUPP, "%s", ops->no_steering);
    return rc ? ae_error_prefix(err, rc, "port %s: a flow's queue", owner->handoff.info.spec) : 0;
}

const char *ae_port_owner_trouble(const struct ae_port_owner *owner)
{
    return owner->lost ? "pages of its memory were taken away, by a worker or by a peer"
                       : owner->trouble.text;
}

int ae_port_owner_fd(const struct ae_port_owner *owner)
{
    return owner->ops->transport->fd ? owner->ops->transport->fd(owner) : -1;
}

uint64_t ae_port_owner_step(struct ae_port_owner *owner)
{
    const struct ae_port_transport *transport = owner->ops->transport;

    if (transport->hear)
        transport->hear(owner);
    return transport->tend && !owner->lost ? transport->tend(owner) : 0;
}
