/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/loan.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define MAGIC     0x314e4f4cu /* "LON1" */
#define ALIGNMENT 128

/* Two channels follow. Each line and its neighbour has one writer, as those of a channel. */
struct ae_loan_memory {
    uint32_t magic;
    uint32_t limit;
    uint32_t reserved[30];
    uint32_t borrower; /* its generation: odd while there is one */
    uint32_t reserved_borrower[31];
    uint32_t over; /* the lender's: no more comes, and nothing lent is kept */
    uint32_t reserved_over[31];
};

_Static_assert(sizeof(struct ae_loan_memory) == 3 * ALIGNMENT, "the first channel is aligned");

struct lent {
    uint64_t offset; /* of the frame, in what the borrower maps */
    uint32_t length;
    uint32_t flags;
    uint64_t timestamp;
    uint32_t hash;
    uint16_t vlan;
    uint16_t queue;
    uint32_t slot;
    uint32_t serial;
    uint32_t generation; /* of the borrower that it is lent to */
    uint32_t reserved;
};

struct returned {
    uint32_t slot;
    uint32_t serial;
};

struct slot {
    struct ae_packet *packet; /* NULL: nothing is lent */
    uint32_t serial;
    uint32_t generation;
};

struct ae_lender {
    struct ae_loan_memory *shared;
    struct ae_pool *pool;
    uint64_t offset;
    struct ae_channel_producer lent;
    struct ae_channel_consumer returned;
    struct ae_loan_counters counters;
    uint32_t generation; /* of the borrower, as last seen */
    uint32_t limit;
    uint32_t free_count;
    uint32_t *free;      /* slots */
    uint32_t sweep_next; /* slot to ask whether its borrower has ended ... */
    uint32_t sweep_left; /* ... and so many more */
    struct slot slots[];
};

/* ---- The shared memory ---- */

/* Bytes of a ring that as many records fit into, wherever they begin. */
static uint32_t ring(uint32_t limit, size_t record)
{
    uint64_t bytes = 64, need = (limit + 2) * ae_channel_span(record);

    while (bytes < need)
        bytes *= 2;
    return (uint32_t)bytes;
}

static size_t lent_size(uint32_t limit)
{
    return ae_channel_size(ring(limit, sizeof(struct lent)));
}

static size_t returned_size(uint32_t limit)
{
    return ae_channel_size(ring(limit, sizeof(struct returned)));
}

static void *lent_channel(struct ae_loan_memory *shared)
{
    return shared + 1;
}

static void *returned_channel(struct ae_loan_memory *shared, uint32_t limit)
{
    return (uint8_t *)(shared + 1) + (lent_size(limit) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t ae_loan_size(uint32_t limit)
{
    if (limit == 0 || limit > AE_LOAN_LIMIT_MAX)
        return 0;
    return sizeof(struct ae_loan_memory) +
           (lent_size(limit) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + returned_size(limit);
}

int ae_loan_create(void *memory, uint32_t limit, struct ae_error *err)
{
    struct ae_loan_memory *shared = memory;
    int rc;

    if (!ae_loan_size(limit) || (uintptr_t)memory % ALIGNMENT)
        return ae_error_set(err, -EINVAL,
                            "creating a loan of %u packets: 1 to %u are possible, in memory "
                            "aligned to %u",
                            limit, AE_LOAN_LIMIT_MAX, ALIGNMENT);
    *shared = (struct ae_loan_memory){.limit = limit};
    rc = ae_channel_create(lent_channel(shared), ring(limit, sizeof(struct lent)), err);
    if (!rc)
        rc = ae_channel_create(returned_channel(shared, limit),
                               ring(limit, sizeof(struct returned)), err);
    if (!rc)
        __atomic_store_n(&shared->magic, MAGIC, __ATOMIC_RELEASE);
    return rc;
}

/* Each word once: the other side may be writing to it. */
static int read_shape(struct ae_loan_memory *shared, size_t size, uint32_t *limit,
                      struct ae_error *err)
{
    uint32_t magic = 0, told = 0;

    if (size >= sizeof(*shared) && (uintptr_t)shared % ALIGNMENT == 0) {
        magic = __atomic_load_n(&shared->magic, __ATOMIC_ACQUIRE);
        told = __atomic_load_n(&shared->limit, __ATOMIC_RELAXED);
    }
    if (magic != MAGIC || !ae_loan_size(told) || ae_loan_size(told) > size)
        return ae_error_set(err, -EPROTO,
                            "opening a loan: %zu bytes at %p that begin with %#x and %u hold none, "
                            "or not one of this version",
                            size, (void *)shared, magic, told);
    *limit = told;
    return 0;
}

void ae_loan_borrower_ended(void *memory)
{
    struct ae_loan_memory *shared = memory;
    uint32_t generation = __atomic_load_n(&shared->borrower, __ATOMIC_RELAXED);

    /* Pairs with the acquire load in look: what the borrower returned is seen first. */
    if (generation & 1)
        __atomic_store_n(&shared->borrower, generation + 1, __ATOMIC_RELEASE);
}

void ae_loan_lender_ended(void *memory)
{
    struct ae_loan_memory *shared = memory;

    __atomic_store_n(&shared->over, 1, __ATOMIC_RELEASE);
}

/* ---- The lender ---- */

int ae_lender_open(struct ae_lender **out, void *memory, size_t size, struct ae_pool *pool,
                   uint64_t offset, struct ae_error *err)
{
    struct ae_loan_memory *shared = memory;
    struct ae_lender *lender;
    uint32_t limit;
    int rc = read_shape(shared, size, &limit, err);

    if (rc)
        return rc;
    lender = calloc(1, sizeof(*lender) + limit * (sizeof(struct slot) + sizeof(*lender->free)));
    if (!lender)
        return ae_error_set(err, -ENOMEM, "opening a loan of %u packets: out of memory", limit);
    lender->shared = shared;
    lender->pool = pool;
    lender->offset = offset;
    lender->limit = limit;
    lender->free = (uint32_t *)(void *)&lender->slots[limit];
    for (uint32_t i = 0; i < limit; i++)
        lender->free[i] = i;
    lender->free_count = limit;
    rc = ae_channel_open_producer(&lender->lent, lent_channel(shared), lent_size(limit), err);
    if (!rc)
        rc = ae_channel_open_consumer(&lender->returned, returned_channel(shared, limit),
                                      returned_size(limit), err);
    if (rc) {
        free(lender);
        return rc;
    }
    *out = lender;
    return 0;
}

static void end_loan(struct ae_lender *lender, uint32_t index)
{
    ae_pool_return(lender->pool, lender->slots[index].packet);
    lender->slots[index].packet = NULL;
    lender->free[lender->free_count++] = index;
}

void ae_lender_close(struct ae_lender *lender)
{
    if (!lender)
        return;
    ae_loan_lender_ended(lender->shared);
    for (uint32_t i = 0; i < lender->limit; i++)
        if (lender->slots[i].packet)
            end_loan(lender, i);
    free(lender);
}

/* A borrower that came or went: all slots are asked, in turns, from where the last round got to, so
 * that one which comes and goes all the time keeps nothing by that. */
static void look(struct ae_lender *lender)
{
    /* Pairs with the release stores of ae_borrower_open and ae_loan_borrower_ended. */
    uint32_t generation = __atomic_load_n(&lender->shared->borrower, __ATOMIC_ACQUIRE);

    if (generation != lender->generation) {
        lender->generation = generation;
        lender->sweep_left = lender->limit;
    }
}

static bool may_be_lent(const struct ae_lender *lender, const struct ae_packet *packet)
{
    uint32_t size = lender->pool->buffer_size;
    uint64_t start;

    if (packet->pool != lender->pool || packet->in_pool || packet->more)
        return false;
    start = (uintptr_t)packet->data - (uintptr_t)packet->buffer;
    return start <= size && packet->length <= size - start;
}

uint32_t ae_loan_lend(struct ae_lender *lender, struct ae_packet **packets, uint32_t count)
{
    uint32_t done;

    look(lender);
    for (done = 0; done < count && lender->generation & 1 && lender->free_count; done++) {
        struct ae_packet *packet = packets[done];
        uint32_t index = lender->free[lender->free_count - 1];
        struct slot *slot = &lender->slots[index];
        struct lent *record;

        if (!may_be_lent(lender, packet)) {
            lender->counters.bad++;
            break;
        }
        record = ae_channel_reserve(&lender->lent, sizeof(*record));
        if (!record)
            break;
        packet->in_pool = true;
        lender->free_count--;
        *slot = (struct slot){packet, slot->serial + 1, lender->generation};
        *record = (struct lent){
            .offset = lender->offset + (uint64_t)(packet->data - lender->pool->memory),
            .length = packet->length,
            .flags = packet->flags,
            .timestamp = packet->timestamp,
            .hash = packet->hash,
            .vlan = packet->vlan,
            .queue = packet->queue,
            .slot = index,
            .serial = slot->serial,
            .generation = slot->generation,
        };
    }
    if (done)
        ae_channel_commit(&lender->lent);
    lender->counters.lent += done;
    lender->counters.refused += count - done;
    return done;
}

static bool is_lent(const struct ae_lender *lender, const struct returned *record)
{
    return record->slot < lender->limit && lender->slots[record->slot].packet &&
           lender->slots[record->slot].serial == record->serial;
}

uint32_t ae_loan_reclaim(struct ae_lender *lender, uint32_t count)
{
    struct returned record;
    uint32_t length, returned = 0, recovered = 0;

    look(lender);
    for (uint32_t i = 0; i < count; i++) {
        if (!ae_channel_get(&lender->returned, &record, sizeof(record), &length))
            break;
        if (length == sizeof(record) && is_lent(lender, &record)) {
            end_loan(lender, record.slot);
            returned++;
        } else {
            lender->counters.misuse++;
        }
    }
    for (uint32_t i = 0; i < count && lender->sweep_left; i++, lender->sweep_left--) {
        const struct slot *slot = &lender->slots[lender->sweep_next];

        if (slot->packet && slot->generation != lender->generation) {
            end_loan(lender, lender->sweep_next);
            recovered++;
        }
        lender->sweep_next = lender->sweep_next + 1 < lender->limit ? lender->sweep_next + 1 : 0;
    }
    lender->counters.returned += returned;
    lender->counters.recovered += recovered;
    return returned + recovered;
}

uint32_t ae_loan_outstanding(const struct ae_lender *lender)
{
    return lender->limit - lender->free_count;
}

const struct ae_loan_counters *ae_loan_counters(const struct ae_lender *lender)
{
    return &lender->counters;
}

/* ---- The borrower ---- */

int ae_borrower_open(struct ae_borrower *borrower, void *loan, size_t size, const void *memory,
                     size_t memory_size, struct ae_error *err)
{
    struct ae_loan_memory *shared = loan;
    uint32_t limit, generation;
    int rc = read_shape(shared, size, &limit, err);

    *borrower =
        (struct ae_borrower){.shared = shared, .memory = memory, .memory_size = memory_size};
    if (!rc)
        rc = ae_channel_open_consumer(&borrower->lent, lent_channel(shared), lent_size(limit), err);
    if (!rc)
        rc = ae_channel_open_producer(&borrower->returned, returned_channel(shared, limit),
                                      returned_size(limit), err);
    if (rc)
        return rc;
    generation = __atomic_load_n(&shared->borrower, __ATOMIC_RELAXED);
    borrower->generation = generation + (generation & 1 ? 2 : 1);
    /* Pairs with the acquire load in look. */
    __atomic_store_n(&shared->borrower, borrower->generation, __ATOMIC_RELEASE);
    return 0;
}

void ae_borrower_close(struct ae_borrower *borrower)
{
    if (__atomic_load_n(&borrower->shared->borrower, __ATOMIC_RELAXED) == borrower->generation)
        ae_loan_borrower_ended(borrower->shared);
}

static bool is_for(const struct ae_borrower *borrower, const struct lent *record, uint32_t length)
{
    return length == sizeof(*record) && record->offset <= borrower->memory_size &&
           record->length <= borrower->memory_size - record->offset;
}

uint32_t ae_loan_borrow(struct ae_borrower *borrower, struct ae_loan_frame *frames, uint32_t count)
{
    struct lent record = {0};
    uint32_t got = 0, length;

    for (uint32_t i = 0; i < count; i++) {
        if (!ae_channel_get(&borrower->lent, &record, sizeof(record), &length))
            break;
        if (!is_for(borrower, &record, length)) {
            borrower->bad++;
            continue;
        }
        if (record.generation != borrower->generation)
            continue; /* of one before it: taken back */
        frames[got++] = (struct ae_loan_frame){
            .data = borrower->memory + record.offset,
            .length = record.length,
            .flags = record.flags,
            .timestamp = record.timestamp,
            .hash = record.hash,
            .vlan = record.vlan,
            .queue = record.queue,
            .slot = record.slot,
            .serial = record.serial,
        };
    }
    return got;
}

uint32_t ae_loan_return(struct ae_borrower *borrower, const struct ae_loan_frame *frames,
                        uint32_t count)
{
    uint32_t done;

    for (done = 0; done < count; done++) {
        struct returned *record = ae_channel_reserve(&borrower->returned, sizeof(*record));

        if (!record)
            break;
        *record = (struct returned){frames[done].slot, frames[done].serial};
    }
    /* Pairs with the lender's acquire of the head: the frames were read before. */
    if (done)
        ae_channel_commit(&borrower->returned);
    return done;
}

bool ae_loan_is_over(const struct ae_borrower *borrower)
{
    return __atomic_load_n(&borrower->shared->over, __ATOMIC_ACQUIRE);
}
