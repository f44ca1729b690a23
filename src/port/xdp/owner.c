/* SPDX-License-Identifier: Apache-2.0 */

/* "xdp:IFACE": frames of an interface that stays the kernel's, over AF_XDP. */

#include <net/if.h> /* first: the kernel's leaves out what is in this one */

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "machine/netlink.h"
#include "port/xdp/deferral.h"
#include "port/xdp/flows.h"
#include "port/xdp/poller.h"
#include "port/xdp/program.h"
#include "port/xdp/socket.h"
#include "port/xdp/xdp.h"

#define HEADROOM 256u        /* of the kernel's, before a frame: XDP_PACKET_HEADROOM */
#define LOOK_NS  100000000ul /* at whether those who poll are there */
#define CPU_LAST 1023

enum mode { MODE_BEST, MODE_ZERO_COPY, MODE_COPY };

static const char *const modes[] = {"best", "zero-copy", "copy", NULL};
static const char *const attachments[] = {"native", "generic", NULL};
static const char *const callers[] = {"none", "kernel", "owner", "worker", NULL};

struct xdp {
    unsigned interface;
    unsigned mode, caller, generic;
    bool defer;
    unsigned long cpu; /* of the first queue's poller; CPU_LAST + 1: wherever */
    struct xdp_flows flows;
    struct xdp_program program;
    struct xdp_deferral deferral;
    struct ae_poller pollers[AE_PORT_QUEUES];
    int groups; /* a socket that is a member of them; -1: none */
    int news;   /* of links; -1: none */
};

static struct xdp *xdp_of(const struct ae_port_owner *owner)
{
    return owner->driver;
}

/* ---- Opening ---- */

static int read_choices(struct ae_port_owner *owner, struct xdp *xdp, struct ae_error *err)
{
    int rc = ae_xdp_flows_parse(&xdp->flows, owner, err);

    if (!rc)
        rc = ae_port_choice_word(owner, "mode", modes, &xdp->mode, err);
    if (!rc)
        rc = ae_port_choice_word(owner, "attach", attachments, &xdp->generic, err);
    if (!rc)
        rc = ae_port_choice_word(owner, "calls", callers, &xdp->caller, err);
    if (!rc && xdp->caller == AE_CALLER_NONE)
        rc = ae_error_set(err, -EINVAL, "calls=none: no frame would move");
    if (!rc)
        rc = ae_port_choice_bool(owner, "defer", &xdp->defer, err);
    if (!rc)
        rc = ae_port_choice_number(owner, "poll-cpu", 0, CPU_LAST, &xdp->cpu, err);
    if (!rc && xdp->caller == AE_CALLER_KERNEL)
        rc = ae_error_set(err, -EOPNOTSUPP,
                          "calls=kernel: that threads of the kernel poll takes Linux 6.19, and is "
                          "not built yet; calls=owner is as quiet");
    if (rc || !xdp->generic)
        return rc;
    if (xdp->mode == MODE_ZERO_COPY)
        return ae_error_set(err, -EINVAL,
                            "mode=zero-copy,attach=generic: what the kernel runs "
                            "itself it copies");
    /* A driver with zero copy would be asked for it, and the kernel copy all the same. */
    xdp->mode = MODE_COPY;
    return 0;
}

/* Queues that the interface receives with. One that cannot tell has one. */
static unsigned count_queues(const char *name)
{
    struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
    struct ifreq request = {.ifr_data = (char *)&channels};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    unsigned queues = 1;

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%.15s", name);
    if (fd >= 0 && !ioctl(fd, SIOCETHTOOL, &request))
        queues = channels.combined_count + channels.rx_count;
    ae_descriptor_close(&fd);
    return queues ? queues : 1;
}

/* A frame comes to whichever queue the card chooses: each needs a socket, or it would be the
 * kernel's. */
static int check_queues(const struct ae_port_owner *owner, struct ae_error *err)
{
    unsigned there = count_queues(owner->base), asked = owner->handoff.info.queues;

    return there == asked ? 0
                          : ae_error_set(err, -EINVAL,
                                         "%s receives with %u queues and the port would have %u; "
                                         "frames of the others would be missed: 'ethtool -L %s "
                                         "combined %u' (or rx), or open as many",
                                         owner->base, there, asked, owner->base, asked);
}

static int read_interface(struct ae_port_owner *owner, struct xdp *xdp, struct ae_error *err)
{
    struct ae_link_state link;
    int rc;

    xdp->interface = if_nametoindex(owner->base);
    if (!xdp->interface)
        return ae_error_set(err, -ENODEV, "there is no interface %s; 'ip link' lists them",
                            owner->base);
    rc = ae_netlink_get_link(xdp->interface, &link);
    if (rc)
        return ae_error_set(err, rc, "interface %s: %s", owner->base, strerror(-rc));
    if (!link.up)
        return ae_error_set(err, -ENETDOWN, "interface %s is down: 'ip link set %s up'",
                            owner->base, owner->base);
    if (link.mac_length != sizeof(owner->handoff.info.mac))
        return ae_error_set(err, -EOPNOTSUPP, "interface %s is no Ethernet", owner->base);
    memcpy(owner->handoff.info.mac, link.mac, sizeof(owner->handoff.info.mac));
    owner->handoff.info.mtu = link.mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)link.mtu;
    return check_queues(owner, err);
}

/* As long as it is open we are members: the kernel tells switches and card, and lets go with us. */
static int join_groups(struct xdp *xdp, struct ae_error *err)
{
    for (unsigned i = 0; i < xdp->flows.address_count; i++) {
        struct ip_mreqn group = {.imr_multiaddr.s_addr = xdp->flows.addresses[i],
                                 .imr_ifindex = (int)xdp->interface};

        if (!IN_MULTICAST(ntohl(xdp->flows.addresses[i])))
            continue;
        if (xdp->groups < 0)
            xdp->groups = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (setsockopt(xdp->groups, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)))
            return ae_error_set(err, -errno, "joining group %s: %s", inet_ntoa(group.imr_multiaddr),
                                strerror(errno));
    }
    return 0;
}

static int hear_of_links(struct xdp *xdp, struct ae_error *err)
{
    const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};

    xdp->news = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (xdp->news < 0 || bind(xdp->news, (const struct sockaddr *)&address, sizeof(address)))
        return ae_error_set(err, -errno, "hearing of links: %s", strerror(errno));
    return 0;
}

static int open_port(struct ae_port_owner *owner, struct ae_error *err)
{
    struct xdp *xdp = calloc(1, sizeof(*xdp));
    int rc;

    if (!xdp)
        return ae_error_set(err, -ENOMEM, "out of memory");
    owner->driver = xdp;
    xdp->program.map = xdp->program.link = xdp->groups = xdp->news = -1;
    xdp->defer = true;
    xdp->caller = AE_CALLER_OWNER;
    xdp->cpu = CPU_LAST + 1;
    rc = read_choices(owner, xdp, err);
    if (!rc)
        rc = read_interface(owner, xdp, err);
    if (!rc)
        rc = join_groups(xdp, err);
    if (!rc)
        rc = hear_of_links(xdp, err);
    return rc;
}

/* The program is there as long as the port; without sockets it leaves all to the kernel. */
static int map(struct ae_port_owner *owner, struct ae_error *err)
{
    uint32_t mtu_max = owner->domain->buffer_size - HEADROOM - 18;
    struct xdp *xdp = xdp_of(owner);

    if (owner->handoff.info.mtu > mtu_max)
        return ae_error_set(err, -EINVAL,
                            "%s has an MTU of %u, and a packet holds a frame of %u: 'ip link set "
                            "%s mtu %u'",
                            owner->base, owner->handoff.info.mtu, mtu_max, owner->base, mtu_max);
    return ae_xdp_program_attach(&xdp->program, &xdp->flows, xdp->interface,
                                 owner->handoff.info.queues, xdp->generic, err);
}

/* ---- Running ---- */

static int open_socket(struct ae_port_owner *owner, unsigned queue, bool zero_copy,
                       struct ae_error *err)
{
    struct xdp *xdp = xdp_of(owner);
    const struct xdp_socket_options options = {
        .interface = xdp->interface,
        .queue = queue,
        .zero_copy = zero_copy,
        .busy = xdp->caller != AE_CALLER_KERNEL,
    };
    int rc = ae_xdp_socket_open(&owner->controls[queue], owner, &options, err);
    struct xdp_ring ring;

    if (!rc) /* as its worker will, who should not be the one to find out that it cannot */
        rc =
            ae_xdp_ring_map(&ring, owner->controls[queue], XDP_SEND, owner->handoff.send_ring, err);
    if (!rc)
        ae_xdp_ring_unmap(&ring);
    return rc ? rc : ae_xdp_program_set(&xdp->program, queue, owner->controls[queue], err);
}

/* What it says of a driver that cannot: drivers and queues differ in how. */
static bool is_refusal(int rc)
{
    return rc == -EOPNOTSUPP || rc == -EINVAL;
}

static int settle(struct ae_port_owner *owner, bool zero_copy, const char *reason,
                  struct ae_error *err)
{
    return ae_port_settle_path(owner, zero_copy ? AE_PATH_ZERO_COPY : AE_PATH_COPY,
                               xdp_of(owner)->caller, reason, err);
}

/* The path is what the first queue can, and all others then must. */
static int open_sockets(struct ae_port_owner *owner, struct ae_error *err)
{
    const struct xdp *xdp = xdp_of(owner);
    bool zero_copy = xdp->mode != MODE_COPY;
    int rc = settle(owner, zero_copy, xdp->generic ? "attach=generic" : "mode=copy", err);

    for (unsigned i = 0; i < owner->handoff.info.queues && !rc; i++) {
        rc = open_socket(owner, i, zero_copy, err);
        if (!is_refusal(rc) || !zero_copy || i || xdp->mode == MODE_ZERO_COPY)
            continue;
        zero_copy = false;
        rc = settle(owner, zero_copy,
                    "its driver, as it is attached to, has no zero copy; another kernel's or "
                    "another card's may",
                    err);
        if (!rc)
            rc = open_socket(owner, i, zero_copy, err);
    }
    return rc;
}

static int start_poller(struct ae_port_owner *owner, unsigned queue, struct ae_error *err)
{
    struct xdp *xdp = xdp_of(owner);
    const struct xdp_poller_options options = {
        .socket = owner->controls[queue],
        .send_ring = owner->handoff.send_ring,
        .cpu = xdp->cpu > CPU_LAST ? -1 : (int)(xdp->cpu + queue),
        .deferral = &xdp->deferral,
    };

    return ae_xdp_poller_start(&xdp->pollers[queue], &options, err);
}

static void look_at_link(struct ae_port_owner *owner)
{
    struct ae_link_state state;
    struct ae_link link;
    bool up;

    ae_port_read_link(owner->state, &link);
    if (ae_netlink_get_link(xdp_of(owner)->interface, &state)) {
        state.flags = 0;
        link.device_gone = true;
    }
    up = state.flags & IFF_LOWER_UP; /* IFF_RUNNING follows it up to a second later */
    link.changes += link.up != up;
    link.up = link.full_duplex = up;
    ae_port_set_link(owner->state, &link);
}

static int start(struct ae_port_owner *owner, struct ae_error *err)
{
    struct xdp *xdp = xdp_of(owner);
    int rc = open_sockets(owner, err);

    if (!rc && xdp->caller == AE_CALLER_OWNER && xdp->defer)
        rc = ae_xdp_defer(&xdp->deferral, owner->base, err);
    for (unsigned i = 0; i < owner->handoff.info.queues && xdp->caller == AE_CALLER_OWNER && !rc;
         i++)
        rc = start_poller(owner, i, err);
    look_at_link(owner);
    return rc;
}

static int stop(struct ae_port_owner *owner, struct ae_error *err)
{
    struct xdp *xdp = xdp_of(owner);

    (void)err;
    for (unsigned i = 0; i < AE_PORT_QUEUES; i++) {
        ae_poller_stop(&xdp->pollers[i]);
        ae_descriptor_close(&owner->controls[i]);
    }
    ae_xdp_undefer(&xdp->deferral);
    return 0;
}

static void close_port(struct ae_port_owner *owner)
{
    struct xdp *xdp = xdp_of(owner);

    if (!xdp)
        return;
    ae_xdp_program_detach(&xdp->program);
    stop(owner, NULL);
    ae_descriptor_close(&xdp->groups);
    ae_descriptor_close(&xdp->news);
}

static int fd(const struct ae_port_owner *owner)
{
    return xdp_of(owner)->news;
}

static void hear(struct ae_port_owner *owner)
{
    char news[8192];
    bool heard = false;

    while (recv(xdp_of(owner)->news, news, sizeof(news), MSG_DONTWAIT) > 0 || errno == ENOBUFS)
        heard = true;
    if (heard)
        look_at_link(owner);
}

/* Somebody may have ended a process that polls: another takes its place. */
static uint64_t tend(struct ae_port_owner *owner)
{
    struct xdp *xdp = xdp_of(owner);

    if (xdp->caller != AE_CALLER_OWNER)
        return 0;
    for (unsigned i = 0; i < owner->handoff.info.queues; i++)
        if (ae_poller_ended(&xdp->pollers[i]))
            start_poller(owner, i, &owner->trouble);
    return LOOK_NS;
}

static const struct ae_port_transport transport = {
    .open = open_port,
    .map = map,
    .start = start,
    .stop = stop,
    .close = close_port,
    .fd = fd,
    .hear = hear,
    .tend = tend,
};

static const char *const keys[] = {"address", "udp",   "tcp",   "vlan",     "take", "mode",
                                   "attach",  "calls", "defer", "poll-cpu", NULL};

const struct ae_port_ops ae_port_xdp = {
    .queue = &ae_queue_xdp,
    .path = AE_PATH_ZERO_COPY, /* or worse: start finds out */
    .caller = AE_CALLER_OWNER, /* or as calls= says */
    .scheme = "xdp:",
    .description = "xdp:IFACE,address=A.B.C.D, frames that the kernel receives, over AF_XDP",
    .keys = keys,
    .transport = &transport,
    .ring_default = 2048,
    .queues_max = AE_PORT_QUEUES,
    .mtu = 1500,
    .segments_max = 1,
    .no_steering = "the kernel's driver chooses the queue: 'ethtool -N' has rules for it",
};
