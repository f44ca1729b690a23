/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BENCH_FRAME_H
#define AE_BENCH_FRAME_H

/*
 * The frames of a benchmark: Ethernet, IPv4, UDP, and behind those a number. The measuring side
 * makes them and knows its own again, a contender turns them.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/checksum.h"
#include "net/headers.h"

#define FRAME_HEADERS 42
#define FRAME_LEAST   64 /* bytes, without FCS */
#define FRAME_MOST    1514

struct frame_headers {
    struct ethernet ethernet;
    struct ipv4 ipv4;
    struct udp udp;
} __attribute__((packed));

struct frame_stamp {
    uint32_t mark;   /* of one run: what is left over from the one before has another */
    uint32_t number; /* from 0 */
} __attribute__((packed));

/* The two ends of the wire; the measuring side is the far one. */
struct frame_ends {
    uint8_t far_mac[ETHERNET_ADDRESS], near_mac[ETHERNET_ADDRESS];
    uint32_t far, near; /* IPv4, as on the wire */
    uint16_t far_port, near_port;
};

/* The headers of a frame of `size` bytes from the far end to the near one. */
void frame_headers(struct frame_headers *headers, const struct frame_ends *ends, uint16_t size);

/* Is this frame of `length` bytes an answer of that run's? Then its number, and its size as sent.
 */
bool frame_is_answer(const uint8_t *frame, uint32_t length, const struct frame_ends *ends,
                     uint32_t mark, uint32_t *number, uint16_t *size);

/* Turned into its answer, in place. False: it is no whole frame of this kind, or its sum is wrong.
 * Every contender does this to every frame, but those for which the kernel does. */
static inline bool frame_turn(uint8_t *frame, uint32_t length)
{
    struct frame_headers *headers = (struct frame_headers *)(void *)frame;
    uint8_t mac[ETHERNET_ADDRESS];
    uint32_t words[5], part;

    if (length < FRAME_HEADERS || headers->ethernet.type != be16(TYPE_IPV4) ||
        headers->ipv4.version_ihl != 0x45 || headers->ipv4.protocol != PROTOCOL_UDP ||
        (headers->ipv4.flags_fragment & be16(IPV4_MORE_FRAGMENTS | IPV4_OFFSET_MASK)) ||
        be16(headers->ipv4.total_length) > length - sizeof(struct ethernet) ||
        be16(headers->ipv4.total_length) < sizeof(struct ipv4) + sizeof(struct udp) ||
        be16(headers->udp.length) < sizeof(struct udp) ||
        be16(headers->udp.length) > be16(headers->ipv4.total_length) - sizeof(struct ipv4))
        return false;
    memcpy(words, &headers->ipv4, sizeof(words));
    if (ae_sum_fold((uint64_t)words[0] + words[1] + words[2] + words[3] + words[4]) != 0xffff)
        return false;
    memcpy(mac, headers->ethernet.destination, sizeof(mac));
    memcpy(headers->ethernet.destination, headers->ethernet.source, sizeof(mac));
    memcpy(headers->ethernet.source, mac, sizeof(mac));
    part = headers->ipv4.source;
    headers->ipv4.source = headers->ipv4.destination;
    headers->ipv4.destination = part;
    memcpy(&part, &headers->udp, sizeof(part)); /* both ports */
    part = part << 16 | part >> 16;
    memcpy(&headers->udp, &part, sizeof(part));
    return true;
}

#endif
