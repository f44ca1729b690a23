/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The data half of a back end: a queue pair whose rings come and go with the peer. Between changes
 * it makes no system call; taking over new rings maps the peer's memory and makes a few.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/syscalls.h"
#include "port/handoff.h"
#include "port/vhost/back/handover.h"
#include "port/vhost/back/map.h"
#include "port/vhost/back/ring.h"

struct queue {
    struct ae_queue base;       /* first: the burst calls are given this */
    const uint32_t *generation; /* the owner's; another number than ours: something is new */
    uint32_t taken_over;        /* generation that is taken over */
    bool receives, sends;       /* does the ring run? */
    bool packed;
    struct ae_vhost_ring from_peer;
    struct ae_vhost_ring to_peer;
    bool drop; /* the peer has disabled its transmit queue: what is there is to be dropped */
    int control;
    uint32_t memory_id;
    uint32_t announced;
    bool announce; /* a frame of our own making waits to be received */
    uint8_t mac[6];
    struct ae_vhost_map map;
    struct ae_queue_state *state;
};

/* ---- Taking over what the owner has agreed on with the peer ---- */

static uint16_t position(const struct ae_vhost_ring *ring, bool packed)
{
    return packed ? (uint16_t)(ring->next | (ring->wrap ? 1u << 15 : 0)) : ring->next;
}

static void set_bursts(struct queue *queue);

static void stop(struct queue *queue)
{
    if (queue->sends)
        queue->state->positions[AE_VHOST_TO_PEER] = position(&queue->to_peer, queue->packed);
    if (queue->receives)
        queue->state->positions[AE_VHOST_FROM_PEER] = position(&queue->from_peer, queue->packed);
    queue->receives = queue->sends = false;
}

/* Finds the ring's parts in the mapped memory; false: they are not all in it. */
static bool set_ring(struct queue *queue, struct ae_vhost_ring *ring,
                     const struct ae_vhost_handover *handover, enum ae_vhost_direction direction)
{
    const struct ae_vhost_handover_ring *given = &handover->rings[direction];
    bool packed = handover->features & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);
    void *descriptors =
        ae_vhost_from_user(&queue->map, given->descriptors, ae_vhost_descriptors_size(given->size));
    void *available = ae_vhost_from_user(&queue->map, given->available,
                                         ae_vhost_available_size(given->size, packed));
    void *used =
        ae_vhost_from_user(&queue->map, given->used, ae_vhost_used_size(given->size, packed));

    if (!descriptors || !available || !used || (uintptr_t)descriptors % 16 ||
        (uintptr_t)available % 4 || (uintptr_t)used % 4)
        return false;
    *ring = (struct ae_vhost_ring){
        .ring = descriptors,
        .avail = available,
        .used = used,
        .size = given->size,
        .next = packed ? given->position & 0x7fff : given->position,
        .wrap = given->position >> 15,
        .in_order = handover->features & VIRTIO_FEATURE(VIRTIO_F_IN_ORDER),
        .mergeable = handover->features & VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF),
        .checksum = handover->features & VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM),
        .notify = direction == AE_VHOST_TO_PEER ? &queue->state->notify_send
                                                : &queue->state->notify_receive,
        .recent = queue->map.memory.regions[0],
        .memory = &queue->map.memory,
    };
    ae_vhost_set_limits(ring, queue->base.pool, AE_FRAME_MAX(handover->mtu));
    return !packed || ring->next < ring->size;
}

static bool take_memory(struct queue *queue, const struct ae_vhost_handover *handover,
                        const int *fds)
{
    if (handover->memory_id == queue->memory_id && !queue->map.lost)
        return true;
    ae_vhost_unmap(&queue->map);
    queue->memory_id = handover->memory_id;
    return ae_vhost_map(&queue->map, handover->regions, fds, handover->region_count) == 0;
}

static void start(struct queue *queue, const struct ae_vhost_handover *handover)
{
    bool packed = handover->features & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);
    const struct ae_vhost_handover_ring *rings = handover->rings;

    queue->packed = packed;
    for (unsigned i = 0; i < 2; i++)
        if (rings[i].run)
            queue->state->positions[i] = rings[i].position;
    if (rings[AE_VHOST_TO_PEER].run && rings[AE_VHOST_TO_PEER].enabled) {
        if (!set_ring(queue, &queue->to_peer, handover, AE_VHOST_TO_PEER))
            goto broken;
        (packed ? ae_vhost_packed_start : ae_vhost_split_start)(&queue->to_peer);
        queue->sends = true;
    }
    if (rings[AE_VHOST_FROM_PEER].run) {
        if (!set_ring(queue, &queue->from_peer, handover, AE_VHOST_FROM_PEER))
            goto broken;
        (packed ? ae_vhost_packed_start : ae_vhost_split_start)(&queue->from_peer);
        queue->receives = true;
        queue->drop = !rings[AE_VHOST_FROM_PEER].enabled;
    }
    return;
broken:
    ae_vhost_store(&queue->state->broken, 1);
}

static void take_what_came(struct queue *queue)
{
    struct ae_vhost_handover handover;
    int fds[VHOST_USER_MAX_REGIONS];

    if (!ae_vhost_receive_handover(queue->control, &handover, fds))
        return;
    stop(queue);
    ae_vhost_store(&queue->state->broken, 0);
    if (take_memory(queue, &handover, fds))
        start(queue, &handover);
    else
        ae_vhost_store(&queue->state->broken, 1);
    for (uint32_t i = 0; i < handover.region_count; i++)
        close(fds[i]);
    if (handover.announce != queue->announced) {
        queue->announced = handover.announce;
        queue->announce = true;
        memcpy(queue->mac, handover.mac, sizeof(queue->mac));
    }
    set_bursts(queue);
    queue->taken_over = handover.generation;
    /* Pairs with the owner's acquire: positions are there, and no ring is touched as before. */
    __atomic_store_n(&queue->state->generation, handover.generation, __ATOMIC_RELEASE);
}

static __attribute__((noinline)) void take_over(struct queue *queue)
{
    ae_own_calls++;
    take_what_came(queue);
    ae_own_calls--;
}

/* ---- The burst calls ---- */

/* The peer has spoilt a ring or taken its memory away: no ring of the pair is touched again. */
static __attribute__((noinline)) void break_rings(struct queue *queue, bool receiving)
{
    if (receiving)
        queue->base.counters->receive_bad_descriptors++;
    else
        queue->base.counters->send_bad_descriptors++;
    queue->receives = queue->sends = false;
    set_bursts(queue);
    __atomic_store_n(&queue->state->broken, 1, __ATOMIC_RELEASE);
}

static inline bool has_changed(const struct queue *queue)
{
    return __builtin_expect(ae_vhost_load(queue->generation) != queue->taken_over, 0);
}

/* VHOST_USER_SEND_RARP: the frame that a guest would send which announces itself (RFC 903). */
static uint16_t announce(struct queue *queue, struct ae_packet **packets)
{
    static const uint8_t head[] = {0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3};
    struct ae_packet *packet = ae_packet_get(queue->base.pool);
    uint8_t *at;

    queue->announce = false;
    if (!packet)
        return 0;
    at = packet->data;
    memset(at, 0, 60);
    memset(at, 0xff, 6);
    memcpy(at + 6, queue->mac, 6);
    memcpy(at + 12, head, sizeof(head));
    memcpy(at + 22, queue->mac, 6);
    memcpy(at + 32, queue->mac, 6);
    packet->length = 60;
    packets[0] = packet;
    queue->base.counters->received_frames++;
    queue->base.counters->received_bytes += 60;
    return 1;
}

static void put_all(struct ae_packet **packets, uint16_t count)
{
    for (uint16_t i = 0; i < count; i++)
        ae_packet_put(packets[i]);
}

static inline void notify(struct ae_vhost_ring *ring, const bool packed)
{
    if (packed)
        ae_vhost_packed_notify(ring);
    else
        ae_vhost_split_notify(ring);
}

/* The ring runs. */
static inline __attribute__((always_inline)) uint16_t receive(struct queue *queue,
                                                              struct ae_packet **packets,
                                                              uint16_t count, const bool packed)
{
    struct ae_vhost_ring *ring = &queue->from_peer;
    uint16_t taken = packed ? ae_vhost_packed_receive(ring, &queue->base, packets, count)
                            : ae_vhost_split_receive(ring, &queue->base, packets, count);

    notify(ring, packed);
    if (queue->sends)
        notify(&queue->to_peer, packed);
    if (__builtin_expect(ring->broken || queue->map.lost, 0))
        break_rings(queue, true);
    if (__builtin_expect(queue->drop, 0)) {
        put_all(packets, taken);
        return 0;
    }
    return taken;
}

static inline __attribute__((always_inline)) uint16_t send(struct queue *queue,
                                                           struct ae_packet **packets,
                                                           uint16_t count, const bool packed)
{
    struct ae_vhost_ring *ring = &queue->to_peer;
    uint16_t sent = packed ? ae_vhost_packed_send(ring, &queue->base, packets, count)
                           : ae_vhost_split_send(ring, &queue->base, packets, count);

    notify(ring, packed);
    if (__builtin_expect(ring->broken || queue->map.lost, 0))
        break_rings(queue, false);
    return sent;
}

static __attribute__((noinline)) uint16_t receive_rare(struct queue *queue,
                                                       struct ae_packet **packets, uint16_t count)
{
    if (has_changed(queue))
        take_over(queue);
    if (queue->announce && count)
        return announce(queue, packets);
    if (!queue->receives)
        return 0;
    return queue->packed ? receive(queue, packets, count, true)
                         : receive(queue, packets, count, false);
}

static __attribute__((noinline)) uint16_t send_rare(struct queue *queue, struct ae_packet **packets,
                                                    uint16_t count)
{
    if (has_changed(queue))
        take_over(queue);
    if (!queue->sends) {
        ae_refuse_away(&queue->base, count);
        return 0;
    }
    return queue->packed ? send(queue, packets, count, true) : send(queue, packets, count, false);
}

/* A burst function for each form of ring, so that the call of it is the only indirect one. */

static uint16_t receive_split(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct queue *queue = (struct queue *)base;

    return has_changed(queue) || queue->announce ? receive_rare(queue, packets, count)
                                                 : receive(queue, packets, count, false);
}

static uint16_t receive_packed(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct queue *queue = (struct queue *)base;

    return has_changed(queue) || queue->announce ? receive_rare(queue, packets, count)
                                                 : receive(queue, packets, count, true);
}

static uint16_t receive_nothing(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    return receive_rare((struct queue *)base, packets, count);
}

static uint16_t send_split(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct queue *queue = (struct queue *)base;

    return has_changed(queue) ? send_rare(queue, packets, count)
                              : send(queue, packets, count, false);
}

static uint16_t send_packed(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct queue *queue = (struct queue *)base;

    return has_changed(queue) ? send_rare(queue, packets, count)
                              : send(queue, packets, count, true);
}

static uint16_t send_nothing(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    return send_rare((struct queue *)base, packets, count);
}

static void set_bursts(struct queue *queue)
{
    queue->base.receive = !queue->receives ? receive_nothing
                          : queue->packed  ? receive_packed
                                           : receive_split;
    queue->base.send = !queue->sends ? send_nothing : queue->packed ? send_packed : send_split;
}

/* ---- Attach ---- */

static int attach(struct ae_port *port, unsigned index, struct ae_queue **out, struct ae_error *err)
{
    struct queue *queue = calloc(1, sizeof(*queue));

    if (!queue)
        return ae_error_set(err, -ENOMEM, "vhost-user-server: out of memory");
    queue->control = ae_handoff_find(&port->handoff, AE_PORT_MAP_CONTROL, index)->fd;
    queue->base.pool = port->domain->pool;
    set_bursts(queue);
    queue->state = port->queue_states[index];
    queue->base.counters = &queue->state->counters;
    queue->generation = &port->state->generation;
    /* What was agreed on before this worker came is taken over at its first poll. */
    queue->taken_over = ae_vhost_load(queue->generation) - 1;
    *out = &queue->base;
    return 0;
}

/*
 * A driver that turns its interrupts on hears at our next poll of what was used before. If there is
 * none, it is now that it has to: the fence is for its store of flags and our store of what was
 * used, of which one sees the other.
 */
static void pause_queue(struct ae_queue *base)
{
    struct queue *queue = (struct queue *)base;

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (queue->receives)
        notify(&queue->from_peer, queue->packed);
    if (queue->sends)
        notify(&queue->to_peer, queue->packed);
}

static void detach(struct ae_queue *base)
{
    struct queue *queue = (struct queue *)base;

    ae_vhost_unmap(&queue->map);
    free(queue);
}

const struct ae_queue_ops ae_queue_vhost_server = {
    .name = "vhost-server",
    .ring_min = 2,
    .ring_max = 32768,
    .maps = 1u << AE_PORT_MAP_CONTROL,
    .attach = attach,
    .detach = detach,
    .pause = pause_queue,
};
