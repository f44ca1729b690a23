/* SPDX-License-Identifier: Apache-2.0 */
#include "port/sendable.h"

#define IP_HEADER  20u /* the shortest */
#define UDP_HEADER 8u
#define TCP_HEADER 20u

struct ae_sendable ae_sendable_make(const struct ae_pool *pool, uint32_t longest)
{
    uint32_t room = pool->packets[0].buffer_size - AE_PACKET_SEND_HEADROOM;

    if (longest > room)
        longest = room;
    return (struct ae_sendable){
        .pool = pool, .span = longest - AE_FRAME_MIN, .spare = room - longest};
}

bool ae_offload_is_sound(const struct ae_packet *packet)
{
    bool udp = packet->flags & AE_PACKET_SEND_UDP_CHECKSUM;
    bool tcp = packet->flags & AE_PACKET_SEND_TCP_CHECKSUM;
    uint32_t l4_header = tcp ? TCP_HEADER : udp ? UDP_HEADER : 0;

    /* The offsets tell the device where to read and write: inside the frame, or not at all. */
    return !(udp && tcp) && packet->l3_offset >= AE_FRAME_MIN &&
           packet->l4_offset >= packet->l3_offset + IP_HEADER &&
           packet->length >= packet->l4_offset + l4_header;
}
