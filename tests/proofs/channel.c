/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The channel, of a ring of a few words, wherever its positions are and whatever records are in it.
 * A call on any channel leaves a channel, whatever the other side does before each load, store and
 * use of it: so it holds for any number of calls of both sides at once, and for a side that ends
 * anywhere in between.
 */

#include <stddef.h>
#include <string.h>

#include "any.h"

/* Who is at it beside the side that is looked at. */
static enum { NOBODY, CONSUMER, PRODUCER, LIAR } meanwhile;

static uint32_t load_32(const uint32_t *place);
static uint64_t load_64(const uint64_t *place);
static void store_64(uint64_t *place, uint64_t value);

#define __atomic_load_n(place, order) \
    _Generic((place), const uint32_t *: load_32, uint32_t *: load_32, default: load_64)(           \
        (const void *)(place))
#define __atomic_store_n(place, value, order) store_64(place, value)

#include "worker/channel.c"

#define BYTES   (8 * WORDS)
#define LONGEST (BYTES / 2 - AE_CHANNEL_HEADER)

static struct {
    struct ae_channel_memory shared;
    uint64_t ring[WORDS];
} memory;
static struct ae_channel_producer producer;
static struct ae_channel_consumer consumer;
static uint32_t begins; /* a bit for each word of the ring: a record may be read from there on */
static uint64_t kept[WORDS]; /* the ring from the tail to kept_until: what nobody may change */
static uint64_t kept_until;
static bool empty;    /* when the head was looked at */
static uint64_t held; /* bytes from the tail on when the tail was looked at */

static uint32_t index_of(uint64_t position)
{
    return position / 8 % WORDS;
}

static bool begins_at(uint64_t position)
{
    return begins >> index_of(position) & 1;
}

static uint64_t rest_at(uint64_t position)
{
    return BYTES - position % BYTES;
}

/* Where the record is that is next at a position, and where the one behind it. */
static uint64_t record_at(uint64_t position)
{
    return memory.ring[index_of(position)] == AE_CHANNEL_WRAP ? position + rest_at(position)
                                                              : position;
}

static uint64_t end_of(uint64_t position)
{
    uint64_t at = record_at(position);

    return at + 8 + (memory.ring[index_of(at)] + 7) / 8 * 8;
}

/* Nothing else begins on the way. */
static bool begins_once(uint64_t from, uint64_t to)
{
    uint32_t turned = begins >> index_of(from) | begins << (WORDS - index_of(from));

    return (turned & ((1u << (to - from) / 8 % (WORDS + 1)) - 1)) == 1;
}

/* From wherever a record begins there are whole ones up to the end. */
static bool has_records(uint64_t from, uint64_t to)
{
    bool right = from == to || begins_at(from);

    for (uint64_t i = 0; i < WORDS; i++) {
        uint64_t position = from + 8 * i, at = record_at(position), end = end_of(position);

        if (8 * i >= to - from || !begins_at(position))
            continue;
        right &= memory.ring[index_of(at)] <= LONGEST && end - at <= rest_at(at);
        right &= end - position <= to - position && (end == to || begins_at(end));
        right &= begins_once(position, end);
    }
    return right;
}

static void keep(uint64_t until)
{
    for (unsigned i = 0; i < WORDS; i++)
        kept[i] = memory.ring[i];
    kept_until = until;
}

static bool is_kept(void)
{
    bool same = true;

    for (unsigned i = 0; i < WORDS; i++)
        same &= (i - memory.shared.tail / 8) % WORDS * 8 >= kept_until - memory.shared.tail ||
                memory.ring[i] == kept[i];
    return same;
}

/*
 * What the other side does meanwhile. A consumer releases; a producer writes where nothing is
 * committed. What a producer commits meanwhile is among the channels that a call begins with, as
 * the head is looked at once.
 */
static void let_go_on(void)
{
    struct ae_channel_memory *shared = &memory.shared;
    uint64_t to = nondet_u64() & ~UINT64_C(7);

    if (meanwhile == CONSUMER) {
        assume(to - shared->tail <= shared->head - shared->tail);
        assume(to == shared->head || begins_at(to));
        shared->tail = to;
    }
    for (unsigned i = 0; meanwhile == PRODUCER && i < WORDS; i++)
        if ((i - shared->tail / 8) % WORDS * 8 >= shared->head - shared->tail)
            memory.ring[i] = nondet_u64();
}

static uint32_t load_32(const uint32_t *place)
{
    return meanwhile == LIAR ? nondet_u32() : *place;
}

static uint64_t load_64(const uint64_t *place)
{
    prove(__CPROVER_r_ok(place, sizeof(*place)));
    if (meanwhile == LIAR)
        return nondet_u64();
    let_go_on();
    if (place == &memory.shared.head)
        empty = memory.shared.head == consumer.next;
    if (place == &memory.shared.tail)
        held = producer.next - memory.shared.tail;
    return *place;
}

static void store_64(uint64_t *place, uint64_t value)
{
    let_go_on();
    *place = value;
}

/* A position within some bytes behind another where a record begins, or else the last one. */
static uint64_t any_within(uint64_t from, uint64_t bytes)
{
    uint64_t to = from + 8 * any_below(WORDS + 1);

    assume(to - from <= bytes && (to - from == bytes || begins_at(to)));
    return to;
}

/* Any channel, whose producer may have reserved what it did not commit. */
static void set_channel(void)
{
    struct ae_channel_memory *shared = &memory.shared;
    uint64_t reserved;

    __CPROVER_havoc_object(&memory);
    shared->tail &= ~UINT64_C(7);
    begins = any_below(1u << WORDS);
    reserved = shared->tail + 8 * any_below(WORDS + 1);
    assume(has_records(shared->tail, reserved));
    shared->head = any_within(shared->tail, reserved - shared->tail);
    producer = (struct ae_channel_producer){.shared = shared,
                                            .ring = (uint8_t *)memory.ring,
                                            .bytes = BYTES,
                                            .next = reserved,
                                            .limit = nondet_u64()};
    /* Of a tail seen some time ago. */
    assume(producer.limit - reserved <= shared->tail + BYTES - reserved);
    consumer = (struct ae_channel_consumer){
        .shared = shared, .ring = (const uint8_t *)memory.ring, .bytes = BYTES};
    consumer.next = any_within(shared->tail, shared->head - shared->tail);
    consumer.limit = any_within(consumer.next, shared->head - consumer.next);
}

void reserve(void)
{
    uint64_t head, next, need;
    uint32_t length = nondet_u32();
    uint64_t *at;

    set_channel();
    meanwhile = CONSUMER;
    head = memory.shared.head;
    next = producer.next;
    need = 8 + ((uint64_t)length + 7) / 8 * 8;
    if (need > rest_at(next))
        need += rest_at(next);
    keep(next);
    at = ae_channel_reserve(&producer, length);
    prove(memory.shared.head == head && producer.broken == 0);
    prove(producer.refused == !at && is_kept());
    prove(at || (producer.next == next && (length > LONGEST || need > BYTES - held)));
    if (!at)
        return;
    prove(length <= LONGEST && producer.next == next + need && end_of(next) == producer.next);
    prove(memory.ring[index_of(record_at(next))] == length);
    prove(at == &memory.ring[index_of(record_at(next)) + 1] && __CPROVER_w_ok(at, length));
    if (length > 0)
        at[any_below((length + 7) / 8)] = nondet_u64(); /* each of its words */
    prove(is_kept() && end_of(next) == producer.next);
    ae_channel_commit(&producer);
    prove(memory.shared.head == producer.next && is_kept());
    prove(producer.limit - producer.next <= memory.shared.tail + BYTES - producer.next);
}

void peek(void)
{
    uint64_t tail, next;
    uint32_t length;
    const void *at;

    set_channel();
    meanwhile = PRODUCER;
    tail = memory.shared.tail;
    next = consumer.next;
    at = ae_channel_peek(&consumer, &length);
    keep(memory.shared.head);
    prove(consumer.broken == 0 && memory.shared.tail == tail);
    prove(at || (empty && consumer.next == next));
    if (!at)
        return;
    prove(length == memory.ring[index_of(record_at(next))] && consumer.next == end_of(next));
    prove(at == &memory.ring[index_of(record_at(next)) + 1] && __CPROVER_r_ok(at, length));
    let_go_on();
    prove(is_kept());
    ae_channel_release(&consumer);
    prove(memory.shared.tail == consumer.next);
    prove(consumer.limit - consumer.next <= memory.shared.head - consumer.next);
    prove(consumer.next == consumer.limit || begins_at(consumer.next));
    prove(consumer.limit == memory.shared.head || begins_at(consumer.limit));
}

/* Whatever the other side says and writes, we stay inside of the ring, and in a state like this
 * one. */
void lies(void)
{
    uint32_t length = nondet_u32();
    uint8_t record[LONGEST];

    set_channel();
    producer.next = nondet_u64() & ~UINT64_C(7);
    producer.limit = producer.next + any_below(BYTES + 1);
    consumer.next = nondet_u64() & ~UINT64_C(7);
    consumer.limit = consumer.next + 8 * any_below(WORDS + 1);
    meanwhile = LIAR;
    if (nondet_bool()) {
        const void *at = ae_channel_reserve(&producer, length);

        prove(!at || (length <= LONGEST && __CPROVER_w_ok(at, length)));
        ae_channel_commit(&producer);
        prove(producer.next % 8 == 0 && producer.limit - producer.next <= BYTES);
    } else {
        const void *at = ae_channel_peek(&consumer, &length);

        prove(!at || __CPROVER_r_ok(at, length));
        ae_channel_release(&consumer);
        if (nondet_bool())
            ae_channel_get(&consumer, record, sizeof(record), &length);
        prove(consumer.next % 8 == 0 && consumer.limit % 8 == 0);
        prove(consumer.limit - consumer.next <= BYTES);
    }
}

/* Of any bytes: what is opened lies inside of them, and is in a state like that of lies. */
void open(void)
{
    size_t bytes = nondet_u64();
    int rc;

    __CPROVER_havoc_object(&memory);
    meanwhile = LIAR;
    rc = ae_channel_open_producer(&producer, &memory, bytes, NULL);
    prove(rc || (bytes >= sizeof(memory.shared) &&
                 producer.bytes <= bytes - sizeof(memory.shared) && producer.bytes >= 64));
    prove(rc || producer.ring == (uint8_t *)memory.ring);
    prove(rc || (producer.bytes & (producer.bytes - 1)) == 0);
    prove(rc || (producer.next % 8 == 0 && producer.limit - producer.next <= producer.bytes));
    rc = ae_channel_open_consumer(&consumer, &memory, bytes, NULL);
    prove(rc || (bytes >= sizeof(memory.shared) &&
                 consumer.bytes <= bytes - sizeof(memory.shared) && consumer.bytes >= 64));
    prove(rc || consumer.ring == (const uint8_t *)memory.ring);
    prove(rc || (consumer.bytes & (consumer.bytes - 1)) == 0);
    prove(rc || (consumer.next % 8 == 0 && consumer.limit == consumer.next));
}
