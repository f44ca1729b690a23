/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/channel.h>

#include <errno.h>

#include "base/error.h"

#define BYTES_MIN 64
#define BYTES_MAX (1u << 30)
#define ALIGNMENT 128

_Static_assert(offsetof(struct ae_channel_memory, head) == ALIGNMENT, "lines of the producer's");
_Static_assert(offsetof(struct ae_channel_memory, tail) == 2 * ALIGNMENT, "of the consumer's");
_Static_assert(sizeof(struct ae_channel_memory) == 3 * ALIGNMENT, "and the ring's");

size_t ae_channel_size(uint32_t bytes)
{
    if (bytes < BYTES_MIN || bytes > BYTES_MAX || bytes & (bytes - 1))
        return 0;
    return sizeof(struct ae_channel_memory) + bytes;
}

int ae_channel_create(void *memory, uint32_t bytes, struct ae_error *err)
{
    struct ae_channel_memory *shared = memory;

    if (!ae_channel_size(bytes) || (uintptr_t)memory % ALIGNMENT)
        return ae_error_set(err, -EINVAL,
                            "creating a channel with a ring of %u bytes: they are a power of two "
                            "from %u to %u, in memory aligned to %u",
                            bytes, BYTES_MIN, BYTES_MAX, ALIGNMENT);
    memset(shared, 0, sizeof(*shared));
    shared->bytes = bytes;
    shared->magic = AE_CHANNEL_MAGIC;
    return 0;
}

/* Each word once: the other side may be writing to it. */
static int read_shape(struct ae_channel_memory *shared, size_t size, uint64_t *bytes,
                      struct ae_error *err)
{
    uint32_t magic, told;

    if (size < sizeof(*shared) || (uintptr_t)shared % ALIGNMENT)
        return ae_error_set(err, -EPROTO,
                            "opening a channel: %zu bytes at %p are too few for one, or not "
                            "aligned to %u",
                            size, (void *)shared, ALIGNMENT);
    magic = __atomic_load_n(&shared->magic, __ATOMIC_RELAXED);
    told = __atomic_load_n(&shared->bytes, __ATOMIC_RELAXED);
    if (magic != AE_CHANNEL_MAGIC || !ae_channel_size(told) || ae_channel_size(told) > size)
        return ae_error_set(err, -EPROTO,
                            "opening a channel: %zu bytes that begin with %#x and %u hold none, or "
                            "not one of this version",
                            size, magic, told);
    *bytes = told;
    return 0;
}

static int refuse(uint64_t head, uint64_t tail, struct ae_error *err)
{
    return ae_error_set(err, -EPROTO,
                        "opening a channel: its positions %llu and %llu cannot be; create it anew",
                        (unsigned long long)head, (unsigned long long)tail);
}

int ae_channel_open_producer(struct ae_channel_producer *producer, void *memory, size_t size,
                             struct ae_error *err)
{
    struct ae_channel_memory *shared = memory;
    uint64_t bytes, head, tail;
    int rc = read_shape(shared, size, &bytes, err);

    if (rc)
        return rc;
    head = __atomic_load_n(&shared->head, __ATOMIC_RELAXED);
    tail = __atomic_load_n(&shared->tail, __ATOMIC_ACQUIRE);
    if (head - tail > bytes || head % 8)
        return refuse(head, tail, err);
    *producer = (struct ae_channel_producer){
        .shared = shared,
        .ring = (uint8_t *)memory + sizeof(*shared),
        .bytes = bytes,
        .next = head,
        .limit = tail + bytes,
        .refused = __atomic_load_n(&shared->refused, __ATOMIC_RELAXED),
    };
    return 0;
}

int ae_channel_open_consumer(struct ae_channel_consumer *consumer, void *memory, size_t size,
                             struct ae_error *err)
{
    struct ae_channel_memory *shared = memory;
    uint64_t bytes, head, tail;
    int rc = read_shape(shared, size, &bytes, err);

    if (rc)
        return rc;
    tail = __atomic_load_n(&shared->tail, __ATOMIC_RELAXED);
    head = __atomic_load_n(&shared->head, __ATOMIC_ACQUIRE);
    if (head - tail > bytes || tail % 8)
        return refuse(head, tail, err);
    *consumer = (struct ae_channel_consumer){
        .shared = shared,
        .ring = (const uint8_t *)memory + sizeof(*shared),
        .bytes = bytes,
        .next = tail,
        .limit = tail,
    };
    return 0;
}
