/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The channel. Each message is its own number, so that what comes out says whether one was lost,
 * came twice or was overwritten. A call on any channel leaves a channel, whatever the other side
 * does before each load, copy and store of it: so it holds for any number of calls of both sides at
 * once.
 */

#include <stddef.h>
#include <string.h>

#include "any.h"

/* Who is at it beside the side that is looked at. */
static enum { NOBODY, CONSUMER, PRODUCER, LIAR } meanwhile;
static bool empty_or_full; /* when the other's index was looked at */

static uint32_t load_index(const uint32_t *place);
static void store_index(uint32_t *place, uint32_t value);
static void copy_message(void *to, const void *from, size_t size);

#define __atomic_load_n(place, order)         load_index(place)
#define __atomic_store_n(place, value, order) store_index(place, value)
#define memcpy(to, from, size)                copy_message(to, from, size)

#include "worker/channel.c"

#define SLOTS_MOST 4

static struct ae_channel_memory shared;
static uint64_t slots[SLOTS_MOST];
static struct ae_channel producer, consumer;
static uint32_t size; /* slots */

static uint32_t filled(void)
{
    return shared.head - shared.tail;
}

static uint64_t *slot_of(uint32_t number)
{
    return &slots[number & (size - 1)];
}

/* Those that hold a message hold its number; in the others may be anything. */
static void set_slots(void)
{
    for (uint32_t i = 0; i < SLOTS_MOST; i++)
        if (i < size)
            *slot_of(shared.tail + i) = i < filled() ? shared.tail + i : nondet_u64();
}

/* Any number of the other side's calls. */
static void let_go_on(void)
{
    if (meanwhile == CONSUMER)
        shared.tail += any_below(filled() + 1);
    if (meanwhile == PRODUCER) {
        shared.head += any_below(size - filled() + 1);
        set_slots();
    }
}

static uint32_t load_index(const uint32_t *place)
{
    if (meanwhile == LIAR)
        return nondet_u32();
    let_go_on();
    empty_or_full = filled() == (place == &shared.head ? 0 : size);
    return *place;
}

static void store_index(uint32_t *place, uint32_t value)
{
    let_go_on();
    *place = value;
}

static void copy_message(void *to, const void *from, size_t bytes)
{
    let_go_on();
    prove(bytes == sizeof(uint64_t));
    prove(__CPROVER_r_ok(from, bytes));
    prove(__CPROVER_w_ok(to, bytes));
    /* A put writes to no slot that holds a message. */
    if (meanwhile == CONSUMER)
        for (uint32_t i = 0; i < SLOTS_MOST; i++)
            prove(i >= filled() || to != slot_of(shared.tail + i));
    *(uint64_t *)to = *(const uint64_t *)from;
}

/* Any channel of 2 or 4 slots, wherever its indices are and whatever is in it. */
static void set_channel(void)
{
    size = 2u << any_below(2);
    shared.head = nondet_u32();
    shared.tail = nondet_u32();
    assume(filled() <= size);
    set_slots();
    producer = consumer = (struct ae_channel){
        .shared = &shared, .slot = (uint8_t *)slots, .mask = size - 1, .slot_size = 8};
    producer.own = shared.head;
    consumer.own = shared.tail;
    /* What each saw of the other some time ago. */
    producer.other = shared.tail - any_below(size - filled() + 1);
    consumer.other = shared.tail + any_below(filled() + 1);
}

static void prove_channel(void)
{
    prove(filled() <= size);
    for (uint32_t i = 0; i < SLOTS_MOST; i++)
        prove(i >= filled() || *slot_of(shared.tail + i) == shared.tail + i);
}

void put(void)
{
    uint64_t message;
    uint32_t head;
    bool done;

    set_channel();
    meanwhile = CONSUMER;
    message = head = shared.head;
    done = ae_channel_put(&producer, &message);
    prove(done || empty_or_full);
    prove(shared.head == head + done && producer.own == shared.head);
    prove(producer.own - producer.other <= size);
    prove(shared.tail - producer.other <= producer.own - producer.other);
    prove(producer.broken == 0 && producer.refused == !done);
    prove_channel();
}

void get(void)
{
    uint64_t message;
    uint32_t tail;
    bool done;

    set_channel();
    meanwhile = PRODUCER;
    tail = shared.tail;
    done = ae_channel_get(&consumer, &message);
    prove(done ? message == tail : empty_or_full);
    prove(shared.tail == tail + done && consumer.own == shared.tail);
    prove(consumer.other - consumer.own <= filled());
    prove(consumer.broken == 0);
    prove_channel();
}

/* Whatever the other side says, we stay inside of the slots, and go no further than those. */
void lies(void)
{
    uint64_t message = 0;

    set_channel();
    meanwhile = LIAR;
    if (nondet_bool())
        prove(ae_channel_put(&producer, &message) || producer.broken + producer.refused == 1);
    else
        ae_channel_get(&consumer, &message);
    prove(producer.own - producer.other <= size);
    prove(consumer.other - consumer.own <= size);
}

/* Of any bytes: what is opened lies inside of them. */
void open(void)
{
    size_t bytes = nondet_u64();
    struct ae_channel channel;
    int rc;

    __CPROVER_havoc_object(&shared);
    meanwhile = LIAR;
    rc = nondet_bool() ? ae_channel_open_producer(&channel, &shared, bytes, NULL)
                       : ae_channel_open_consumer(&channel, &shared, bytes, NULL);
    prove(rc || bytes >= sizeof(shared));
    prove(rc || ((uint64_t)channel.mask + 1) * channel.slot_size <= bytes - sizeof(shared));
    prove(rc || channel.slot == (uint8_t *)&shared + sizeof(shared));
    prove(rc || channel.own - channel.other <= channel.mask + 1);
}
