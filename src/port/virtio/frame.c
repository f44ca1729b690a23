/* SPDX-License-Identifier: Apache-2.0 */

/* Frames out of the ordinary, whatever the form of the ring: in several packets, or with a checksum
 * that one side leaves to the other. */

#include "base/checksum.h"
#include "packet/sum.h"
#include "port/virtio/driver.h"

/* ---- Received ---- */

bool ae_virtio_checksum_in(struct ae_packet *packet)
{
    struct virtio_net_hdr header;
    uint32_t place;
    uint16_t checksum;

    /* A copy, since the device could change it under us. */
    memcpy(&header, packet->data - AE_VIRTIO_HEADER, sizeof(header));
    __asm__ volatile("" ::: "memory");
    if (header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        place = (uint32_t)header.csum_start + header.csum_offset;
        if (place + sizeof(checksum) > packet->length || header.csum_start < AE_FRAME_MIN)
            return false;
        checksum = ae_sum_finish(ae_packet_sum(packet, header.csum_start, UINT32_MAX));
        memcpy(packet->data + place, &checksum, sizeof(checksum));
        packet->flags = AE_PACKET_L4_GOOD;
    } else if (header.flags & VIRTIO_NET_HDR_F_DATA_VALID) {
        packet->flags = AE_PACKET_L4_GOOD;
    }
    return true;
}

void ae_virtio_drop_merging(struct ae_virtio_driver *driver)
{
    ae_packet_put_burst(driver->merging.packets, driver->merging.count);
    driver->merging.count = 0;
}

static struct ae_packet *drop(struct ae_virtio_driver *driver, struct ae_packet *packet,
                              uint64_t *counter)
{
    ++*counter;
    ae_virtio_drop_merging(driver);
    ae_packet_put(packet);
    return NULL;
}

static void keep(struct ae_virtio_merging *merging, struct ae_packet *packet, uint32_t length)
{
    packet->length = length;
    merging->total += length;
    merging->packets[merging->count++] = packet;
}

/* The first of several: it has the header, and the frame behind it. */
static struct ae_packet *begin(struct ae_virtio_driver *driver, struct ae_packet *packet,
                               uint32_t written, uint16_t num_buffers)
{
    struct ae_queue_counters *counters = driver->base.counters;
    struct ae_virtio_merging *merging = &driver->merging;
    uint32_t length = written - AE_VIRTIO_HEADER;

    if (num_buffers == 0)
        return drop(driver, packet, &counters->receive_bad_descriptors);
    /* Where the next frame begins is not known then. */
    if (num_buffers > merging->ring) {
        ae_packet_put(packet);
        ae_virtio_break(driver, &counters->receive_bad_descriptors);
        return NULL;
    }
    merging->pieces = num_buffers - 1u;
    if (num_buffers > merging->segments)
        return drop(driver, packet, &counters->receive_errors);
    if (length - AE_FRAME_MIN > driver->receive_span)
        return drop(driver, packet, &counters->receive_bad_descriptors);
    merging->total = 0;
    keep(merging, packet, length);
    return NULL;
}

static struct ae_packet *chain(struct ae_virtio_driver *driver)
{
    struct ae_virtio_merging *merging = &driver->merging;
    struct ae_packet **packets = merging->packets;
    uint32_t last = merging->count - 1;

    merging->count = 0;
    for (uint32_t i = 0; i < last; i++) {
        packets[i]->next = packets[i + 1];
        packets[i]->more = (uint8_t)(last - i);
    }
    if (!driver->checksum_in || ae_virtio_checksum_in(packets[0]))
        return packets[0];
    return drop(driver, packets[0], &driver->base.counters->receive_bad_descriptors);
}

static struct ae_packet *add(struct ae_virtio_driver *driver, struct ae_packet *packet,
                             uint32_t written)
{
    struct ae_queue_counters *counters = driver->base.counters;
    struct ae_virtio_merging *merging = &driver->merging;

    merging->pieces--;
    if (merging->count == 0) {
        ae_packet_put(packet);
        return NULL;
    }
    if (written == 0 || written > driver->space)
        return drop(driver, packet, &counters->receive_bad_descriptors);
    if (written > merging->longest - merging->total)
        return drop(driver, packet, &counters->receive_errors);
    /* There is no header: the frame goes on where one would be. */
    packet->data -= AE_VIRTIO_HEADER;
    keep(merging, packet, written);
    return merging->pieces ? NULL : chain(driver);
}

struct ae_packet *ae_virtio_merge(struct ae_virtio_driver *driver, struct ae_packet *packet,
                                  uint32_t written)
{
    bool one_more = driver->merging.pieces > 0;
    uint16_t num_buffers = 1;

    if (!one_more && driver->mergeable)
        num_buffers = ae_virtio_num_buffers(packet);
    if (!one_more && num_buffers == 1)
        return ae_virtio_accept(driver, packet, written, driver->checksum_in) ? packet : NULL;
    ae_packet_renew(packet);
    return one_more ? add(driver, packet, written) : begin(driver, packet, written, num_buffers);
}

/* ---- Sent ---- */

bool ae_virtio_checksum_out(struct ae_packet *packet)
{
    bool tcp = packet->flags & AE_PACKET_SEND_TCP_CHECKSUM;
    struct virtio_net_hdr header = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .csum_start = packet->l4_offset,
        .csum_offset = tcp ? 16 : 6,
    };

    if (!ae_offload_is_sound(packet))
        return false;
    memcpy(packet->data - AE_VIRTIO_HEADER, &header, sizeof(header));
    return true;
}

uint32_t ae_virtio_prepare_chain(struct ae_packet *packet)
{
    uint32_t bytes = ae_packet_total(packet);

    if (packet->flags & AE_VIRTIO_SEND_CHECKSUM)
        ae_virtio_checksum_out(packet);
    else
        memset(packet->data - AE_VIRTIO_HEADER, 0, AE_VIRTIO_HEADER);
    for (; packet; packet = ae_packet_next(packet))
        packet->in_pool = true;
    return bytes;
}
