/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

/* RFC 826 */
static uint16_t make_request(const struct wire *wire, uint8_t *frame)
{
    struct ethernet ethernet = {.type = be16(TYPE_ARP)};
    struct arp arp = {.hrd = be16(ARP_HRD_ETHERNET),
                      .pro = be16(TYPE_IPV4),
                      .hln = ETHERNET_ADDRESS,
                      .pln = 4,
                      .op = be16(ARP_OP_REQUEST),
                      .spa = wire->ends.far,
                      .tpa = wire->ends.near};

    memset(ethernet.destination, 0xff, ETHERNET_ADDRESS);
    memcpy(ethernet.source, wire->ends.far_mac, ETHERNET_ADDRESS);
    memcpy(arp.sha, wire->ends.far_mac, ETHERNET_ADDRESS);
    memset(frame, 0, FRAME_LEAST);
    memcpy(frame, &ethernet, sizeof(ethernet));
    memcpy(frame + sizeof(ethernet), &arp, sizeof(arp));
    return FRAME_LEAST;
}

uint16_t wire_make(struct wire *wire, uint8_t *frame, const struct wire_frame *what)
{
    struct frame_stamp stamp = {wire->mark, what->number};

    if (!what->size)
        return make_request(wire, frame);
    if (be16(wire->headers.ipv4.total_length) != what->size - sizeof(struct ethernet))
        frame_headers(&wire->headers, &wire->ends, what->size);
    memcpy(frame, &wire->headers, sizeof(wire->headers));
    memcpy(frame + FRAME_HEADERS, &stamp, sizeof(stamp));
    return what->size;
}

static void take_arp(struct wire *wire, const uint8_t *frame, uint32_t length)
{
    struct ethernet ethernet;
    struct arp arp;

    if (length < sizeof(ethernet) + sizeof(arp))
        return;
    memcpy(&ethernet, frame, sizeof(ethernet));
    memcpy(&arp, frame + sizeof(ethernet), sizeof(arp));
    if (ethernet.type != be16(TYPE_ARP) || arp.op != be16(ARP_OP_REPLY) ||
        arp.spa != wire->ends.near)
        return;
    memcpy(wire->ends.near_mac, arp.sha, ETHERNET_ADDRESS);
    wire->headers.ipv4.total_length = 0; /* are made anew */
}

bool wire_take(struct wire *wire, const uint8_t *frame, uint32_t length, struct wire_frame *what)
{
    if (frame_is_answer(frame, length, &wire->ends, wire->mark, &what->number, &what->size))
        return true;
    take_arp(wire, frame, length);
    wire->strange++;
    return false;
}
