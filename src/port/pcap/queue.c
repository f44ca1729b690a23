/* SPDX-License-Identifier: Apache-2.0 */

/* The data half: frames out of memory when they are due, and into the ring of those to be written.
 */

#include <errno.h>
#include <stdlib.h>

#include <aether/clock.h>

#include "base/error.h"
#include "port/handoff.h"
#include "port/pcap/pcap.h"

struct queue {
    struct ae_queue base;
    struct pcap_handoff told;
    const uint8_t *frames;
    struct pcap_ring *ring;
    uint64_t at;          /* of the next frame, bytes */
    uint32_t next;        /* its number, from 0 */
    uint32_t pass;        /* likewise */
    uint64_t begun_ticks; /* of this pass, as its frames are due; 0: nobody has polled yet */
    uint64_t written;
    uint64_t read; /* the worker's copy of what the owner read */
    struct ae_sendable sendable;
};

/* ---- Receiving ---- */

static bool begin_pass(struct queue *queue)
{
    if (queue->next < queue->told.frame_count)
        return true;
    if (queue->told.passes && queue->pass + 1 >= queue->told.passes)
        return false;
    queue->pass++;
    queue->next = 0;
    queue->at = 0;
    queue->begun_ticks += ae_clock_from_ns(queue->told.pass_ns);
    return true;
}

/* The owner checked it, and what it has checked can still be changed by who has the memory. */
static bool look(const struct queue *queue, struct pcap_frame *frame)
{
    uint64_t room = queue->told.frames_bytes - queue->at;

    if (room < sizeof(*frame))
        return false;
    memcpy(frame, queue->frames + queue->at, sizeof(*frame));
    __asm__ volatile("" ::: "memory");
    return frame->length >= AE_FRAME_MIN && frame->length <= queue->sendable.longest &&
           pcap_frame_bytes(frame->length) <= room;
}

static struct ae_packet *take(struct queue *queue, const struct pcap_frame *frame)
{
    struct ae_packet *packet = ae_packet_get(queue->base.pool);

    if (!packet ||
        ae_packet_append(packet, queue->frames + queue->at + sizeof(*frame), frame->length)) {
        if (packet)
            ae_packet_put(packet);
        queue->base.counters->receive_no_buffer++;
        return NULL;
    }
    packet->timestamp = frame->ns;
    packet->flags |= AE_PACKET_DEVICE_CLOCK;
    return packet;
}

static uint16_t receive(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct queue *queue = (struct queue *)base;
    uint64_t now = ae_clock_ticks(), bytes = 0;
    uint16_t received = 0;

    if (!queue->begun_ticks)
        queue->begun_ticks = now;
    while (received < count && begin_pass(queue)) {
        struct pcap_frame frame;

        if (!look(queue, &frame)) {
            base->counters->receive_bad_descriptors++;
            queue->next = queue->told.frame_count;
            queue->told.passes = 1;
            break;
        }
        if ((int64_t)(queue->begun_ticks + ae_clock_from_ns(frame.due_ns) - now) > 0)
            break;
        packets[received] = take(queue, &frame);
        if (!packets[received])
            break;
        received++;
        bytes += frame.length;
        queue->at += pcap_frame_bytes(frame.length);
        queue->next++;
    }
    base->counters->received_frames += received;
    base->counters->received_bytes += bytes;
    return received;
}

/* ---- Sending ---- */

static bool has_room(struct queue *queue)
{
    if (queue->written - queue->read < queue->told.slot_count)
        return true;
    /* The owner has read the slots before: pairs with its release. */
    queue->read = __atomic_load_n(&queue->ring->read, __ATOMIC_ACQUIRE);
    return queue->written - queue->read < queue->told.slot_count;
}

static void write_slot(struct queue *queue, const struct ae_packet *packet, uint64_t now)
{
    uint64_t place = queue->written & (queue->told.slot_count - 1);
    struct pcap_slot *slot = (void *)(queue->ring->slots + place * queue->told.slot_bytes);

    slot->ticks = now;
    slot->length = ae_packet_read(packet, 0, slot->bytes, UINT32_MAX);
    queue->written++;
}

static uint16_t send(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct queue *queue = (struct queue *)base;
    bool writes = queue->told.slot_count;
    uint64_t now = ae_clock_ticks();
    uint16_t sent = 0;

    for (; sent < count; sent++) {
        if (writes && !has_room(queue)) {
            ae_refuse_full(base, count - sent);
            break;
        }
        if (ae_refusal_of(packets[sent], &queue->sendable, 0)) {
            ae_refuse(base, packets[sent], &queue->sendable, 0);
            break;
        }
        if (writes)
            write_slot(queue, packets[sent], now);
        base->counters->sent_bytes += ae_packet_total(packets[sent]);
        ae_packet_put(packets[sent]);
    }
    base->counters->sent_frames += sent;
    /* Pairs with the owner's acquire: the frames are there. */
    __atomic_store_n(&queue->ring->written, queue->written, __ATOMIC_RELEASE);
    return sent;
}

/* ---- Attaching ---- */

static bool is_possible(const struct pcap_handoff *told, const struct ae_port_map *map,
                        uint32_t longest)
{
    return told->frame_count && told->frames_bytes % 64 == 0 && told->slot_bytes % 64 == 0 &&
           told->frames_bytes <= map->length && !(told->slot_count & (told->slot_count - 1)) &&
           (!told->slot_count || told->slot_bytes >= sizeof(struct pcap_slot) + longest) &&
           pcap_rings_bytes(told) <= map->length;
}

static void detach(struct ae_queue *base)
{
    free(base);
}

static int attach(struct ae_port *port, unsigned index, struct ae_queue **out, struct ae_error *err)
{
    const struct ae_port_map *map = ae_handoff_find(&port->handoff, AE_PORT_MAP_RINGS, index);
    const struct pcap_handoff *told = (const void *)port->handoff.driver_private;
    uint32_t longest = AE_FRAME_MAX(port->handoff.info.mtu);
    struct queue *queue;
    int rc = ae_clock_calibrate(err);

    if (rc)
        return rc;
    if (!is_possible(told, map, longest))
        return ae_error_set(err, -EPROTO, "pcap: what was handed over makes no sense");
    queue = calloc(1, sizeof(*queue));
    if (!queue)
        return ae_error_set(err, -ENOMEM, "pcap: out of memory");
    queue->told = *told;
    queue->frames = (const uint8_t *)(uintptr_t)map->mapped;
    queue->ring = (void *)(uintptr_t)(map->mapped + told->frames_bytes);
    queue->base.receive = receive;
    queue->base.send = send;
    queue->base.counters = &port->queue_states[index]->counters;
    queue->base.pool = port->domain->pool;
    queue->sendable = ae_sendable_make(queue->base.pool, longest, AE_FRAME_SEGMENTS);
    *out = &queue->base;
    return 0;
}

const struct ae_queue_ops ae_queue_pcap = {
    .name = "pcap",
    .maps = 1u << AE_PORT_MAP_RINGS,
    .ring_min = 64,
    .ring_max = 16384,
    .attach = attach,
    .detach = detach,
};
