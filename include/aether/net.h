/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_NET_H
#define AETHER_NET_H

/*
 * The least network that is useful: Ethernet, ARP, IPv4, ICMP echo, UDP. One struct ae_net is one
 * host on one wire. Packets go in and come out in place: nothing is copied, allocated (after
 * ae_net_create), locked or asked of the kernel, and there is no state outside the struct, so it
 * works in any process. One thread at a time.
 *
 * Everything is verified before it is used. Not supported, and dropped with a count: VLAN tags,
 * IPv4 fragments (there is no reassembly), IPv6. IPv4 options are skipped.
 *
 * A frame may be in several packets (struct ae_packet), received or sent, as those that are longer
 * than a buffer are: sums are taken over all of them, and replies have as many. Its headers, UDP's
 * or ICMP's among them, have to be in the first; else it is dropped with a count.
 *
 * Times are nanoseconds of one monotonic clock, the caller's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <aether/error.h>
#include <aether/packet.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An IPv4 address in network byte order. */
typedef struct {
    uint32_t be;
} ae_ipv4_t;

#define AE_IPV4_TEXT 16

/* "10.77.0.2"; -EINVAL for anything else. */
int ae_ipv4_parse(const char *text, ae_ipv4_t *address);
void ae_ipv4_format(ae_ipv4_t address, char text[AE_IPV4_TEXT]);

/* The MAC address to which a group's datagrams go (RFC 1112, 6.4), for struct ae_port_filter. 32
 * groups share one. -EINVAL: no group, 224.0.0.0 to 239.255.255.255. */
int ae_ipv4_group_mac(ae_ipv4_t group, uint8_t mac[6]);

/* "10.77.0.2/24". */
int ae_ipv4_parse_prefix(const char *text, ae_ipv4_t *address, uint8_t *prefix);

struct ae_net;

struct ae_net_options {
    uint8_t mac[6];
    ae_ipv4_t address;
    uint8_t prefix;             /* bits, 1 to 32 */
    ae_ipv4_t gateway;          /* 0: none */
    uint16_t mtu;               /* bytes of IPv4 packet, 68 to 9000; 0: 1500 */
    bool offload_ipv4_checksum; /* the port fills in what we send (enum ae_port_feature) */
    bool offload_udp_checksum;
};

int ae_net_create(struct ae_net **net, const struct ae_net_options *options, struct ae_error *err);
void ae_net_destroy(struct ae_net *net); /* NULL is allowed */

/* The same in memory of the caller's: ae_net_size() bytes, zeroed, aligned to 8, and his again
 * after ae_net_destroy. */
size_t ae_net_size(void);
int ae_net_create_at(struct ae_net **net, void *memory, const struct ae_net_options *options,
                     struct ae_error *err);

/*
 * A UDP datagram inside a packet. Valid as long as the packet is the caller's. Where that has more
 * segments, they have what is not in it of the payload; ae_packet_read finds all of it, from
 * payload - packet->data on.
 */
struct ae_datagram {
    ae_ipv4_t source;
    ae_ipv4_t destination;
    uint16_t source_port; /* host byte order */
    uint16_t destination_port;
    uint16_t length;  /* bytes of payload */
    bool changed;     /* set it when you have written to the payload: it is summed anew */
    uint8_t *payload; /* its first byte, in the first packet if it has any there */
};

/*
 * May one who returns datagrams return this one? Not what was sent to everybody (RFC 1122, 3.2.1.3:
 * no host answers from such an address), not what has no port to go to, and not what another that
 * returns them has sent: from the port to which it came, or from echo's own, 7 (RFC 862), which
 * would never end.
 */
bool ae_net_may_return(const struct ae_net *net, const struct ae_datagram *datagram);

enum ae_net_verdict {
    AE_NET_DROP,  /* done with, or not for us: put the packet back. The reason is counted. */
    AE_NET_REPLY, /* the packet is now a reply (ARP, ICMP echo): send it */
    AE_NET_UDP,   /* a valid datagram for this host: see *datagram */
};

enum ae_net_verdict ae_net_input(struct ae_net *net, struct ae_packet *packet, uint64_t now,
                                 struct ae_datagram *datagram);

/*
 * Turns a received datagram around: addresses and ports swapped, payload as it is. Send the packet.
 * The checksum stays the one that came with the payload, unless you say that you changed that.
 */
void ae_net_udp_reply(struct ae_net *net, struct ae_packet *packet,
                      const struct ae_datagram *datagram);

/*
 * Finds the MAC address behind an IPv4 address: its own if on our subnet, else the gateway's.
 * 0: known. -EAGAIN: not yet. Whatever the result: if request->length is not 0, it is an ARP
 * request to send now. Requests go out once a second; after three without an answer the result is
 * -EHOSTUNREACH for 20 s. What has been known for a minute is asked for anew, and stays known
 * meanwhile, for 20 s more at most: call this now and then, and make the flow anew after it.
 * -ENETUNREACH: not on our subnet, and there is no gateway.
 */
int ae_net_resolve(struct ae_net *net, ae_ipv4_t to, struct ae_packet *request, uint64_t now);

/* Headers made once for a peer, so that sending is one copy and two sums. */
struct ae_udp_flow {
    uint8_t header[42]; /* Ethernet, IPv4, UDP */
    uint16_t reserved;
    uint32_t ipv4_sum; /* of the header without length, identification */
    uint32_t udp_sum;  /* of addresses, protocol and ports */
};

/* The next hop must be resolved (else -EHOSTUNREACH). Make it anew when the peer's MAC may
 * change. */
int ae_net_flow(struct ae_net *net, struct ae_udp_flow *flow, ae_ipv4_t to, uint16_t to_port,
                uint16_t from_port, struct ae_error *err);

/*
 * Puts the flow's headers before the payload that is in the packet, and in those behind it where it
 * has more segments; the packet needs 42 bytes of headroom. -EMSGSIZE: longer than the MTU allows;
 * nothing was changed.
 */
int ae_net_udp_send(struct ae_net *net, const struct ae_udp_flow *flow, struct ae_packet *packet);

struct ae_net_counter {
    const char *name;
    const char *description;
    uint64_t value;
};

/* Returns how many there are; fills at most `count`. */
unsigned ae_net_get_counters(const struct ae_net *net, struct ae_net_counter *counters,
                             unsigned count);

#ifdef __cplusplus
}
#endif

#endif
