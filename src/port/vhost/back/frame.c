/* SPDX-License-Identifier: Apache-2.0 */

/* Frames between a peer's memory and packets: what both forms of ring need, off the fast path. */

#include "base/checksum.h"
#include "base/unset.h"
#include "packet/sum.h"
#include "port/vhost/back/ring.h"

void ae_vhost_set_limits(struct ae_vhost_ring *ring, const struct ae_pool *pool, uint32_t longest)
{
    uint32_t room = pool->buffer_size - AE_PACKET_HEADROOM;

    ring->frame_max = longest;
    ring->packet_max = longest < room ? longest : room;
    ring->sendable = ae_sendable_make(pool, longest, AE_FRAME_SEGMENTS);
}

uint8_t *ae_vhost_find(struct ae_vhost_ring *ring, uint64_t address, uint32_t length)
{
    for (unsigned i = 0; i < ring->memory->count; i++) {
        const struct ae_vhost_region *region = &ring->memory->regions[i];
        uint64_t offset = address - region->first;

        if (offset < region->size && length <= region->size - offset) {
            ring->recent = *region;
            return region->at + offset;
        }
    }
    return NULL;
}

/* 5.1.6.4.2: without the features that allow it, neither partial checksums nor large segments. */
static bool header_is_plain(const struct virtio_net_hdr *header)
{
    return header->flags == 0 && header->gso_type == VIRTIO_NET_HDR_GSO_NONE;
}

bool ae_vhost_gather(const struct ae_vhost_ring *ring, const struct ae_vhost_buffer *buffer,
                     struct ae_packet *packet, struct ae_queue_counters *counters)
{
    struct virtio_net_hdr header AE_UNSET;
    uint32_t have = 0, total = 0;

    for (unsigned i = 0; i < buffer->count; i++) {
        struct ae_vhost_piece piece = buffer->pieces[i];

        if (have < sizeof(header)) {
            uint32_t part = piece.length;

            if (part > sizeof(header) - have)
                part = (uint32_t)sizeof(header) - have;
            memcpy((uint8_t *)&header + have, piece.at, part);
            have += part;
            piece.at += part;
            piece.length -= part;
        }
        if (piece.length > ring->frame_max - total) {
            counters->receive_errors++;
            return false;
        }
        if (piece.length && ae_packet_append(packet, piece.at, piece.length)) {
            counters->receive_no_buffer++;
            return false;
        }
        total += piece.length;
    }
    if (have < sizeof(header) || total < AE_FRAME_MIN || !header_is_plain(&header)) {
        counters->receive_errors++;
        return false;
    }
    counters->received_bytes += total - packet->length;
    return true;
}

bool ae_vhost_gather_piece(const struct ae_vhost_ring *ring, uint8_t *at, uint32_t length,
                           struct ae_packet *packet, struct ae_queue_counters *counters)
{
    struct ae_vhost_buffer buffer AE_UNSET;

    buffer.count = 1;
    buffer.pieces[0] = (struct ae_vhost_piece){at, length};
    return ae_vhost_gather(ring, &buffer, packet, counters);
}

void ae_vhost_scatter(const struct virtio_net_hdr *header, const struct ae_packet *packet,
                      const struct ae_vhost_piece *pieces, unsigned count)
{
    const uint8_t *from = (const uint8_t *)header;
    uint32_t left = sizeof(*header);

    for (unsigned i = 0; i < count && left; i++) {
        struct ae_vhost_piece piece = pieces[i];

        while (piece.length && left) {
            uint32_t part = piece.length < left ? piece.length : left;

            ae_vhost_copy(piece.at, from, part);
            piece.at += part;
            piece.length -= part;
            from += part;
            left -= part;
            if (!left && packet) {
                from = packet->data;
                left = packet->length;
                packet = ae_packet_next(packet);
            }
        }
    }
}

static void store_sum(uint8_t *field, uint16_t value)
{
    memcpy(field, &value, sizeof(value));
}

/* The field holds the pseudo-header's sum: summing over it gives that of everything. */
static void complete_l4(struct ae_packet *packet, uint32_t start, uint32_t offset)
{
    store_sum(packet->data + start + offset,
              ae_sum_finish(ae_packet_sum(packet, start, UINT32_MAX)));
}

void ae_vhost_checksum(const struct ae_vhost_ring *ring, struct ae_packet *packet,
                       struct virtio_net_hdr *header)
{
    bool tcp = packet->flags & AE_PACKET_SEND_TCP_CHECKSUM;
    uint16_t offset = tcp ? 16 : 6;

    if (packet->flags & AE_PACKET_SEND_IPV4_CHECKSUM) {
        uint8_t *ip = packet->data + packet->l3_offset;

        store_sum(ip + 10, 0);
        store_sum(ip + 10,
                  (uint16_t)~ae_sum_bytes(ip, (uint32_t)packet->l4_offset - packet->l3_offset));
    }
    if (!(packet->flags & (AE_PACKET_SEND_UDP_CHECKSUM | AE_PACKET_SEND_TCP_CHECKSUM)))
        return;
    if (ring->checksum) {
        header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        header->csum_start = packet->l4_offset;
        header->csum_offset = offset;
    } else {
        complete_l4(packet, packet->l4_offset, offset);
    }
}
