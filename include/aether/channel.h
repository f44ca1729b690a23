/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_CHANNEL_H
#define AETHER_CHANNEL_H

/*
 * A channel: records of any length, in order and none lost, from one producer to one consumer in
 * another process, through a ring in shared memory. Neither side waits, locks or enters the kernel.
 *
 *     at = ae_channel_reserve(&producer, length);     at = ae_channel_peek(&consumer, &length);
 *     ... write length bytes at `at` ...              ... read length bytes at `at` ...
 *     ae_channel_commit(&producer);                   ae_channel_release(&consumer);
 *
 * Each reserve and each peek goes on behind the last one; one commit publishes, and one release
 * gives back, all there were since. So a burst costs what a record does.
 *
 * What is relied on each side keeps in its own memory. What it reads of the other's is read once
 * and checked: a hostile other side can make it see wrong records, or none, and no more. The bytes
 * of a record are the other side's to change even while they are looked at: what is checked has to
 * be copied first (ae_channel_get).
 *
 * A side may end anywhere, by SIGKILL as well, and its successor open the same memory. What was
 * reserved and not committed was never there; what was peeked and not released comes again.
 *
 * The memory holds no pointer, and may be mapped at any address aligned to 128 bytes. Whoever makes
 * it keeps it from being cut (F_SEAL_SHRINK, fcntl(2)). A side belongs to one thread at a time, and
 * a channel has one side of each kind. For many readers, of which none may hold up the writer:
 * <aether/broadcast.h>.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <aether/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AE_CHANNEL_MAGIC  0x324e4843u /* "CHN2" */
#define AE_CHANNEL_HEADER 8           /* bytes before each record: its length */
#define AE_CHANNEL_WRAP                                                      \
    UINT64_MAX /* instead of a length: the record is at the ring's beginning \
                */

/* What both sides map; the ring follows. Each line, and its neighbour that a CPU fetches with it,
 * has one writer. Positions are bytes since the channel was made: they never go back. */
struct ae_channel_memory {
    uint32_t magic;
    uint32_t bytes; /* of the ring */
    uint64_t reserved[15];
    uint64_t head; /* the producer's: committed up to here */
    uint64_t refused;
    uint64_t reserved_head[14];
    uint64_t tail; /* the consumer's: released up to here */
    uint64_t reserved_tail[15];
};

/* The producer's side. What it says of itself may be read, by its own thread. */
struct ae_channel_producer {
    struct ae_channel_memory *shared;
    uint8_t *ring;
    uint64_t bytes;
    uint64_t next;    /* reserved up to here */
    uint64_t limit;   /* and may be up to here: the tail as last seen, and once round */
    uint64_t refused; /* reserves in vain, since the channel was made */
    uint64_t broken;  /* tails seen that cannot be: taken for full */
};

/* The consumer's side. */
struct ae_channel_consumer {
    struct ae_channel_memory *shared;
    const uint8_t *ring;
    uint64_t bytes;
    uint64_t next;   /* peeked up to here */
    uint64_t limit;  /* the head as last seen */
    uint64_t broken; /* heads and lengths seen that cannot be: what was committed is skipped */
};

/* Bytes of memory for a channel with a ring of so many, which are a power of two from 64 to 2^30;
 * 0: they are not. The longest record is half of the ring, less AE_CHANNEL_HEADER. */
size_t ae_channel_size(uint32_t bytes);

/* Lays out an empty channel in memory of ae_channel_size(bytes), before either side opens it.
 * -EINVAL: no such ring, or the memory is not aligned. */
int ae_channel_create(void *memory, uint32_t bytes, struct ae_error *err);

/*
 * Opens a side, or opens it again after its process ended; size: bytes of the mapping, which stays
 * the caller's. The shape is read once. -EPROTO: there is no channel, it does not fit, or its
 * positions cannot be; then it has to be created anew.
 */
int ae_channel_open_producer(struct ae_channel_producer *producer, void *memory, size_t size,
                             struct ae_error *err);
int ae_channel_open_consumer(struct ae_channel_consumer *consumer, void *memory, size_t size,
                             struct ae_error *err);

/* What the producer could not reserve since the channel was made, by its own count. */
static inline uint64_t ae_channel_refused(const struct ae_channel_consumer *consumer)
{
    return __atomic_load_n(&consumer->shared->refused, __ATOMIC_RELAXED);
}

/* ---- For what follows ---- */

static inline uint64_t ae_channel_span(uint64_t length)
{
    return AE_CHANNEL_HEADER + ((length + 7) & ~UINT64_C(7));
}

static inline bool ae_channel_find_room(struct ae_channel_producer *producer, uint64_t need)
{
    /* Pairs with the release store in ae_channel_release: what was read there was read. */
    uint64_t tail = __atomic_load_n(&producer->shared->tail, __ATOMIC_ACQUIRE);

    if (producer->next - tail > producer->bytes)
        producer->broken++;
    else
        producer->limit = tail + producer->bytes;
    if (need <= producer->limit - producer->next)
        return true;
    producer->refused++;
    __atomic_store_n(&producer->shared->refused, producer->refused, __ATOMIC_RELAXED);
    return false;
}

static inline bool ae_channel_find_records(struct ae_channel_consumer *consumer)
{
    /* Pairs with the release store in ae_channel_commit: what it covers is written. */
    uint64_t head = __atomic_load_n(&consumer->shared->head, __ATOMIC_ACQUIRE);

    if (head - consumer->next > consumer->bytes || head % 8) {
        consumer->broken++;
        return false;
    }
    consumer->limit = head;
    if (head == consumer->next)
        return false;
    /* A record that ends in another line than it begins: both on their way at once. */
    __builtin_prefetch(consumer->ring + ((consumer->next + 64) & (consumer->bytes - 1)));
    return true;
}

/* ---- The producer ---- */

/*
 * Room for a record of so many bytes, aligned to 8 and the producer's until it is committed. NULL:
 * full, or longer than any record may be; counted. What was reserved before stays so.
 */
static inline void *ae_channel_reserve(struct ae_channel_producer *producer, uint32_t length)
{
    uint64_t at = producer->next & (producer->bytes - 1), rest = producer->bytes - at;
    uint64_t span = ae_channel_span(length), need = span <= rest ? span : rest + span;

    /* What is longer than half may never fit, depending on where it would begin. */
    if (span > producer->bytes / 2)
        need = UINT64_MAX;
    if (need > producer->limit - producer->next && !ae_channel_find_room(producer, need))
        return NULL;
    if (span > rest) {
        __atomic_store_n((uint64_t *)(void *)(producer->ring + at), AE_CHANNEL_WRAP,
                         __ATOMIC_RELAXED);
        at = 0;
    }
    __atomic_store_n((uint64_t *)(void *)(producer->ring + at), length, __ATOMIC_RELAXED);
    producer->next += need;
    return producer->ring + at + AE_CHANNEL_HEADER;
}

/* Publishes all that was reserved. */
static inline void ae_channel_commit(struct ae_channel_producer *producer)
{
    /* Pairs with the acquire load in ae_channel_find_records. */
    __atomic_store_n(&producer->shared->head, producer->next, __ATOMIC_RELEASE);
}

/* Reserves, copies and commits. False: as ae_channel_reserve. */
static inline bool ae_channel_put(struct ae_channel_producer *producer, const void *record,
                                  uint32_t length)
{
    void *at = ae_channel_reserve(producer, length);

    if (!at)
        return false;
    memcpy(at, record, length);
    ae_channel_commit(producer);
    return true;
}

/* ---- The consumer ---- */

/*
 * The next record, aligned to 8, readable until ae_channel_release. NULL: there is none; or it
 * cannot be one, and what was committed is skipped and counted.
 */
static inline const void *ae_channel_peek(struct ae_channel_consumer *consumer, uint32_t *length)
{
    uint64_t at = consumer->next & (consumer->bytes - 1), rest = consumer->bytes - at, skip = 0;
    uint64_t told, span;

    if (consumer->next == consumer->limit && !ae_channel_find_records(consumer))
        return NULL;
    told = __atomic_load_n((const uint64_t *)(const void *)(consumer->ring + at), __ATOMIC_RELAXED);
    if (told == AE_CHANNEL_WRAP) {
        skip = rest;
        rest = consumer->bytes;
        told = __atomic_load_n((const uint64_t *)(const void *)consumer->ring, __ATOMIC_RELAXED);
    }
    /* Once it is no longer than the ring, nothing here overflows. */
    span = ae_channel_span(told);
    if (told > consumer->bytes || span > rest || skip + span > consumer->limit - consumer->next) {
        consumer->broken++;
        consumer->next = consumer->limit;
        return NULL;
    }
    consumer->next += skip + span;
    *length = (uint32_t)told;
    return consumer->ring + ((consumer->next - span) & (consumer->bytes - 1)) + AE_CHANNEL_HEADER;
}

/* Gives back what was peeked, and what was skipped: so also after a peek that found nothing. */
static inline void ae_channel_release(struct ae_channel_consumer *consumer)
{
    /* Pairs with the acquire load in ae_channel_find_room: the loads of the records are before it,
     * which a barrier for stores alone would not see to. */
    __atomic_store_n(&consumer->shared->tail, consumer->next, __ATOMIC_RELEASE);
}

/* Copies the next record out, at most `room` bytes of it, and releases it. length: of the record,
 * which may be more. False: as ae_channel_peek. */
static inline bool ae_channel_get(struct ae_channel_consumer *consumer, void *record, uint32_t room,
                                  uint32_t *length)
{
    const void *at = ae_channel_peek(consumer, length);

    if (at)
        memcpy(record, at, *length < room ? *length : room);
    ae_channel_release(consumer);
    return at != NULL;
}

#ifdef __cplusplus
}
#endif

#endif
