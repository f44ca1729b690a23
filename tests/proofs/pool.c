/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A pool: each call on any pool that is whole leaves it whole, so any number of calls does. Whole
 * means that a packet is once on the stacks, or a driver's, or the caller's. `whose` keeps the
 * books, by what the calls returned; what is on the stacks is then looked at.
 */

#include "any.h"

#include <string.h>

static void move(void *to, const void *from, size_t size);
#define memmove(to, from, size) move(to, from, size)

#include "packet/pool.c"

#define PACKETS 3u

#define BUFFER (2 * AE_PACKET_HEADROOM)

static uint8_t buffers[PACKETS * BUFFER];
static struct ae_packet packets[PACKETS];
static struct ae_packet *stacks[PACKETS];
static struct ae_pool pool;

static enum { POOL, DRIVER, CALLER } whose[PACKETS];

/* Of whole pointers, which may overlap. */
static void move(void *to, const void *from, size_t size)
{
    struct ae_packet **target = to, *const *source = from, *between[PACKETS];

    for (uint32_t i = 0; i < size / sizeof(*source); i++)
        between[i] = source[i];
    for (uint32_t i = 0; i < size / sizeof(*source); i++)
        target[i] = between[i];
}

static bool whole(void)
{
    uint32_t there[PACKETS] = {0};

    if (pool.for_receive > PACKETS || pool.for_send > PACKETS - pool.for_receive)
        return false;
    for (uint32_t i = 0; i < PACKETS; i++)
        if (i < pool.for_receive || i >= PACKETS - pool.for_send)
            for (uint32_t j = 0; j < PACKETS; j++)
                there[j] += stacks[i] == &packets[j];
    for (uint32_t i = 0; i < PACKETS; i++)
        if (there[i] != (whose[i] == POOL) || packets[i].in_pool != (whose[i] != CALLER))
            return false;
    return true;
}

static void set_pool(void)
{
    pool = (struct ae_pool){
        .free = stacks,
        .for_receive = nondet_u32(),
        .for_send = nondet_u32(),
        .count = PACKETS,
        .buffer_size = BUFFER,
        .memory = buffers,
        .packets = packets,
        .border = packets + any_below(PACKETS + 1),
    };
    for (uint32_t i = 0; i < PACKETS; i++) {
        packets[i].pool = &pool;
        packets[i].buffer = buffers + i * BUFFER;
        packets[i].in_pool = nondet_bool();
        packets[i].more = 0;
        packets[i].next = NULL;
        stacks[i] = &packets[any_below(PACKETS)];
        whose[i] = any_below(3);
    }
    assume(whole());
}

static uint32_t available(void)
{
    uint32_t number = 0;

    for (uint32_t i = 0; i < PACKETS; i++)
        number += whose[i] == POOL;
    return number;
}

static void hand_over(const struct ae_packet *packet, int to)
{
    for (uint32_t i = 0; i < PACKETS; i++)
        if (packet == &packets[i]) {
            prove(whose[i] == POOL);
            whose[i] = to;
        }
}

void get(void)
{
    uint32_t wanted = any_below(PACKETS + 2), there, got;
    struct ae_packet *burst[PACKETS + 1];

    set_pool();
    there = available();
    got = ae_packet_get_burst(&pool, burst, wanted);
    prove(got == (wanted < there ? wanted : there));
    prove(pool.exhausted == (wanted > there));
    for (uint32_t i = 0; i < got; i++)
        hand_over(burst[i], CALLER);
    prove(whole());
    prove(ae_pool_available(&pool) == available());
}

/* Also a packet that is not the caller's. */
void put(void)
{
    uint32_t index = any_below(PACKETS);

    set_pool();
    ae_packet_put(&packets[index]);
    prove(pool.misuse == (whose[index] != CALLER));
    if (whose[index] == CALLER)
        whose[index] = POOL;
    prove(whole());
}

void take(void)
{
    uint32_t wanted = any_below(PACKETS + 1);
    struct ae_packet **taken;

    set_pool();
    assume(wanted <= ae_pool_available(&pool));
    taken = ae_pool_take(&pool, wanted);
    for (uint32_t i = 0; i < wanted; i++)
        hand_over(taken[i], DRIVER);
    prove(whole());
}

void give_back(void)
{
    uint32_t index = any_below(PACKETS);

    set_pool();
    assume(whose[index] == DRIVER);
    ae_pool_return(&pool, &packets[index]);
    whose[index] = POOL;
    prove(whole());
}

void give_back_burst(void)
{
    uint32_t count = any_below(PACKETS + 1);
    struct ae_packet *burst[PACKETS];

    set_pool();
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = any_below(PACKETS);

        assume(whose[index] == DRIVER);
        burst[i] = &packets[index];
        whose[index] = POOL;
    }
    ae_pool_return_burst(&pool, burst, count);
    prove(whole());
}
