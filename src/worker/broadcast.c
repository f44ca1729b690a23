/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/broadcast.h>

#include <errno.h>
#include <string.h>

#include "base/error.h"

#define SLOTS_MIN     4
#define SLOTS_MAX     (1u << 20)
#define SLOT_SIZE_MAX 65536
#define LINE          64
#define ALIGNMENT     128
#define TRIES         2

_Static_assert(offsetof(struct ae_broadcast_memory, head) == ALIGNMENT, "a line of its own");
_Static_assert(sizeof(struct ae_broadcast_memory) == 2 * ALIGNMENT, "the slots' own");
_Static_assert(sizeof(struct ae_broadcast_slot) == 16, "as the header says");

size_t ae_broadcast_size(uint32_t slots, uint32_t slot_size)
{
    if (slots < SLOTS_MIN || slots > SLOTS_MAX || slots & (slots - 1) || slot_size < LINE ||
        slot_size > SLOT_SIZE_MAX || slot_size % LINE)
        return 0;
    return sizeof(struct ae_broadcast_memory) + (size_t)slots * slot_size;
}

int ae_broadcast_create(void *memory, uint32_t slots, uint32_t slot_size, struct ae_error *err)
{
    struct ae_broadcast_memory *shared = memory;

    if (!ae_broadcast_size(slots, slot_size) || (uintptr_t)memory % ALIGNMENT)
        return ae_error_set(err, -EINVAL,
                            "creating a broadcast of %u slots of %u bytes: they are a power of two "
                            "from %u to %u, of a multiple of %u bytes up to %u, in memory aligned "
                            "to %u",
                            slots, slot_size, SLOTS_MIN, SLOTS_MAX, LINE, SLOT_SIZE_MAX, ALIGNMENT);
    memset(memory, 0, ae_broadcast_size(slots, slot_size));
    shared->slots = slots;
    shared->slot_size = slot_size;
    shared->magic = AE_BROADCAST_MAGIC;
    return 0;
}

/* Each word once: somebody else may be writing to it. */
static int read_shape(const struct ae_broadcast_memory *shared, size_t size, uint32_t *slots,
                      uint32_t *slot_size, struct ae_error *err)
{
    uint32_t magic;

    if (size < sizeof(*shared) || (uintptr_t)shared % ALIGNMENT)
        return ae_error_set(err, -EPROTO,
                            "opening a broadcast: %zu bytes at %p are too few for one, or not "
                            "aligned to %u",
                            size, (const void *)shared, ALIGNMENT);
    magic = __atomic_load_n(&shared->magic, __ATOMIC_RELAXED);
    *slots = __atomic_load_n(&shared->slots, __ATOMIC_RELAXED);
    *slot_size = __atomic_load_n(&shared->slot_size, __ATOMIC_RELAXED);
    if (magic != AE_BROADCAST_MAGIC || !ae_broadcast_size(*slots, *slot_size) ||
        ae_broadcast_size(*slots, *slot_size) > size)
        return ae_error_set(err, -EPROTO,
                            "opening a broadcast: %zu bytes that begin with %#x, %u and %u hold "
                            "none, or not one of this version",
                            size, magic, *slots, *slot_size);
    return 0;
}

static uint64_t whole(uint64_t number)
{
    return 2 * number + 2;
}

static struct ae_broadcast_slot *slot_to_write(const struct ae_broadcast_writer *writer)
{
    return (void *)(writer->slot + (writer->next & writer->mask) * writer->slot_size);
}

int ae_broadcast_open_writer(struct ae_broadcast_writer *writer, void *memory, size_t size,
                             struct ae_error *err)
{
    struct ae_broadcast_memory *shared = memory;
    uint32_t slots, slot_size;
    int rc = read_shape(shared, size, &slots, &slot_size, err);

    if (rc)
        return rc;
    *writer = (struct ae_broadcast_writer){
        .shared = shared,
        .slot = (uint8_t *)memory + sizeof(*shared),
        .mask = slots - 1,
        .slot_size = slot_size,
        .room = slot_size - (uint32_t)sizeof(struct ae_broadcast_slot),
        .next = __atomic_load_n(&shared->head, __ATOMIC_RELAXED),
    };
    /* The one before us ended between the two: readers may have seen this message. */
    if (__atomic_load_n(&slot_to_write(writer)->sequence, __ATOMIC_RELAXED) == whole(writer->next))
        __atomic_store_n(&shared->head, ++writer->next, __ATOMIC_RELEASE);
    return 0;
}

int ae_broadcast_open_reader(struct ae_broadcast_reader *reader, const void *memory, size_t size,
                             uint64_t first, struct ae_error *err)
{
    const struct ae_broadcast_memory *shared = memory;
    uint32_t slots, slot_size;
    uint64_t head;
    int rc = read_shape(shared, size, &slots, &slot_size, err);

    if (rc)
        return rc;
    head = __atomic_load_n(&shared->head, __ATOMIC_ACQUIRE);
    if (first == AE_BROADCAST_NOW)
        first = head;
    /* A message is seen before it is counted: a reader may be one further. */
    if (first > head && first - head > 1)
        return ae_error_set(err, -ERANGE, "opening a broadcast at message %llu: it has had %llu",
                            (unsigned long long)first, (unsigned long long)head);
    *reader = (struct ae_broadcast_reader){
        .shared = shared,
        .slot = (const uint8_t *)memory + sizeof(*shared),
        .mask = slots - 1,
        .slot_size = slot_size,
        .room = slot_size - (uint32_t)sizeof(struct ae_broadcast_slot),
        .next = first,
    };
    return 0;
}

/* By words, each whole: a reader may be at it. */
static void copy_in(uint64_t *to, const void *from, uint32_t length)
{
    const uint8_t *bytes = from;
    uint64_t word;

    for (; length >= sizeof(word); length -= (uint32_t)sizeof(word), bytes += sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        __atomic_store_n(to++, word, __ATOMIC_RELAXED);
    }
    if (length == 0)
        return;
    word = 0;
    memcpy(&word, bytes, length);
    __atomic_store_n(to, word, __ATOMIC_RELAXED);
}

static void copy_out(void *to, const uint64_t *from, uint32_t length)
{
    uint8_t *bytes = to;
    uint64_t word;

    for (; length >= sizeof(word); length -= (uint32_t)sizeof(word), bytes += sizeof(word)) {
        word = __atomic_load_n(from++, __ATOMIC_RELAXED);
        memcpy(bytes, &word, sizeof(word));
    }
    if (length == 0)
        return;
    word = __atomic_load_n(from, __ATOMIC_RELAXED);
    memcpy(bytes, &word, length);
}

bool ae_broadcast_put(struct ae_broadcast_writer *writer, const void *message, uint32_t length)
{
    struct ae_broadcast_slot *slot = slot_to_write(writer);

    if (length > writer->room)
        return false;
    /* Who sees this sees the head that goes before it (skip). */
    __atomic_store_n(&slot->sequence, whole(writer->next) - 1, __ATOMIC_RELEASE);
    /* Pairs with the acquire fence in ae_broadcast_get: who reads a word of this message sees that
     * the one before is gone. */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&slot->length, length, __ATOMIC_RELAXED);
    copy_in((uint64_t *)(slot + 1), message, length);
    /* Pairs with the acquire load in ae_broadcast_get: it is all there. */
    __atomic_store_n(&slot->sequence, whole(writer->next), __ATOMIC_RELEASE);
    __atomic_store_n(&writer->shared->head, ++writer->next, __ATOMIC_RELEASE);
    return true;
}

/*
 * The next message is gone: its slot holds one at least a round later, and the head has reached
 * that one. Anything else the writer made up: then it is one message.
 */
static void skip(struct ae_broadcast_reader *reader)
{
    uint64_t slots = reader->mask + 1, step;
    uint64_t ahead = __atomic_load_n(&reader->shared->head, __ATOMIC_ACQUIRE) - reader->next;

    if (ahead >= slots && ahead <= INT64_MAX) {
        step = ahead - (slots - slots / 4);
    } else {
        reader->broken++;
        step = 1;
    }
    reader->lost += step;
    reader->next += step;
}

bool ae_broadcast_get(struct ae_broadcast_reader *reader, void *message, uint32_t *length)
{
    for (unsigned i = 0; i < TRIES; i++) {
        const struct ae_broadcast_slot *slot =
            (const void *)(reader->slot + (reader->next & reader->mask) * reader->slot_size);
        /* Pairs with the last store to it in ae_broadcast_put. */
        uint64_t sequence = __atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE), told;

        if (sequence < whole(reader->next))
            return false;
        if (sequence == whole(reader->next)) {
            told = __atomic_load_n(&slot->length, __ATOMIC_RELAXED);
            if (told <= reader->room)
                copy_out(message, (const uint64_t *)(slot + 1), (uint32_t)told);
            /* Pairs with the release fence in ae_broadcast_put. */
            __atomic_thread_fence(__ATOMIC_ACQUIRE);
            if (__atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE) == sequence &&
                told <= reader->room) {
                reader->next++;
                *length = (uint32_t)told;
                return true;
            }
        }
        skip(reader);
    }
    return false;
}
