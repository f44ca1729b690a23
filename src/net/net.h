/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_NET_NET_H
#define AE_NET_NET_H

#include <string.h>

#include <aether/net.h>

#include "net/headers.h"

/* X(name, description): what is counted; drops first. */
#define AE_NET_COUNTERS(X)                                            \
    X(ethernet_short, "shorter than an Ethernet header")              \
    X(ethernet_other_host, "for another MAC address")                 \
    X(ethernet_bad_source, "from a multicast or zero MAC address")    \
    X(ethernet_vlan, "VLAN tag other than 0")                         \
    X(ethernet_unknown_type, "neither ARP nor IPv4")                  \
    X(arp_malformed, "ARP: lengths, types or operation")              \
    X(arp_bad_sender, "ARP: impossible sender")                       \
    X(arp_not_for_us, "ARP: about another host")                      \
    X(arp_conflict, "ARP: another host uses our address")             \
    X(ipv4_malformed, "IPv4: version, header length or total length") \
    X(ipv4_segments, "IPv4: headers not all in the first packet")     \
    X(ipv4_bad_checksum, "IPv4: header checksum")                     \
    X(ipv4_fragment, "IPv4: fragment, not reassembled")               \
    X(ipv4_bad_source, "IPv4: impossible source address")             \
    X(ipv4_not_for_us, "IPv4: for another host")                      \
    X(ipv4_unknown_protocol, "IPv4: neither ICMP nor UDP")            \
    X(icmp_malformed, "ICMP: too short")                              \
    X(icmp_bad_checksum, "ICMP: checksum")                            \
    X(icmp_ignored, "ICMP: not an echo request to our address")       \
    X(udp_malformed, "UDP: length")                                   \
    X(udp_bad_checksum, "UDP: checksum")                              \
    X(arp_replies_sent, "ARP requests answered")                      \
    X(arp_requests_sent, "ARP requests made")                         \
    X(arp_learnt, "ARP entries made or renewed")                      \
    X(icmp_echoes, "ICMP echo requests answered")                     \
    X(udp_received, "UDP datagrams delivered")                        \
    X(udp_sent, "UDP datagrams made")

struct ae_net_counts {
#define X(name, description) uint64_t name;
    AE_NET_COUNTERS(X)
#undef X
};

#define AE_ARP_ENTRIES 64

enum ae_arp_state {
    AE_ARP_FREE,
    AE_ARP_ASKING,
    AE_ARP_KNOWN,
    AE_ARP_REFRESHING, /* known, and asked for anew */
    AE_ARP_FAILED,
};

struct ae_arp_entry {
    ae_ipv4_t address;
    uint8_t mac[ETHERNET_ADDRESS];
    uint8_t state; /* enum ae_arp_state */
    uint8_t tries;
    uint64_t since; /* ns: of the last request, the last answer, or the failure */
    uint64_t until; /* ns: while it is refreshed, until when it may be used without an answer */
};

struct ae_net {
    struct ae_net_options options;
    uint32_t mask; /* as on the wire */
    bool ours;     /* its memory */
    uint16_t identification;
    struct ae_net_counts counts;
    struct ae_arp_entry arp[AE_ARP_ENTRIES];
};

/* Rows of the table of types (ethernet.c). */
enum ae_net_verdict ae_arp_input(struct ae_net *net, struct ae_packet *packet, uint64_t now,
                                 struct ae_datagram *datagram);
enum ae_net_verdict ae_ipv4_input(struct ae_net *net, struct ae_packet *packet, uint64_t now,
                                  struct ae_datagram *datagram);

/*
 * Rows of the table of protocols (ipv4.c). ip: the header, as read once; length: of its payload,
 * which begins at `at` in the first packet. Of a frame in several, 8 bytes of it are there.
 */
enum ae_net_verdict ae_icmp_input(struct ae_net *net, struct ae_packet *packet,
                                  const struct ipv4 *ip, uint8_t *at, uint16_t length,
                                  struct ae_datagram *datagram);
enum ae_net_verdict ae_udp_input(struct ae_net *net, struct ae_packet *packet,
                                 const struct ipv4 *ip, uint8_t *at, uint16_t length,
                                 struct ae_datagram *datagram);

/*
 * Reads a header once, whole: a buffer may be shared with a peer who writes to it still, and what
 * was checked must be what is used.
 */
static inline void ae_net_read(void *header, const void *from, size_t size)
{
    memcpy(header, from, size);
    __asm__ volatile("" ::: "memory"); /* so that the compiler cannot read it again instead */
}

/* As ae_sum_bytes, of `length` bytes of the frame from `at` on, which is in its first packet. */
uint16_t ae_net_sum(const struct ae_packet *packet, const void *at, size_t length);

/* Who is asked for the way to an address: itself, or the gateway. -ENETUNREACH: there is none. */
int ae_arp_next_hop(const struct ae_net *net, ae_ipv4_t to, ae_ipv4_t *hop);

/* The MAC address of the next hop, or NULL while it is not known. */
const uint8_t *ae_arp_find(struct ae_net *net, ae_ipv4_t to);

/* An IPv4 header before us in the packet, turned around for a reply: addresses, TTL, checksum. */
void ae_ipv4_turn(struct ae_net *net, struct ae_packet *packet);

static inline bool ae_mac_is_zero(const uint8_t *mac)
{
    static const uint8_t zero[ETHERNET_ADDRESS];

    return memcmp(mac, zero, ETHERNET_ADDRESS) == 0;
}

/* RFC 3021: a /31 has none; nor has a host alone. */
static inline bool ae_ipv4_is_subnet_broadcast(const struct ae_net *net, uint32_t address)
{
    return net->options.prefix < 31 && address == (net->options.address.be | ~net->mask);
}

static inline uint16_t ae_ipv4_header_length(const struct ipv4 *ip)
{
    return (uint16_t)((ip->version_ihl & 0xf) * 4);
}

static inline struct ethernet *ethernet_of(struct ae_packet *packet)
{
    return (struct ethernet *)packet->data;
}

static inline struct ipv4 *ipv4_of(struct ae_packet *packet)
{
    return (struct ipv4 *)(packet->data + sizeof(struct ethernet));
}

#endif
