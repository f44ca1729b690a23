/* SPDX-License-Identifier: Apache-2.0 */

/* IPv4: RFC 791, with the host requirements of RFC 1122, 3.2.1. */

#include "base/checksum.h"
#include "net/net.h"

#define L4_HEADER 8u

_Static_assert(sizeof(struct udp) == L4_HEADER && sizeof(struct icmp) == L4_HEADER, "alike");

/* In the order in which they are looked for. */
static const struct protocol {
    uint8_t number;
    enum ae_net_verdict (*input)(struct ae_net *net, struct ae_packet *packet,
                                 const struct ipv4 *ip, uint8_t *at, uint16_t length,
                                 struct ae_datagram *datagram);
} protocols[] = {
    {PROTOCOL_UDP, ae_udp_input},
    {PROTOCOL_ICMP, ae_icmp_input},
};

static const struct protocol *find_protocol(uint8_t number)
{
    for (unsigned i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
        if (protocols[i].number == number)
            return &protocols[i];
    return NULL;
}

/* Room for the header and for what its lengths say; padding behind is legal (RFC 894). total: bytes
 * of the frame. */
static inline bool well_formed(const struct ipv4 *ip, uint32_t total)
{
    uint32_t room = total - (uint32_t)sizeof(struct ethernet);

    return room >= sizeof(*ip) && ip->version_ihl >> 4 == 4 &&
           ae_ipv4_header_length(ip) >= sizeof(*ip) &&
           be16(ip->total_length) >= ae_ipv4_header_length(ip) && be16(ip->total_length) <= room;
}

/* What is read and changed in place, UDP's and ICMP's header of 8 bytes among it, is in the first
 * packet. A frame in one has all of it there, or its protocol says that it is too short. */
static bool headers_are_split(const struct ae_packet *packet, const struct ipv4 *ip)
{
    return packet->length < sizeof(struct ethernet) + ae_ipv4_header_length(ip) + L4_HEADER;
}

static inline bool good_checksum(struct ae_packet *packet, const struct ipv4 *ip)
{
    if (packet->flags & (AE_PACKET_IPV4_GOOD | AE_PACKET_IPV4_BAD))
        return packet->flags & AE_PACKET_IPV4_GOOD;
    return ae_sum_bytes(ipv4_of(packet), ae_ipv4_header_length(ip)) == 0xffff;
}

/* RFC 1122, 3.2.1.3: addresses that no packet may come from; and ours, which comes from us only. */
static inline bool possible_source(const struct ae_net *net, uint32_t source)
{
    uint8_t first = (uint8_t)source;

    return first != 0 && first != 127 && first < 224 && source != net->options.address.be &&
           !ae_ipv4_is_subnet_broadcast(net, source);
}

static inline bool for_us(const struct ae_net *net, uint32_t destination)
{
    return destination == net->options.address.be || destination == UINT32_MAX ||
           ae_ipv4_is_subnet_broadcast(net, destination);
}

/* several: the frame is in more than one packet. Made twice, so that one in one is not asked. */
static inline __attribute__((always_inline)) enum ae_net_verdict input(struct ae_net *net,
                                                                       struct ae_packet *packet,
                                                                       struct ae_datagram *datagram,
                                                                       const bool several)
{
    const struct protocol *protocol = NULL;
    uint64_t *reason = NULL;
    uint16_t header;
    struct ipv4 ip = {0}; /* in a packet too short for one it stays malformed */

    if (packet->length >= sizeof(struct ethernet) + sizeof(ip))
        ae_net_read(&ip, ipv4_of(packet), sizeof(ip));
    if (!well_formed(&ip, several ? ae_packet_total(packet) : packet->length))
        reason = &net->counts.ipv4_malformed;
    else if (several && headers_are_split(packet, &ip))
        reason = &net->counts.ipv4_segments;
    else if (!good_checksum(packet, &ip))
        reason = &net->counts.ipv4_bad_checksum;
    else if (!for_us(net, ip.destination))
        reason = &net->counts.ipv4_not_for_us;
    else if (!possible_source(net, ip.source))
        reason = &net->counts.ipv4_bad_source;
    else if (be16(ip.flags_fragment) & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET_MASK))
        reason = &net->counts.ipv4_fragment;
    else if (!(protocol = find_protocol(ip.protocol)))
        reason = &net->counts.ipv4_unknown_protocol;
    if (reason) {
        ++*reason;
        return AE_NET_DROP;
    }
    header = ae_ipv4_header_length(&ip);
    if (several)
        ae_packet_trim(packet, (uint32_t)sizeof(struct ethernet) + be16(ip.total_length));
    else
        packet->length = (uint32_t)sizeof(struct ethernet) + be16(ip.total_length);
    return protocol->input(net, packet, &ip, packet->data + sizeof(struct ethernet) + header,
                           (uint16_t)(be16(ip.total_length) - header), datagram);
}

enum ae_net_verdict ae_ipv4_input(struct ae_net *net, struct ae_packet *packet, uint64_t now,
                                  struct ae_datagram *datagram)
{
    (void)now;
    if (__builtin_expect(packet->more, 0))
        return input(net, packet, datagram, true);
    return input(net, packet, datagram, false);
}
