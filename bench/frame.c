/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

void frame_headers(struct frame_headers *headers, const struct frame_ends *ends, uint16_t size)
{
    uint16_t packet = (uint16_t)(size - sizeof(struct ethernet));

    *headers = (struct frame_headers){
        .ethernet = {.type = be16(TYPE_IPV4)},
        .ipv4 = {.version_ihl = 0x45,
                 .total_length = be16(packet),
                 .flags_fragment = be16(IPV4_DONT_FRAGMENT),
                 .time_to_live = TIME_TO_LIVE,
                 .protocol = PROTOCOL_UDP,
                 .source = ends->far,
                 .destination = ends->near},
        .udp = {.source_port = be16(ends->far_port),
                .destination_port = be16(ends->near_port),
                .length = be16((uint16_t)(packet - sizeof(struct ipv4)))}}; /* no sum */
    memcpy(headers->ethernet.destination, ends->near_mac, ETHERNET_ADDRESS);
    memcpy(headers->ethernet.source, ends->far_mac, ETHERNET_ADDRESS);
    headers->ipv4.header_checksum = (uint16_t)~ae_sum_bytes(&headers->ipv4, sizeof(struct ipv4));
}

bool frame_is_answer(const uint8_t *frame, uint32_t length, const struct frame_ends *ends,
                     uint32_t mark, uint32_t *number, uint16_t *size)
{
    struct frame_headers headers;
    struct frame_stamp stamp;

    if (length < FRAME_HEADERS + sizeof(stamp))
        return false;
    memcpy(&headers, frame, sizeof(headers));
    memcpy(&stamp, frame + FRAME_HEADERS, sizeof(stamp));
    *number = stamp.number;
    *size = (uint16_t)(be16(headers.ipv4.total_length) + sizeof(struct ethernet));
    return stamp.mark == mark && headers.ethernet.type == be16(TYPE_IPV4) &&
           headers.ipv4.version_ihl == 0x45 && headers.ipv4.protocol == PROTOCOL_UDP &&
           *size <= length && headers.ipv4.source == ends->near &&
           headers.ipv4.destination == ends->far &&
           headers.udp.source_port == be16(ends->near_port) &&
           headers.udp.destination_port == be16(ends->far_port) &&
           be16(headers.udp.length) == *size - sizeof(struct ethernet) - sizeof(struct ipv4) &&
           memcmp(headers.ethernet.destination, ends->far_mac, ETHERNET_ADDRESS) == 0;
}
