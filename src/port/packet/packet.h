/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_PACKET_PACKET_H
#define AE_PORT_PACKET_PACKET_H

/*
 * A network interface of the kernel's by packet sockets (packet(7)), one for each queue, with rings
 * that kernel and worker share (Linux, Documentation/networking/packet_mmap.rst): frames come in
 * blocks of TPACKET_V3, and go out slot by slot. owner.c is the port, socket.c a queue's socket,
 * queue.c what the worker does: it touches the rings, and the owner has the kernel look at them.
 *
 * Before each frame, in both directions, is a virtio_net_hdr (PACKET_VNET_HDR), which says what is
 * left to do of its checksum.
 */

#include <linux/if_packet.h>
#include <linux/virtio_net.h>

#include "port/port.h"
#include "port/sendable.h"

#define PACKET_MTU_MAX 9216
#define PACKET_VNET    ((uint32_t)sizeof(struct virtio_net_hdr))
/* In a slot to send from: where the virtio_net_hdr is, and the frame behind it. */
#define PACKET_SEND_AT \
    ((uint32_t)((sizeof(struct tpacket3_hdr) + TPACKET_ALIGNMENT - 1) & -(size_t)TPACKET_ALIGNMENT))

/* In driver_private: both rings of a queue, mapped at once, first that of frames received. */
struct packet_rings {
    uint32_t block_size; /* bytes, a power of two; of blocks to receive */
    uint32_t block_count;
    uint32_t slot_size; /* bytes, a power of two; of slots to send from, which lie in such blocks */
    uint32_t slot_count;
};

static inline uint64_t packet_rings_bytes(const struct packet_rings *rings)
{
    return (uint64_t)rings->block_size * rings->block_count +
           (uint64_t)rings->slot_size * rings->slot_count;
}

#endif
