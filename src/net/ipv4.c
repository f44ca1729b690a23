/* SPDX-License-Identifier: Apache-2.0 */

/* IPv4: RFC 791, with the host requirements of RFC 1122, 3.2.1. */

#include <string.h>

#include "base/checksum.h"
#include "net/net.h"

static uint16_t header_length(const struct ipv4 *ip)
{
    return (uint16_t)((ip->version_ihl & 0xf) * 4);
}

/* Room for the header and for what its lengths say; padding behind is legal (RFC 894). */
static bool well_formed(const struct ae_packet *packet, const struct ipv4 *ip)
{
    uint32_t room = packet->length - (uint32_t)sizeof(struct ethernet);

    return room >= sizeof(*ip) && ip->version_ihl >> 4 == 4 && header_length(ip) >= sizeof(*ip) &&
           be16(ip->total_length) >= header_length(ip) && be16(ip->total_length) <= room;
}

static bool good_checksum(struct ae_packet *packet, const struct ipv4 *ip)
{
    if (packet->flags & (AE_PACKET_IPV4_GOOD | AE_PACKET_IPV4_BAD))
        return packet->flags & AE_PACKET_IPV4_GOOD;
    return ae_sum_bytes(ipv4_of(packet), header_length(ip)) == 0xffff;
}

/* RFC 1122, 3.2.1.3: addresses that no packet may come from; and ours, which comes from us only. */
static bool possible_source(const struct ae_net *net, uint32_t source)
{
    uint8_t first = (uint8_t)source;

    return first != 0 && first != 127 && first < 224 && source != net->options.address.be &&
           !ae_ipv4_is_subnet_broadcast(net, source);
}

static bool for_us(const struct ae_net *net, uint32_t destination)
{
    return destination == net->options.address.be || destination == UINT32_MAX ||
           ae_ipv4_is_subnet_broadcast(net, destination);
}

enum ae_net_verdict ae_ipv4_input(struct ae_net *net, struct ae_packet *packet,
                                  struct ae_datagram *datagram)
{
    uint64_t *reason = NULL;
    uint16_t header, length;
    struct ipv4 own = {0}, *ip = &own; /* in a packet too short for one it stays malformed */

    if (packet->length >= sizeof(struct ethernet) + sizeof(own))
        ae_net_read(&own, ipv4_of(packet), sizeof(own));
    if (!well_formed(packet, ip))
        reason = &net->counts.ipv4_malformed;
    else if (!good_checksum(packet, ip))
        reason = &net->counts.ipv4_bad_checksum;
    else if (!for_us(net, ip->destination))
        reason = &net->counts.ipv4_not_for_us;
    else if (!possible_source(net, ip->source))
        reason = &net->counts.ipv4_bad_source;
    else if (be16(ip->flags_fragment) & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET_MASK))
        reason = &net->counts.ipv4_fragment;
    else if (ip->protocol != PROTOCOL_UDP && ip->protocol != PROTOCOL_ICMP)
        reason = &net->counts.ipv4_unknown_protocol;
    if (reason) {
        ++*reason;
        return AE_NET_DROP;
    }
    header = header_length(ip);
    length = (uint16_t)(be16(ip->total_length) - header);
    packet->length = (uint32_t)sizeof(struct ethernet) + be16(ip->total_length);
    if (ip->protocol == PROTOCOL_UDP)
        return ae_udp_input(net, packet, ip, packet->data + sizeof(struct ethernet) + header,
                            length, datagram);
    return ae_icmp_input(net, packet, packet->data + sizeof(struct ethernet) + header, length);
}

void ae_ipv4_turn(struct ae_net *net, struct ae_packet *packet)
{
    struct ethernet *ethernet = ethernet_of(packet);
    struct ipv4 *ip = ipv4_of(packet);

    memcpy(ethernet->destination, ethernet->source, ETHERNET_ADDRESS);
    memcpy(ethernet->source, net->options.mac, ETHERNET_ADDRESS);
    ip->destination = ip->source;
    ip->source = net->options.address.be;
    ip->time_to_live = TIME_TO_LIVE;
    ip->type_of_service = 0;
    /* RFC 6864, 4.1: an atomic datagram's identification carries no meaning. */
    ip->flags_fragment = be16(IPV4_DONT_FRAGMENT);
    ip->header_checksum = 0;
    ip->header_checksum = (uint16_t)~ae_sum_bytes(ip, header_length(ip));
    packet->flags = 0;
}
