/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/packet.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define CACHE_LINE          64
#define COUNT_MAX           (1u << 20)
#define BUFFER_SIZE_MIN     256
#define BUFFER_SIZE_MAX     65536
#define BUFFER_SIZE_DEFAULT 2048

_Static_assert(sizeof(struct ae_packet) == CACHE_LINE, "a packet is one cache line");

static int check(const struct ae_pool_options *options, uint32_t size, struct ae_error *err)
{
    uint64_t bytes = (uint64_t)options->count * size;

    if (options->count == 0 || options->count > COUNT_MAX)
        return ae_error_set(err, -EINVAL, "creating a pool: %u packets; 1 to %u are possible",
                            options->count, COUNT_MAX);
    if (size & (size - 1) || size < BUFFER_SIZE_MIN || size > BUFFER_SIZE_MAX)
        return ae_error_set(err, -EINVAL,
                            "creating a pool: buffers of %u bytes; a power of two from %d to %d is "
                            "possible",
                            size, BUFFER_SIZE_MIN, BUFFER_SIZE_MAX);
    if (bytes > UINT32_MAX)
        return ae_error_set(err, -EINVAL,
                            "creating a pool: %u buffers of %u bytes; less than 4 GiB is possible",
                            options->count, size);
    if (!options->memory || (uintptr_t)options->memory % size || options->iova.value % size)
        return ae_error_set(err, -EINVAL,
                            "creating a pool: memory %p, IOVA 0x%llx; both must be aligned to the "
                            "%u bytes of a buffer",
                            options->memory, (unsigned long long)options->iova.value, size);
    if (bytes > options->memory_size)
        return ae_error_set(err, -ENOSPC,
                            "creating a pool: %u buffers of %u bytes need %llu bytes, there are "
                            "%zu; ask for fewer packets or more memory",
                            options->count, size, (unsigned long long)bytes, options->memory_size);
    return 0;
}

int ae_pool_create(struct ae_pool **out, const struct ae_pool_options *options,
                   struct ae_error *err)
{
    uint32_t size = options->buffer_size ? options->buffer_size : BUFFER_SIZE_DEFAULT;
    struct ae_pool *pool;
    int rc = check(options, size, err);

    if (rc)
        return rc;
    pool = calloc(1, sizeof(*pool));
    if (pool) {
        pool->free = calloc(options->count, sizeof(*pool->free));
        pool->packets = aligned_alloc(CACHE_LINE, options->count * sizeof(*pool->packets));
    }
    if (!pool || !pool->free || !pool->packets) {
        ae_pool_destroy(pool);
        return ae_error_set(err, -ENOMEM, "creating a pool of %u packets: out of memory",
                            options->count);
    }
    pool->count = options->count;
    pool->buffer_size = size;
    pool->memory = options->memory;
    pool->iova = options->iova;
    pool->border = pool->packets + options->count / 2;
    /* Filled from the end, so that the first of each half is on top. */
    for (uint32_t i = options->count; i-- > 0;) {
        pool->packets[i] =
            (struct ae_packet){.buffer = pool->memory + (size_t)i * size, .pool = pool};
        ae_packet_put(&pool->packets[i]);
    }
    *out = pool;
    return 0;
}

void ae_pool_lend(struct ae_pool *pool, uint32_t count)
{
    memmove(pool->free + pool->for_receive, pool->free + pool->count - pool->for_send,
            count * sizeof(*pool->free));
    pool->for_receive += count;
    pool->for_send -= count;
}

uint32_t ae_packet_get_received(struct ae_pool *pool, struct ae_packet **packets, uint32_t count)
{
    uint32_t got = 0;

    for (; got < count && pool->for_receive; got++) {
        packets[got] = pool->free[--pool->for_receive];
        ae_packet_renew(packets[got]);
    }
    pool->exhausted += got < count;
    return got;
}

/* Each is looked at by itself: where one is not the caller's, what is behind it is not either. */
void ae_packet_put_chain(struct ae_packet *packet)
{
    while (packet) {
        struct ae_packet *next = ae_packet_next(packet);

        if (packet->in_pool) {
            packet->pool->misuse++;
            return;
        }
        packet->in_pool = true;
        packet->more = 0;
        ae_pool_return(packet->pool, packet);
        packet = next;
    }
}

void ae_pool_destroy(struct ae_pool *pool)
{
    if (!pool)
        return;
    free(pool->packets);
    free(pool->free);
    free(pool);
}
