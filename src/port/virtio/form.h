/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a form of ring does with its rings that is the same in words, but of its own struct ring and
 * struct queue. Included by virtio/split.c and virtio/packed.c behind their own place_ring and
 * release_ring. Not a header like others: no guard, once per form.
 */

static int make_ring(struct ring *ring, const struct ae_virtio_ring *from, struct ae_error *err)
{
    place_ring(ring, from);
    ring->memory = from->memory;
    ring->batch =
        from->size / 4u < AE_VIRTIO_REFILL ? (uint16_t)((from->size + 3) / 4) : AE_VIRTIO_REFILL;
    ring->low = (uint16_t)(from->size / 2u < 2u * ring->batch ? from->size / 2u : 2u * ring->batch);
    ring->doorbell = from->doorbell;
    ring->slots = calloc(from->size, sizeof(*ring->slots));
    ring->order = calloc(from->size, sizeof(*ring->order));
    ring->away = calloc(from->size, sizeof(*ring->away));
    ring->more = calloc(from->size, sizeof(*ring->more));
    ring->behind = calloc(from->size, sizeof(*ring->behind));
    return ring->slots && ring->order && ring->away && ring->more && ring->behind
               ? 0
               : ae_error_set(err, -ENOMEM, "virtio: out of memory");
}

static int make_rings(struct ae_virtio_driver *driver, const struct ae_virtio_pair *pair,
                      struct ae_error *err)
{
    struct queue *queue = (struct queue *)driver;
    int rc = make_ring(&queue->receive, &pair->receive, err);

    return rc ? rc : make_ring(&queue->send, &pair->send, err);
}

static void free_ring(struct ring *ring)
{
    free(ring->slots);
    free(ring->order);
    free(ring->away);
    free(ring->more);
    free(ring->behind);
}

static void free_rings(struct ae_virtio_driver *driver)
{
    struct queue *queue = (struct queue *)driver;

    free_ring(&queue->receive);
    free_ring(&queue->send);
}

static void release(struct ae_virtio_driver *driver)
{
    struct queue *queue = (struct queue *)driver;

    release_ring(driver->base.pool, &queue->receive, driver->in_order);
    release_ring(driver->base.pool, &queue->send, driver->in_order);
}
