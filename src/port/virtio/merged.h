/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a burst is received by when it is not one frame a buffer and one buffer an entry: frames in
 * several buffers, and batches of which a device that works in order tells by the last buffer only
 * (2.7.9, 2.8.8). The burst function of the form stops before the first such buffer and has this
 * receive the rest; while a frame is not whole, all. Included by virtio/split.c and
 * virtio/packed.c. Not a header like others: no guard, once per form.
 */

struct batch {
    uint32_t count;   /* buffers; 0: there is none, or the ring is broken */
    uint32_t written; /* bytes of the last one; those before it are full */
};

/* What the device says that it used next. It is the driver's now. */
static struct batch next_batch(struct queue *queue);
/* Of a batch that is not yet passed. */
static struct ae_packet *packet_of(const struct ring *ring, uint32_t i);
/* The descriptors of a batch are free. */
static void pass(struct ring *ring, uint32_t count);

/* A batch may hold more frames than there is room for, if they fill buffers to the brim. */
static uint32_t take_batch(struct queue *queue, struct batch batch, struct ae_packet **packets,
                           uint32_t room)
{
    struct ae_virtio_driver *driver = &queue->driver;
    struct ae_queue_counters *counters = driver->base.counters;
    uint32_t got = 0;

    for (uint32_t i = 0; i < batch.count; i++) {
        struct ae_packet *frame =
            ae_virtio_merge(driver, packet_of(&queue->receive, i),
                            i + 1 < batch.count ? driver->space : batch.written);

        if (frame && got < room) {
            counters->received_bytes += ae_packet_total(frame);
            packets[got++] = frame;
        } else if (frame) {
            counters->receive_errors++;
            ae_packet_put(frame);
        }
    }
    pass(&queue->receive, batch.count);
    return got;
}

static __attribute__((noinline, cold)) uint16_t receive_merged(struct ae_queue *base,
                                                               struct ae_packet **packets,
                                                               uint16_t count)
{
    struct queue *queue = (struct queue *)base;
    struct ae_virtio_driver *driver = &queue->driver;
    uint32_t got = 0;

    refill_when_low(queue, driver->in_order);
    while (got < count && !driver->broken) {
        struct batch batch = next_batch(queue);

        if (batch.count == 0)
            break;
        got += take_batch(queue, batch, packets + got, count - got);
    }
    if (!driver->broken)
        base->receive = driver->merging.pieces ? receive_merged : driver->receive;
    base->counters->received_frames += got;
    return (uint16_t)got;
}
