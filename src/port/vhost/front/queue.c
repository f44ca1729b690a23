/* SPDX-License-Identifier: Apache-2.0 */

/* The worker's half of a vhost-user port: a virtio queue whose device may go and come back. Whether
 * it did is looked at only when there is nothing to receive or no room to send. */

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "port/sendable.h"
#include "port/virtio/attach.h"

struct vhost_queue {
    struct ae_queue base;
    struct ae_queue *ring; /* virtio/split.c's or virtio/packed.c's */
    const struct ae_port_state *port;
    struct ae_queue_state *state;
    uint32_t taken_over; /* generation */
    uint32_t epoch;      /* that the rings were laid out in */
};

static void take_over(struct vhost_queue *queue, uint32_t generation, bool anew);

/* The owner then leaves the back end, which is the change that we wait for. */
static void report_broken(struct vhost_queue *queue, uint32_t generation)
{
    __atomic_store_n(&queue->state->broken, generation, __ATOMIC_RELEASE);
}

static bool changed(struct vhost_queue *queue)
{
    /* Pairs with the release store of the owner: the epoch was there before. */
    uint32_t generation = __atomic_load_n(&queue->port->generation, __ATOMIC_ACQUIRE), epoch;

    if (__builtin_expect(generation == queue->taken_over, 1)) {
        if (__builtin_expect(ae_virtio_broken(queue->ring), 0))
            report_broken(queue, generation);
        return false;
    }
    /* Of a later generation, perhaps: then this one is over, and nobody looks at what is made of
     * it. */
    epoch = __atomic_load_n(&queue->port->epoch, __ATOMIC_RELAXED);
    if (epoch != queue->epoch)
        ae_virtio_reset(queue->ring);
    take_over(queue, generation, epoch != queue->epoch);
    queue->epoch = epoch;
    return true;
}

static uint16_t receive(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct vhost_queue *queue = (struct vhost_queue *)base;
    uint16_t received = queue->ring->receive(queue->ring, packets, count);

    if (!received)
        changed(queue);
    return received;
}

static uint16_t send(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    struct vhost_queue *queue = (struct vhost_queue *)base;
    uint16_t sent = queue->ring->send(queue->ring, packets, count);

    if (__builtin_expect(sent < count, 0)) {
        base->refusal = queue->ring->refusal;
        changed(queue);
    }
    return sent;
}

static uint16_t reclaim(struct ae_queue *base, uint16_t count)
{
    struct ae_queue *ring = ((struct vhost_queue *)base)->ring;

    return ring->reclaim(ring, count);
}

static uint32_t unsent(const struct ae_queue *base)
{
    const struct ae_queue *ring = ((const struct vhost_queue *)base)->ring;

    return ring->unsent(ring);
}

static uint16_t receive_nothing(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    (void)packets;
    (void)count;
    changed((struct vhost_queue *)base);
    return 0;
}

static uint16_t send_nothing(struct ae_queue *base, struct ae_packet **packets, uint16_t count)
{
    (void)packets;
    changed((struct vhost_queue *)base);
    ae_refuse_away(base, count);
    return 0;
}

/* The rings are as new, or as they were: what the back end had used by then is still received. */
static void take_over(struct vhost_queue *queue, uint32_t generation, bool anew)
{
    bool present = generation & 1;

    queue->base.receive = present || !anew ? receive : receive_nothing;
    queue->base.send = present ? send : send_nothing;
    if (!ae_virtio_positions(queue->ring, queue->state->positions)) {
        report_broken(queue, generation);
        return;
    }
    queue->taken_over = generation;
    __atomic_store_n(&queue->state->broken, 0, __ATOMIC_RELAXED);
    /* Pairs with the acquire load of the owner, who shows the rings to the back end. */
    __atomic_store_n(&queue->state->generation, generation, __ATOMIC_RELEASE);
}

static int attach(struct ae_port *port, unsigned index, struct ae_queue **out, struct ae_error *err)
{
    struct vhost_queue *queue = aligned_alloc(64, (sizeof(*queue) + 63) / 64 * 64);
    uint32_t generation = __atomic_load_n(&port->state->generation, __ATOMIC_ACQUIRE);
    uint32_t epoch = __atomic_load_n(&port->state->epoch, __ATOMIC_RELAXED);
    int rc;

    if (!queue)
        return ae_error_set(err, -ENOMEM, "attaching a port: out of memory");
    rc = ae_virtio_port_attach(port, index, &queue->ring, err);
    if (rc) {
        free(queue);
        return rc;
    }
    queue->base.reclaim = reclaim;
    queue->base.unsent = unsent;
    queue->base.pool = queue->ring->pool;
    queue->base.counters = queue->ring->counters;
    queue->port = port->state;
    queue->state = port->queue_states[index];
    queue->epoch = epoch;
    queue->taken_over = generation - 1;
    take_over(queue, generation, true);
    *out = &queue->base;
    return 0;
}

static void detach(struct ae_queue *base)
{
    struct vhost_queue *queue = (struct vhost_queue *)base;

    ae_virtio_detach(queue->ring);
    free(queue);
}

const struct ae_queue_ops ae_queue_vhost_user = {
    .name = "vhost-user",
    .ring_min = 16,
    .ring_max = 32768,
    .ring_bytes = ae_virtio_ring_bytes,
    .attach = attach,
    .detach = detach,
};
