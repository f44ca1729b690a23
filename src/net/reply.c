/* SPDX-License-Identifier: Apache-2.0 */

/* The headers of what came in, made those of its reply; and what it sums to. */

#include <string.h>

#include "base/checksum.h"
#include "net/net.h"
#include "packet/sum.h"

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
    ip->header_checksum = (uint16_t)~ae_sum_bytes(ip, ae_ipv4_header_length(ip));
    packet->flags = 0;
}

uint16_t ae_net_sum(const struct ae_packet *packet, const void *at, size_t length)
{
    if (__builtin_expect(packet->more, 0))
        return ae_packet_sum(packet, (uint32_t)((const uint8_t *)at - packet->data),
                             (uint32_t)length);
    return ae_sum_bytes(at, length);
}
