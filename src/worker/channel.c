/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/channel.h>

#include <errno.h>

#include "base/error.h"

#define SLOTS_MAX     (1u << 20)
#define SLOT_SIZE_MAX 65536

_Static_assert(sizeof(struct ae_channel_memory) == 192, "three cache lines");

size_t ae_channel_size(uint32_t slots, uint32_t slot_size)
{
    if (slots < 2 || slots > SLOTS_MAX || slots & (slots - 1) || slot_size < 8 ||
        slot_size > SLOT_SIZE_MAX || slot_size % 8)
        return 0;
    return sizeof(struct ae_channel_memory) + (size_t)slots * slot_size;
}

int ae_channel_create(void *memory, uint32_t slots, uint32_t slot_size, struct ae_error *err)
{
    struct ae_channel_memory *shared = memory;

    if (!ae_channel_size(slots, slot_size) || (uintptr_t)memory % 64)
        return ae_error_set(err, -EINVAL,
                            "creating a channel of %u slots of %u bytes: slots are a power of two "
                            "from 2 to %u, of a multiple of 8 bytes up to %u, in memory aligned to "
                            "64",
                            slots, slot_size, SLOTS_MAX, SLOT_SIZE_MAX);
    memset(shared, 0, sizeof(*shared));
    shared->magic = AE_CHANNEL_MAGIC;
    shared->slots = slots;
    shared->slot_size = slot_size;
    return 0;
}

static int open_side(struct ae_channel *channel, void *memory, size_t size, struct ae_error *err)
{
    struct ae_channel_memory *shared = memory;
    uint32_t slots, slot_size;

    if (size < sizeof(*shared) || (uintptr_t)memory % 64)
        return ae_error_set(err, -EPROTO, "opening a channel: %zu bytes are too few for one", size);
    /* Read once: the other side may be writing to it. */
    slots = __atomic_load_n(&shared->slots, __ATOMIC_RELAXED);
    slot_size = __atomic_load_n(&shared->slot_size, __ATOMIC_RELAXED);
    if (shared->magic != AE_CHANNEL_MAGIC || !ae_channel_size(slots, slot_size) ||
        ae_channel_size(slots, slot_size) > size)
        return ae_error_set(
            err, -EPROTO,
            "opening a channel: %u slots of %u bytes in %zu bytes of memory make no "
            "sense",
            slots, slot_size, size);
    *channel = (struct ae_channel){
        .shared = shared,
        .slot = (uint8_t *)memory + sizeof(*shared),
        .mask = slots - 1,
        .slot_size = slot_size,
    };
    return 0;
}

int ae_channel_open_producer(struct ae_channel *channel, void *memory, size_t size,
                             struct ae_error *err)
{
    int rc = open_side(channel, memory, size, err);

    if (rc)
        return rc;
    /* A producer that comes back goes on where the last one stopped, as far as that makes sense. */
    channel->own = __atomic_load_n(&channel->shared->head, __ATOMIC_ACQUIRE);
    channel->other = __atomic_load_n(&channel->shared->tail, __ATOMIC_ACQUIRE);
    if (channel->own - channel->other > channel->mask + 1)
        return ae_error_set(err, -EPROTO, "opening a channel: its indices %u and %u make no sense",
                            channel->own, channel->other);
    return 0;
}

int ae_channel_open_consumer(struct ae_channel *channel, void *memory, size_t size,
                             struct ae_error *err)
{
    int rc = open_side(channel, memory, size, err);

    if (rc)
        return rc;
    channel->own = __atomic_load_n(&channel->shared->tail, __ATOMIC_ACQUIRE);
    channel->other = channel->own;
    return 0;
}
