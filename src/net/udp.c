/* SPDX-License-Identifier: Apache-2.0 */

/* UDP: RFC 768, RFC 1122, 4.1. */

#include <errno.h>
#include <string.h>

#include "base/checksum.h"
#include "base/error.h"
#include "net/net.h"

#define PORT_ECHO 7 /* RFC 862 */
#define HEADERS   (sizeof(struct ethernet) + sizeof(struct ipv4) + sizeof(struct udp))

_Static_assert(HEADERS == sizeof(((struct ae_udp_flow *)0)->header), "a flow holds all headers");
_Static_assert(HEADERS <= AE_PACKET_HEADROOM, "there is always room for them");

/* Of the pseudo-header and what is at `at`. Not inlined: who need not sum is not to pay for it. */
static __attribute__((noinline)) uint16_t sum(const struct ae_packet *packet, uint32_t source,
                                              uint32_t destination, const void *at, uint16_t length)
{
    return ae_sum_fold(ae_sum_pseudo(source, destination, PROTOCOL_UDP, length) +
                       ae_net_sum(packet, at, length));
}

static bool good_checksum(const struct ae_packet *packet, const struct ipv4 *ip,
                          const struct udp *udp, const uint8_t *at, uint16_t length)
{
    if (udp->checksum == 0)
        return true; /* the sender made none */
    if (packet->flags & (AE_PACKET_L4_GOOD | AE_PACKET_L4_BAD))
        return packet->flags & AE_PACKET_L4_GOOD;
    return sum(packet, ip->source, ip->destination, at, length) == 0xffff;
}

enum ae_net_verdict ae_udp_input(struct ae_net *net, struct ae_packet *packet,
                                 const struct ipv4 *ip, uint8_t *at, uint16_t length,
                                 struct ae_datagram *datagram)
{
    struct udp own = {0}, *udp = &own;

    if (length >= sizeof(own))
        ae_net_read(&own, at, sizeof(own));
    if (be16(udp->length) < sizeof(*udp) || be16(udp->length) > length) {
        net->counts.udp_malformed++;
        return AE_NET_DROP;
    }
    if (!good_checksum(packet, ip, udp, at, be16(udp->length))) {
        net->counts.udp_bad_checksum++;
        return AE_NET_DROP;
    }
    *datagram = (struct ae_datagram){
        .source = {ip->source},
        .destination = {ip->destination},
        .source_port = be16(udp->source_port),
        .destination_port = be16(udp->destination_port),
        .length = (uint16_t)(be16(udp->length) - sizeof(*udp)),
        .payload = at + sizeof(*udp),
    };
    net->counts.udp_received++;
    return AE_NET_UDP;
}

/* RFC 1624: swapping changes no sum, but an answer to a broadcast comes from our own address. */
static uint16_t keep_checksum(const struct ae_net *net, const struct ae_datagram *datagram,
                              uint16_t checksum)
{
    return ae_sum_finish((uint64_t)(uint16_t)~checksum + (uint32_t)~datagram->destination.be +
                         net->options.address.be);
}

void ae_net_udp_reply(struct ae_net *net, struct ae_packet *packet,
                      const struct ae_datagram *datagram)
{
    struct udp *udp = (struct udp *)(datagram->payload - sizeof(*udp));
    uint16_t length = (uint16_t)(datagram->length + sizeof(*udp)), checksum = udp->checksum;

    udp->source_port = be16(datagram->destination_port);
    udp->destination_port = be16(datagram->source_port);
    if (checksum && !datagram->changed) {
        udp->checksum = keep_checksum(net, datagram, checksum);
    } else {
        udp->checksum = 0;
        udp->checksum =
            ae_sum_finish(sum(packet, net->options.address.be, datagram->source.be, udp, length));
    }
    net->counts.udp_sent++;
    ae_ipv4_turn(net, packet);
}

int ae_net_flow(struct ae_net *net, struct ae_udp_flow *flow, ae_ipv4_t to, uint16_t to_port,
                uint16_t from_port, struct ae_error *err)
{
    const uint8_t *mac = ae_arp_find(net, to);
    struct ethernet *ethernet = (struct ethernet *)flow->header;
    struct ipv4 *ip = (struct ipv4 *)(ethernet + 1);
    struct udp *udp = (struct udp *)(ip + 1);
    char text[AE_IPV4_TEXT];

    if (!mac) {
        ae_ipv4_format(to, text);
        return ae_error_set(err, -EHOSTUNREACH, "the way to %s is not known (ARP)", text);
    }
    memset(flow, 0, sizeof(*flow));
    memcpy(ethernet->destination, mac, ETHERNET_ADDRESS);
    memcpy(ethernet->source, net->options.mac, ETHERNET_ADDRESS);
    ethernet->type = be16(TYPE_IPV4);
    ip->version_ihl = 4 << 4 | sizeof(*ip) / 4;
    ip->flags_fragment = be16(IPV4_DONT_FRAGMENT);
    ip->time_to_live = TIME_TO_LIVE;
    ip->protocol = PROTOCOL_UDP;
    ip->source = net->options.address.be;
    ip->destination = to.be;
    udp->source_port = be16(from_port);
    udp->destination_port = be16(to_port);
    flow->ipv4_sum = ae_sum_bytes(ip, sizeof(*ip));
    flow->udp_sum = ae_sum_fold(ae_sum_pseudo(ip->source, ip->destination, PROTOCOL_UDP, 0) +
                                ae_sum_bytes(udp, sizeof(*udp)));
    return 0;
}

bool ae_net_may_return(const struct ae_net *net, const struct ae_datagram *datagram)
{
    return datagram->destination.be == net->options.address.be && datagram->source_port != 0 &&
           datagram->source_port != PORT_ECHO &&
           datagram->source_port != datagram->destination_port;
}

/* Checksums of a finished packet, or the request that the port fills them in. */
static void set_checksums(const struct ae_net *net, const struct ae_udp_flow *flow,
                          struct ae_packet *packet, struct ipv4 *ip, struct udp *udp,
                          uint16_t length)
{
    packet->flags = 0;
    if (net->options.offload_ipv4_checksum)
        packet->flags |= AE_PACKET_SEND_IPV4_CHECKSUM;
    else
        ip->header_checksum = (uint16_t)~ae_sum_fold((uint64_t)flow->ipv4_sum +
                                                     be16((uint16_t)(length + sizeof(*ip))));
    if (net->options.offload_udp_checksum) {
        packet->flags |= AE_PACKET_SEND_UDP_CHECKSUM;
        udp->checksum =
            ae_sum_fold(ae_sum_pseudo(ip->source, ip->destination, PROTOCOL_UDP, length));
    } else {
        udp->checksum = ae_sum_finish((uint64_t)flow->udp_sum + 2 * (uint64_t)be16(length) +
                                      ae_net_sum(packet, udp + 1, length - sizeof(*udp)));
    }
    packet->l3_offset = sizeof(struct ethernet);
    packet->l4_offset = sizeof(struct ethernet) + sizeof(*ip);
}

int ae_net_udp_send(struct ae_net *net, const struct ae_udp_flow *flow, struct ae_packet *packet)
{
    struct ipv4 *ip;
    struct udp *udp;
    uint32_t payload = ae_packet_total(packet);
    uint32_t length = payload + (uint32_t)(sizeof(*ip) + sizeof(*udp));

    if (payload > net->options.mtu || length > net->options.mtu ||
        packet->data - packet->buffer < (ptrdiff_t)HEADERS)
        return -EMSGSIZE;
    packet->data -= HEADERS;
    packet->length += (uint32_t)HEADERS;
    memcpy(packet->data, flow->header, HEADERS);
    ip = ipv4_of(packet);
    udp = (struct udp *)(ip + 1);
    ip->total_length = be16((uint16_t)length);
    udp->length = be16((uint16_t)(length - sizeof(*ip)));
    set_checksums(net, flow, packet, ip, udp, (uint16_t)(length - sizeof(*ip)));
    net->counts.udp_sent++;
    return 0;
}
