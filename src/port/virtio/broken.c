/* SPDX-License-Identifier: Apache-2.0 */

/* A queue whose device wrote what cannot be: nothing goes through it until it is reset. */

#include "port/virtio/driver.h"
#include "port/virtio/queue.h"

static uint16_t receive_nothing(struct ae_queue *queue, struct ae_packet **packets, uint16_t count)
{
    (void)queue;
    (void)packets;
    (void)count;
    return 0;
}

static uint16_t send_nothing(struct ae_queue *queue, struct ae_packet **packets, uint16_t count)
{
    (void)packets;
    ae_refuse_away(queue, count);
    return 0;
}

static uint16_t reclaim_nothing(struct ae_queue *queue, uint16_t count)
{
    (void)queue;
    (void)count;
    return 0;
}

uint16_t ae_virtio_break(struct ae_virtio_driver *driver, uint64_t *counter)
{
    ++*counter;
    driver->broken = true;
    driver->base.receive = receive_nothing;
    driver->base.send = send_nothing;
    driver->base.reclaim = reclaim_nothing;
    return 0;
}

bool ae_virtio_broken(const struct ae_queue *queue)
{
    return ((const struct ae_virtio_driver *)queue)->broken;
}
