/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_CHANNEL_H
#define AETHER_CHANNEL_H

/*
 * A channel: a single-producer single-consumer ring of equal messages in shared memory, between a
 * quiet worker and a host process. Neither side ever waits, locks or enters the kernel.
 *
 * The two sides do not trust each other: indices read from the other side are checked, and each
 * side keeps what it relies on in its own memory. A side that finds the other's index impossible
 * marks the channel broken and behaves as if it were full (producer) or empty (consumer).
 *
 * The memory holds no pointer and may be mapped at any address. It begins with a struct
 * ae_channel_memory, aligned to 64 bytes, and the slots follow.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <aether/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AE_CHANNEL_MAGIC 0x4c4e4843u /* "CHNL" */

/* What both sides map. Each index has one writer and a cache line of its own. */
struct ae_channel_memory {
    uint32_t magic;
    uint32_t slots;     /* a power of two */
    uint32_t slot_size; /* bytes, a multiple of 8 */
    uint32_t reserved[13];
    uint32_t head __attribute__((aligned(64))); /* next to fill; free-running; producer's */
    uint32_t reserved_head[15];
    uint32_t tail __attribute__((aligned(64))); /* next to take; free-running; consumer's */
    uint32_t reserved_tail[15];
};

/* One side's view, in its own memory. */
struct ae_channel {
    struct ae_channel_memory *shared;
    uint8_t *slot; /* the first one */
    uint32_t mask;
    uint32_t slot_size;
    uint32_t own;     /* this side's index */
    uint32_t other;   /* the other side's, as last seen */
    uint32_t broken;  /* impossible indices seen */
    uint32_t refused; /* puts that found it full (producer) */
};

/* Bytes that a channel of this shape needs, or 0 when the shape is not allowed: slots a power of
 * two from 2 to 2^20, slot_size a multiple of 8 from 8 to 65536. */
size_t ae_channel_size(uint32_t slots, uint32_t slot_size);

/* Lays out an empty channel in `memory`, of ae_channel_size bytes and 64-byte aligned. */
int ae_channel_create(void *memory, uint32_t slots, uint32_t slot_size, struct ae_error *err);

/*
 * Opens one side; the other may be in another process. size: bytes of the mapping. The shape is
 * read once and checked against size, so it cannot change afterwards. -EPROTO when it makes no
 * sense.
 */
int ae_channel_open_producer(struct ae_channel *channel, void *memory, size_t size,
                             struct ae_error *err);
int ae_channel_open_consumer(struct ae_channel *channel, void *memory, size_t size,
                             struct ae_error *err);

/* Copies one message of slot_size bytes in. False: full (counted). */
static inline bool ae_channel_put(struct ae_channel *channel, const void *message)
{
    uint32_t used = channel->own - channel->other;

    if (used > channel->mask) {
        /* Pairs with the release store of tail in ae_channel_get: slots are free to overwrite. */
        uint32_t tail = __atomic_load_n(&channel->shared->tail, __ATOMIC_ACQUIRE);

        if (channel->own - tail > channel->mask + 1) {
            channel->broken++;
            return false;
        }
        channel->other = tail;
        if (channel->own - tail > channel->mask) {
            channel->refused++;
            return false;
        }
    }
    memcpy(channel->slot + (size_t)(channel->own & channel->mask) * channel->slot_size, message,
           channel->slot_size);
    channel->own++;
    /* Pairs with the acquire load of head in ae_channel_get: the message is there before the
     * index. */
    __atomic_store_n(&channel->shared->head, channel->own, __ATOMIC_RELEASE);
    return true;
}

/* Copies one message of slot_size bytes out. False: empty. */
static inline bool ae_channel_get(struct ae_channel *channel, void *message)
{
    if (channel->own == channel->other) {
        /* Pairs with the release store of head in ae_channel_put. */
        uint32_t head = __atomic_load_n(&channel->shared->head, __ATOMIC_ACQUIRE);

        if (head - channel->own > channel->mask + 1) {
            channel->broken++;
            return false;
        }
        channel->other = head;
        if (head == channel->own)
            return false;
    }
    memcpy(message, channel->slot + (size_t)(channel->own & channel->mask) * channel->slot_size,
           channel->slot_size);
    channel->own++;
    /* Pairs with the acquire load of tail in ae_channel_put. */
    __atomic_store_n(&channel->shared->tail, channel->own, __ATOMIC_RELEASE);
    return true;
}

#ifdef __cplusplus
}
#endif

#endif
