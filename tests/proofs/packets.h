/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PACKETS_H
#define PACKETS_H

/*
 * Packets, and a pool that does what pool.c proves of the real one: it keeps books of who has a
 * packet, and hands out any of those it has. Each packet is an object of its own, which cbmc deals
 * with far faster than with an array of them; the addresses that are made from places in such an
 * array are therefore any. PACKETS is 4 to 7, a frame in SEGMENTS of them
 * at most.
 */

#include <aether/packet.h>

#include "any.h"

#define BUFFER 192u
#define BEFORE 64u /* bytes of somebody else's */

static uint8_t memory[BEFORE + PACKETS * BUFFER];
static uint8_t *const buffers = memory + BEFORE;
static struct ae_packet p0, p1, p2, p3, p4, p5, p6;
static struct ae_packet *const all_packets[] = {&p0, &p1, &p2, &p3, &p4, &p5, &p6};

static enum { POOL, RING, CALLER } whose[PACKETS];
static struct ae_pool pool, other_pool;

static struct ae_packet *any_packet(void)
{
    return all_packets[any_below(PACKETS)];
}

/* As its owner may have left it: only what the pool says is fixed is. */
static void set_packet(uint32_t i, int owner)
{
    uint32_t place = any_below(BUFFER);

    *all_packets[i] = (struct ae_packet){
        .data = buffers + i * BUFFER + place,
        .length = any_below(BUFFER - place + 1),
        .buffer = buffers + i * BUFFER,
        .flags = nondet_u32(),
        .pool = owner == CALLER && nondet_bool() ? &other_pool : &pool,
        .l4_offset = (uint8_t)any_below(256),
        .in_pool = owner != CALLER,
        .more = (uint8_t)any_below(256),
    };
    whose[i] = owner;
}

static uint32_t index_of(const struct ae_packet *packet)
{
    return (uint32_t)(packet->buffer - buffers) / BUFFER;
}

/* Frames and headers in the buffers are any, too. */
static void set_pools(void)
{
    pool = (struct ae_pool){
        .buffer_size = BUFFER, .memory = buffers, .iova = {nondet_u64()}, .count = PACKETS};
    other_pool = pool;
    __CPROVER_havoc_object(memory);
}

static uint32_t books_available(void)
{
    uint32_t number = 0;

    for (uint32_t i = 0; i < PACKETS; i++)
        number += whose[i] == POOL;
    return number;
}

static struct ae_packet *out_of_pool(int to)
{
    struct ae_packet *packet = any_packet();

    assume(whose[index_of(packet)] == POOL);
    whose[index_of(packet)] = to;
    return packet;
}

static struct ae_packet **books_take(uint32_t count)
{
    static struct ae_packet *taken[PACKETS];

    prove(count <= books_available());
    for (uint32_t i = 0; i < PACKETS; i++)
        if (i < count)
            taken[i] = out_of_pool(RING);
    return taken;
}

static void books_return(struct ae_packet *packet)
{
    prove(packet->in_pool && packet->pool == &pool);
    prove(whose[index_of(packet)] == RING);
    whose[index_of(packet)] = POOL;
}

static void books_return_burst(struct ae_packet **packets, uint32_t count)
{
    prove(count <= PACKETS);
    for (uint32_t i = 0; i < PACKETS; i++)
        if (i < count)
            books_return(packets[i]);
}

/* To the caller, from a ring; a burst function that keeps it says so by put. */
static void books_renew(struct ae_packet *packet)
{
    prove(whose[index_of(packet)] == RING);
    whose[index_of(packet)] = CALLER;
    ae_packet_renew(packet);
}

static void books_put(struct ae_packet *packet)
{
    for (uint32_t i = 0; i < SEGMENTS && packet; i++, packet = ae_packet_next(packet)) {
        prove(!packet->in_pool && whose[index_of(packet)] == CALLER);
        packet->in_pool = true;
        whose[index_of(packet)] = POOL;
    }
    prove(!packet);
}

static void books_put_burst(struct ae_packet **packets, uint32_t count)
{
    prove(count <= SEGMENTS);
    for (uint32_t i = 0; i < SEGMENTS; i++)
        if (i < count)
            books_put(packets[i]);
}

#define ae_pool_available(pool)                    books_available()
#define ae_pool_take(pool, count)                  books_take(count)
#define ae_pool_return(pool, packet)               books_return(packet)
#define ae_pool_return_burst(pool, packets, count) books_return_burst(packets, count)
#define ae_packet_renew(packet)                    books_renew(packet)
#define ae_packet_put(packet)                      books_put(packet)
#define ae_packet_put_burst(packets, count)        books_put_burst(packets, count)

#endif
