/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A loan's lender: each call on one whose books are right leaves them right, whatever the borrower
 * writes into the shared memory and whenever, so any number of calls does. Right means that a
 * packet that is lent is in one slot, and every other slot is once among the free ones. What a
 * channel does with what is written there, channel.c proves, and pool.c what a return to the pool
 * does: here a record is any.
 */

#include <aether/channel.h>
#include <aether/packet.h>

#include "any.h"

static bool any_record(void *record, uint32_t room, uint32_t *length);
static void *any_room(uint32_t length);
static void give_back(struct ae_pool *pool, struct ae_packet *packet);
static uint32_t any_word(void);

#define ae_channel_get(consumer, record, room, length) any_record(record, room, length)
#define ae_channel_reserve(producer, length)           any_room(length)
#define ae_channel_commit(producer)
#define ae_pool_return                give_back
#define __atomic_load_n(place, order) any_word()

#include "worker/loan.c"

#define LIMIT   2u
#define PACKETS 3u
#define BUFFER  2048u

static struct ae_loan_memory shared;
static uint8_t buffers[PACKETS * BUFFER];
static struct ae_packet packets[PACKETS];
static struct ae_pool pool, other_pool;
static bool is_out[PACKETS]; /* lent */
static struct ae_lender *lender;

static uint32_t any_word(void)
{
    return nondet_u32();
}

static bool any_record(void *record, uint32_t room, uint32_t *length)
{
    prove(room == sizeof(struct returned) && __CPROVER_w_ok(record, room));
    *(struct returned *)record = (struct returned){nondet_u32(), nondet_u32()};
    *length = nondet_u32();
    return nondet_bool();
}

static void *any_room(uint32_t length)
{
    static struct lent record;

    prove(length == sizeof(record));
    return nondet_bool() ? &record : NULL;
}

static void give_back(struct ae_pool *to, struct ae_packet *packet)
{
    prove(to == &pool);
    for (uint32_t i = 0; i < PACKETS; i++)
        if (packet == &packets[i]) {
            prove(is_out[i]);
            is_out[i] = false;
        }
}

static bool is_right(void)
{
    uint32_t held[PACKETS] = {0}, free[LIMIT] = {0};

    if (lender->free_count > LIMIT || lender->sweep_next >= LIMIT || lender->sweep_left > LIMIT)
        return false;
    for (uint32_t i = 0; i < LIMIT; i++) {
        for (uint32_t j = 0; j < PACKETS; j++)
            held[j] += lender->slots[i].packet == &packets[j];
        for (uint32_t j = 0; j < LIMIT; j++)
            free[j] += i < lender->free_count && lender->free[i] == j;
    }
    for (uint32_t i = 0; i < LIMIT; i++)
        if (free[i] != !lender->slots[i].packet)
            return false;
    for (uint32_t j = 0; j < PACKETS; j++)
        if (held[j] != is_out[j])
            return false;
    return true;
}

static struct ae_packet *any_packet(void)
{
    return &packets[any_below(PACKETS)];
}

static void set_packets(void)
{
    pool = other_pool = (struct ae_pool){.buffer_size = BUFFER, .memory = buffers};
    for (uint32_t i = 0; i < PACKETS; i++) {
        is_out[i] = nondet_bool();
        packets[i].pool = is_out[i] || nondet_bool() ? &pool : &other_pool;
        packets[i].buffer = buffers + i * BUFFER;
        packets[i].data = packets[i].buffer + any_below(BUFFER + 1);
        packets[i].length = nondet_u32();
        packets[i].in_pool = is_out[i] || nondet_bool();
        packets[i].more = nondet_bool();
    }
}

static void set_lender(void)
{
    set_packets();
    lender = malloc(sizeof(*lender) + LIMIT * (sizeof(struct slot) + sizeof(uint32_t)));
    assume(lender);
    *lender = (struct ae_lender){
        .shared = &shared,
        .pool = &pool,
        .offset = nondet_u32(),
        .limit = LIMIT,
        .generation = nondet_u32(),
        .free = (uint32_t *)(void *)&lender->slots[LIMIT],
        .free_count = nondet_u32(),
        .sweep_next = nondet_u32(),
        .sweep_left = nondet_u32(),
    };
    for (uint32_t i = 0; i < LIMIT; i++) {
        lender->slots[i].packet = nondet_bool() ? any_packet() : NULL;
        lender->slots[i].serial = nondet_u32();
        lender->slots[i].generation = nondet_u32();
        lender->free[i] = any_below(LIMIT);
    }
    assume(is_right());
}

static uint32_t count_out(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < PACKETS; i++)
        count += is_out[i];
    return count;
}

void reclaim(void)
{
    uint32_t before, back;

    set_lender();
    before = count_out();
    back = ae_loan_reclaim(lender, any_below(3));
    prove(is_right());
    prove(before - count_out() == back);
    prove(ae_loan_outstanding(lender) == count_out());
    prove(lender->counters.returned + lender->counters.recovered == back);
}

/* Also a packet that is lent, or another pool's, or whose frame is not inside of its buffer. */
void lend(void)
{
    struct ae_packet *packet;
    uint32_t done;

    set_lender();
    packet = any_packet();
    done = ae_loan_lend(lender, &packet, 1);
    prove(done <= 1 && lender->counters.lent == done && lender->counters.refused == 1 - done);
    for (uint32_t i = 0; i < PACKETS && done; i++)
        if (packet == &packets[i]) {
            prove(!is_out[i] && packet->pool == &pool && packet->in_pool && !packet->more);
            prove(packet->length <= BUFFER);
            is_out[i] = true;
        }
    prove(is_right());
}
