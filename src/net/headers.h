/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_NET_HEADERS_H
#define AE_NET_HEADERS_H

/* Headers on the wire, all fields big-endian, at any alignment. */

#include <stdint.h>

#define be16(x) __builtin_bswap16(x)
#define be32(x) __builtin_bswap32(x)

#define ETHERNET_ADDRESS 6

/* RFC 894 */
struct ethernet {
    uint8_t destination[ETHERNET_ADDRESS];
    uint8_t source[ETHERNET_ADDRESS];
    uint16_t type;
} __attribute__((packed));

#define TYPE_IPV4 0x0800
#define TYPE_ARP  0x0806
#define TYPE_VLAN 0x8100
#define TYPE_QINQ 0x88A8

/* IEEE 802.1Q, 9.6: behind the type that says that there is one */
struct vlan {
    uint16_t control;
    uint16_t type;
} __attribute__((packed));

#define VLAN_ID 0x0fff

/* RFC 826, for Ethernet and IPv4 */
struct arp {
    uint16_t hrd;
    uint16_t pro;
    uint8_t hln;
    uint8_t pln;
    uint16_t op;
    uint8_t sha[ETHERNET_ADDRESS];
    uint32_t spa;
    uint8_t tha[ETHERNET_ADDRESS];
    uint32_t tpa;
} __attribute__((packed));

#define ARP_HRD_ETHERNET 1
#define ARP_OP_REQUEST   1
#define ARP_OP_REPLY     2

/* RFC 791, 3.1 */
struct ipv4 {
    uint8_t version_ihl;
    uint8_t type_of_service;
    uint16_t total_length;
    uint16_t identification;
    uint16_t flags_fragment;
    uint8_t time_to_live;
    uint8_t protocol;
    uint16_t header_checksum;
    uint32_t source;
    uint32_t destination;
} __attribute__((packed));

#define IPV4_DONT_FRAGMENT  0x4000
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_OFFSET_MASK    0x1fff
#define PROTOCOL_ICMP       1
#define PROTOCOL_UDP        17
#define TIME_TO_LIVE        64 /* RFC 1700 */

/* RFC 792 */
struct icmp {
    uint8_t type;
    uint8_t code;
    uint16_t checksum;
    uint16_t identifier;
    uint16_t sequence;
} __attribute__((packed));

#define ICMP_ECHO_REPLY 0
#define ICMP_ECHO       8

/* RFC 768 */
struct udp {
    uint16_t source_port;
    uint16_t destination_port;
    uint16_t length;
    uint16_t checksum;
} __attribute__((packed));

_Static_assert(sizeof(struct ethernet) == 14 && sizeof(struct arp) == 28, "packed");
_Static_assert(sizeof(struct ipv4) == 20 && sizeof(struct udp) == 8, "packed");

#endif
