/* SPDX-License-Identifier: Apache-2.0 */

/* The data half: frames out of the kernel's blocks and into its slots. No system call. */

#include <errno.h>
#include <net/ethernet.h>
#include <stdlib.h>

#include "base/checksum.h"
#include "base/error.h"
#include "packet/sum.h"
#include "port/handoff.h"
#include "port/packet/packet.h"

#define TAG_AT 12 /* bytes into a frame: where an 802.1Q tag is */
#define TAG    4  /* bytes */

struct queue {
    struct ae_queue base;
    uint8_t *blocks, *slots;
    struct packet_rings rings;
    uint32_t block; /* the one to read, or being read, */
    uint32_t left;  /* frames in it, the first of them */
    uint32_t at;    /* so far from its beginning */
    uint32_t slot;  /* the next one to send from */
    uint32_t longest;
    uint32_t *notify; /* the owner is to have the kernel look at the slots */
    struct ae_sendable sendable;
    uint16_t number;
};

/* ---- Receiving ---- */

static struct tpacket_hdr_v1 *block_of(const struct queue *queue)
{
    void *block = queue->blocks + (size_t)queue->block * queue->rings.block_size;

    return &((struct tpacket_block_desc *)block)->hdr.bh1;
}

/* What is in it was read: pairs with the kernel's barrier when it takes the block. */
static void close_block(struct queue *queue)
{
    __atomic_store_n(&block_of(queue)->block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    queue->left = 0;
    queue->block = queue->block + 1 < queue->rings.block_count ? queue->block + 1 : 0;
}

/* What the kernel wrote before the status is seen after it. */
static bool open_block(struct queue *queue)
{
    struct tpacket_hdr_v1 *block = block_of(queue);

    if (!(__atomic_load_n(&block->block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
        return false;
    queue->left = __atomic_load_n(&block->num_pkts, __ATOMIC_RELAXED);
    queue->at = __atomic_load_n(&block->offset_to_first_pkt, __ATOMIC_RELAXED);
    if (!queue->left)
        close_block(queue);
    return true;
}

/* A frame where it lies, as its header says; each word of which is read once. */
struct frame {
    const uint8_t *bytes;
    uint32_t length, next, status;
    uint64_t ns;
    uint16_t tag, tag_type;
};

static bool look(const struct queue *queue, struct frame *frame)
{
    const uint8_t *start =
        (const uint8_t *)block_of(queue) - offsetof(struct tpacket_block_desc, hdr) + queue->at;
    struct tpacket3_hdr header;
    uint32_t room;

    if (queue->at > queue->rings.block_size - sizeof(header))
        return false;
    room = queue->rings.block_size - queue->at;
    memcpy(&header, start, sizeof(header));
    __asm__ volatile("" ::: "memory");
    if (header.tp_mac < sizeof(header) + PACKET_VNET || header.tp_mac > room ||
        header.tp_snaplen > room - header.tp_mac || header.tp_next_offset > room)
        return false;
    *frame = (struct frame){
        .bytes = start + header.tp_mac,
        .length = header.tp_snaplen,
        .next = header.tp_next_offset,
        .status = header.tp_status,
        .ns = header.tp_sec * UINT64_C(1000000000) + header.tp_nsec,
        .tag = (uint16_t)header.hv1.tp_vlan_tci,
        .tag_type =
            header.tp_status & TP_STATUS_VLAN_TPID_VALID ? header.hv1.tp_vlan_tpid : ETHERTYPE_VLAN,
    };
    /* Cut, too short to be one, or of a length that a port of this MTU cannot pass on: several that
     * the kernel has put together. */
    if (header.tp_len != header.tp_snaplen || frame->length < AE_FRAME_MIN ||
        frame->length + (frame->status & TP_STATUS_VLAN_VALID ? TAG : 0) > queue->longest)
        frame->length = 0;
    return true;
}

/* The kernel has left the checksum of what was never on a wire to whoever needs it. */
static bool see_to_checksum(struct ae_packet *packet, const struct frame *frame, uint32_t moved)
{
    struct virtio_net_hdr header;
    uint32_t start, place;
    uint16_t checksum;

    memcpy(&header, frame->bytes - PACKET_VNET, sizeof(header));
    __asm__ volatile("" ::: "memory");
    if (header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        start = header.csum_start + moved;
        place = start + header.csum_offset;
        if (place + sizeof(checksum) > packet->length || header.csum_start < AE_FRAME_MIN)
            return false;
        checksum = ae_sum_finish(ae_packet_sum(packet, start, UINT32_MAX));
        memcpy(packet->data + place, &checksum, sizeof(checksum));
        packet->flags |= AE_PACKET_L4_GOOD;
    } else if (header.flags & VIRTIO_NET_HDR_F_DATA_VALID) {
        packet->flags |= AE_PACKET_L4_GOOD;
    }
    return true;
}

/* The kernel has taken the tag out: on every port it is in the frame. */
static int copy(struct ae_packet *packet, const struct frame *frame)
{
    const uint16_t tag[2] = {__builtin_bswap16(frame->tag_type), __builtin_bswap16(frame->tag)};
    uint32_t before = frame->status & TP_STATUS_VLAN_VALID ? TAG_AT : 0;

    if (before) {
        memcpy(packet->data, frame->bytes, TAG_AT);
        memcpy(packet->data + TAG_AT, tag, TAG);
        packet->length = TAG_AT + TAG;
    }
    return ae_packet_append(packet, frame->bytes + before, frame->length - before);
}

/* NULL: dropped, and counted; with *again: there was no packet for it. */
static struct ae_packet *take(struct queue *queue, const struct frame *frame, bool *again)
{
    struct ae_packet *packet = frame->length ? ae_packet_get(queue->base.pool) : NULL;

    if (frame->length && (!packet || copy(packet, frame))) {
        queue->base.counters->receive_no_buffer++;
        *again = true;
    } else if (!frame->length ||
               !see_to_checksum(packet, frame, frame->status & TP_STATUS_VLAN_VALID ? TAG : 0)) {
        queue->base.counters->receive_errors++;
    } else {
        packet->timestamp = frame->ns;
        packet->queue = queue->number;
        packet->flags |= AE_PACKET_DEVICE_CLOCK | AE_PACKET_QUEUE;
        return packet;
    }
    if (packet)
        ae_packet_put(packet);
    return NULL;
}

static uint16_t receive(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct queue *queue = (struct queue *)base;
    uint16_t received = 0;
    uint64_t bytes = 0;

    while (received < count && (queue->left || open_block(queue))) {
        struct frame frame;
        bool again = false;

        if (!queue->left)
            continue;
        if (!look(queue, &frame)) {
            base->counters->receive_bad_descriptors++;
            close_block(queue);
            continue;
        }
        packets[received] = take(queue, &frame, &again);
        if (again)
            break;
        if (packets[received]) {
            bytes += ae_packet_total(packets[received]);
            received++;
        }
        queue->at += frame.next;
        if (!--queue->left)
            close_block(queue);
    }
    base->counters->received_frames += received;
    base->counters->received_bytes += bytes;
    return received;
}

/* ---- Sending ---- */

static struct tpacket3_hdr *slot_of(const struct queue *queue)
{
    return (void *)(queue->slots + (size_t)queue->slot * queue->rings.slot_size);
}

static bool is_free(struct queue *queue, struct tpacket3_hdr *slot)
{
    /* The kernel has read the frame before: pairs with its barrier when it gives the slot back. */
    uint32_t status = __atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE);

    queue->base.counters->send_bad_descriptors += status == TP_STATUS_WRONG_FORMAT;
    return status == TP_STATUS_AVAILABLE || status == TP_STATUS_WRONG_FORMAT;
}

static uint32_t fill(struct tpacket3_hdr *slot, struct ae_packet *packet)
{
    uint8_t *at = (uint8_t *)slot + PACKET_SEND_AT;
    uint32_t length = ae_packet_read(packet, 0, at + PACKET_VNET, UINT32_MAX);

    memset(at, 0, PACKET_VNET);
    slot->tp_next_offset = 0;
    slot->tp_len = PACKET_VNET + length;
    /* Pairs with the kernel's barrier when it looks: all of the frame is there. */
    __atomic_store_n(&slot->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
    return length;
}

static uint16_t send(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct queue *queue = (struct queue *)base;
    uint64_t bytes = 0;
    uint16_t sent = 0;

    for (; sent < count; sent++) {
        struct tpacket3_hdr *slot = slot_of(queue);

        if (!is_free(queue, slot)) {
            ae_refuse_full(base, count - sent);
            break;
        }
        if (ae_refusal_of(packets[sent], &queue->sendable, 0)) {
            ae_refuse(base, packets[sent], &queue->sendable, 0);
            break;
        }
        bytes += fill(slot, packets[sent]);
        ae_packet_put(packets[sent]);
        queue->slot = queue->slot + 1 < queue->rings.slot_count ? queue->slot + 1 : 0;
    }
    if (!sent)
        return 0;
    base->counters->sent_frames += sent;
    base->counters->sent_bytes += bytes;
    __atomic_store_n(queue->notify, 1, __ATOMIC_RELEASE);
    return sent;
}

/* ---- Attaching ---- */

static bool is_possible(const struct packet_rings *rings, const struct ae_port_map *map,
                        uint32_t longest)
{
    return rings->block_size >= 4096 && !(rings->block_size & (rings->block_size - 1)) &&
           rings->block_count && rings->slot_count &&
           rings->slot_size >= PACKET_SEND_AT + PACKET_VNET + longest &&
           rings->slot_size % TPACKET_ALIGNMENT == 0 && packet_rings_bytes(rings) <= map->length;
}

static void detach(struct ae_queue *base)
{
    free(base);
}

static int attach(struct ae_port *port, unsigned index, struct ae_queue **out, struct ae_error *err)
{
    const struct ae_port_map *map = ae_handoff_find(&port->handoff, AE_PORT_MAP_RINGS, index);
    const struct packet_rings *rings = (const void *)port->handoff.driver_private;
    uint32_t longest = AE_FRAME_MAX(port->handoff.info.mtu);
    struct queue *queue;

    if (!is_possible(rings, map, longest))
        return ae_error_set(err, -EPROTO, "packet: what was handed over makes no sense");
    queue = calloc(1, sizeof(*queue));
    if (!queue)
        return ae_error_set(err, -ENOMEM, "packet: out of memory");
    queue->rings = *rings;
    queue->blocks = (uint8_t *)(uintptr_t)map->mapped;
    queue->slots = queue->blocks + (size_t)rings->block_size * rings->block_count;
    queue->longest = longest;
    queue->number = (uint16_t)index;
    queue->notify = &port->queue_states[index]->notify_send;
    queue->base.receive = receive;
    queue->base.send = send;
    queue->base.counters = &port->queue_states[index]->counters;
    queue->base.pool = port->domain->pool;
    queue->sendable = ae_sendable_make(queue->base.pool, longest, AE_FRAME_SEGMENTS);
    *out = &queue->base;
    return 0;
}

const struct ae_queue_ops ae_queue_packet = {
    .name = "packet",
    .maps = 1u << AE_PORT_MAP_RINGS,
    .ring_min = 64,
    .ring_max = 16384,
    .attach = attach,
    .detach = detach,
};
