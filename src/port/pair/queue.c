/* SPDX-License-Identifier: Apache-2.0 */
#include "port/pair/pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

struct pair_queue {
    struct ae_queue base;
    struct pair *pair;
    struct pair_wire *in, *out;
    struct ae_sendable sendable;
};

/* What the sender wrote before `written` is seen after it: pairs with the release in send. */
static inline uint32_t poll(struct pair_wire *wire, uint16_t count)
{
    uint32_t ready;

    if (wire->written_seen - wire->read < count)
        wire->written_seen = __atomic_load_n(&wire->written, __ATOMIC_ACQUIRE);
    ready = wire->written_seen - wire->read;
    return ready < count ? ready : count;
}

/* The slots are read before they are free again: pairs with the acquire in send. */
static inline uint16_t finish(struct ae_queue *base, struct pair_wire *wire, uint32_t received,
                              uint64_t bytes)
{
    if (received == 0)
        return 0;
    base->counters->received_frames += received;
    base->counters->received_bytes += bytes;
    __atomic_store_n(&wire->read, wire->read + received, __ATOMIC_RELEASE);
    return (uint16_t)received;
}

static uint16_t receive(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct pair_wire *wire = ((struct pair_queue *)base)->in;
    uint32_t ready = poll(wire, count), received;
    uint64_t bytes = 0;

    received = ae_packet_get_burst(base->pool, packets, ready);
    if (received < ready)
        base->counters->receive_no_buffer++;
    for (uint32_t i = 0; i < received; i++) {
        const struct pair_slot *slot = pair_slot(wire, wire->read + i);

        memcpy(packets[i]->data, slot->frame, slot->length);
        packets[i]->length = slot->length;
        bytes += slot->length;
    }
    return finish(base, wire, received, bytes);
}

/* Where a frame may take more than one packet. One that the pool has too few for stays. */
static uint16_t receive_long(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct pair_wire *wire = ((struct pair_queue *)base)->in;
    uint32_t ready = poll(wire, count), received = 0;
    uint64_t bytes = 0;

    for (; received < ready; received++) {
        const struct pair_slot *slot = pair_slot(wire, wire->read + received);
        struct ae_packet *packet = ae_packet_get(base->pool);

        if (!packet || ae_packet_append(packet, slot->frame, slot->length)) {
            if (packet)
                ae_packet_put(packet);
            base->counters->receive_no_buffer++;
            break;
        }
        packets[received] = packet;
        bytes += slot->length;
    }
    return finish(base, wire, received, bytes);
}

/* A frame in several packets, if it may be sent. */
static __attribute__((noinline)) bool write_chain(const struct pair_queue *queue,
                                                  struct pair_slot *slot, struct ae_packet *packet)
{
    if (ae_refusal_of(packet, &queue->sendable, 0))
        return false;
    slot->length = ae_packet_read(packet, 0, slot->frame, UINT32_MAX);
    ae_packet_put(packet);
    return true;
}

static uint16_t send(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct pair_queue *queue = (struct pair_queue *)base;
    struct pair_wire *wire = queue->out;
    const struct ae_sendable sendable = queue->sendable;
    uint32_t written = wire->written, room;
    uint64_t bytes = 0;
    uint16_t sent = 0;

    if (wire->size - (written - wire->read_seen) < count)
        wire->read_seen = __atomic_load_n(&wire->read, __ATOMIC_ACQUIRE);
    room = wire->size - (written - wire->read_seen);
    for (; sent < count && sent < room; sent++, written++) {
        struct pair_slot *slot = pair_slot(wire, written);
        struct ae_packet *packet = packets[sent];

        if (__builtin_expect(ae_packet_may_be_sent(packet, &sendable, 0), 1)) {
            memcpy(slot->frame, packet->data, packet->length);
            slot->length = packet->length;
            packet->in_pool = true;
            ae_pool_return(base->pool, packet);
        } else if (!write_chain(queue, slot, packet)) {
            ae_refuse(base, packet, &queue->sendable, 0);
            break;
        }
        bytes += slot->length;
    }
    if (sent < count && sent == room)
        ae_refuse_full(base, count - sent);
    base->counters->sent_frames += sent;
    base->counters->sent_bytes += bytes;
    __atomic_store_n(&wire->written, written, __ATOMIC_RELEASE);
    return sent;
}

static void detach(struct ae_queue *base)
{
    struct pair_queue *queue = (struct pair_queue *)base;

    ae_pair_release(queue->pair);
    free(queue);
}

static bool is_possible(const struct ae_port_handoff *handoff)
{
    uint32_t sizes[] = {handoff->receive_ring, handoff->send_ring};

    for (int i = 0; i < 2; i++)
        if (sizes[i] < ae_queue_pair.ring_min || sizes[i] > ae_queue_pair.ring_max ||
            sizes[i] & (sizes[i] - 1))
            return false;
    return pair_handoff(handoff)->end <= 1 && handoff->info.mtu <= PAIR_MTU_MAX;
}

static int attach(struct ae_port *port, unsigned index, struct ae_queue **out, struct ae_error *err)
{
    const struct pair_handoff *handoff = pair_handoff(&port->handoff);
    struct pair_queue *queue;
    struct pair *pair;

    if (!is_possible(&port->handoff))
        return ae_error_set(err, -EPROTO, "what was handed over makes no sense");
    pair = ae_pair_hold(&port->handoff, index);
    if (!pair || index >= pair->queues) {
        if (pair)
            ae_pair_release(pair);
        return ae_error_set(err, -ESRCH, "%s: its owners are gone, or there is no memory for it",
                            port->handoff.info.spec);
    }
    queue = calloc(1, sizeof(*queue));
    if (!queue) {
        ae_pair_release(pair);
        return ae_error_set(err, -ENOMEM, "attaching a pair: out of memory");
    }
    queue->pair = pair;
    queue->out = &pair->wires[index][handoff->end];
    queue->in = &pair->wires[index][!handoff->end];
    queue->base.send = send;
    queue->base.counters = &port->queue_states[index]->counters;
    queue->base.pool = port->domain->pool;
    queue->sendable =
        ae_sendable_make(queue->base.pool, AE_FRAME_MAX(pair->mtu), AE_FRAME_SEGMENTS);
    queue->base.receive =
        AE_FRAME_MAX(pair->mtu) > queue->base.pool->buffer_size - AE_PACKET_HEADROOM ? receive_long
                                                                                     : receive;
    /* What was sent while nobody was here is lost, as on any wire. */
    __atomic_store_n(&queue->in->read, __atomic_load_n(&queue->in->written, __ATOMIC_ACQUIRE),
                     __ATOMIC_RELEASE);
    queue->in->written_seen = queue->in->read;
    *out = &queue->base;
    return 0;
}

const struct ae_queue_ops ae_queue_pair = {
    .name = "pair",
    .ring_min = 16,
    .ring_max = 4096,
    .attach = attach,
    .detach = detach,
};
