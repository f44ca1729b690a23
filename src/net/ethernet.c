/* SPDX-License-Identifier: Apache-2.0 */

/* Ethernet: which frames are for us, and who reads them. RFC 894; IEEE 802.1Q. */

#include <string.h>

#include "net/net.h"

static enum ae_net_verdict dispatch(struct ae_net *net, struct ae_packet *packet, uint64_t now,
                                    struct ae_datagram *datagram);

/* VLAN 0 is none: such a tag tells a priority only. */
static bool is_priority(struct ae_packet *packet)
{
    const struct ethernet *ethernet = ethernet_of(packet);
    const struct vlan *vlan = (const struct vlan *)(ethernet + 1);

    return ethernet->type == be16(TYPE_VLAN) &&
           packet->length >= sizeof(*ethernet) + sizeof(*vlan) &&
           (vlan->control & be16(VLAN_ID)) == 0 && vlan->type != be16(TYPE_VLAN);
}

static enum ae_net_verdict vlan_input(struct ae_net *net, struct ae_packet *packet, uint64_t now,
                                      struct ae_datagram *datagram)
{
    if (!is_priority(packet)) {
        net->counts.ethernet_vlan++;
        return AE_NET_DROP;
    }
    memmove(packet->data + sizeof(struct vlan), packet->data, 2 * ETHERNET_ADDRESS);
    packet->data += sizeof(struct vlan);
    packet->length -= (uint32_t)sizeof(struct vlan);
    return dispatch(net, packet, now, datagram);
}

/* In the order in which they are looked for. */
static const struct {
    uint16_t type; /* as on the wire */
    enum ae_net_verdict (*input)(struct ae_net *net, struct ae_packet *packet, uint64_t now,
                                 struct ae_datagram *datagram);
} types[] = {
    {be16(TYPE_IPV4), ae_ipv4_input},
    {be16(TYPE_ARP), ae_arp_input},
    {be16(TYPE_VLAN), vlan_input},
    {be16(TYPE_QINQ), vlan_input},
};

static enum ae_net_verdict dispatch(struct ae_net *net, struct ae_packet *packet, uint64_t now,
                                    struct ae_datagram *datagram)
{
    uint16_t type = ethernet_of(packet)->type;

    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (types[i].type == type)
            return types[i].input(net, packet, now, datagram);
    net->counts.ethernet_unknown_type++;
    return AE_NET_DROP;
}

enum ae_net_verdict ae_net_input(struct ae_net *net, struct ae_packet *packet, uint64_t now,
                                 struct ae_datagram *datagram)
{
    const struct ethernet *ethernet = ethernet_of(packet);

    if (packet->length < sizeof(*ethernet)) {
        net->counts.ethernet_short++;
        return AE_NET_DROP;
    }
    if (!(ethernet->destination[0] & 1) &&
        memcmp(ethernet->destination, net->options.mac, ETHERNET_ADDRESS) != 0) {
        net->counts.ethernet_other_host++;
        return AE_NET_DROP;
    }
    if (ethernet->source[0] & 1 || ae_mac_is_zero(ethernet->source)) {
        net->counts.ethernet_bad_source++;
        return AE_NET_DROP;
    }
    return dispatch(net, packet, now, datagram);
}
