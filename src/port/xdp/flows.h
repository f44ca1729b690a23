/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_XDP_FLOWS_H
#define AE_PORT_XDP_FLOWS_H

/* Which frames come to a port over AF_XDP; the kernel's stack has all others. */

#include <stdbool.h>
#include <stdint.h>

#include "port/owner.h"

#define XDP_ADDRESSES 8
#define XDP_PORTS     8

/*
 * A frame has to be of each kind that is named. Addresses alone take all of IPv4 to them, and what
 * ARP says to them; with ports they take no ARP, for the kernel answers for the same address then.
 */
struct xdp_flows {
    bool all;
    uint16_t vlan;                     /* 0: with any tag, or none */
    uint32_t addresses[XDP_ADDRESSES]; /* destinations, network byte order; groups among them */
    unsigned address_count;
    uint16_t udp[XDP_PORTS], tcp[XDP_PORTS]; /* destinations, host byte order */
    unsigned udp_count, tcp_count;
};

/* As the port's spec says. -EINVAL: it says nothing, or what cannot be. */
int ae_xdp_flows_parse(struct xdp_flows *flows, const struct ae_port_owner *owner,
                       struct ae_error *err);

#endif
