/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The broadcast, of four slots of a few words. Each word of a message is its number, so that what
 * comes out says whether it is whole. A reader is looked at with a writer who goes on as far as it
 * likes before each of its loads; the writer with an end after any of its stores, and a successor.
 */

#include <stddef.h>
#include <string.h>

#include "any.h"

static uint32_t load_32(const uint32_t *place);
static uint64_t load_64(const uint64_t *place);
static void store_64(uint64_t *place, uint64_t value);

#define __atomic_load_n(place, order) \
    _Generic((place), const uint32_t *: load_32, uint32_t *: load_32, default: load_64)(           \
        (const void *)(place))
#define __atomic_store_n(place, value, order) store_64(place, value)
#define __atomic_thread_fence(order)          (void)0

#include "worker/broadcast.c"

#define SLOTS   4
#define NUMBERS 4096        /* of messages, as far as a reader is looked at */
#define ROOM    (8 * WORDS) /* bytes of the longest message */

static struct {
    struct ae_broadcast_memory shared;
    struct {
        uint64_t sequence, length, words[WORDS];
    } slots[SLOTS];
} memory;

static enum { WRITER, LIAR, NOBODY } meanwhile;
static uint64_t number; /* of the message that the writer is at */
static enum { BEFORE, BEGUN, WHOLE } phase;
static uint32_t stores_left; /* until the writer ends */

static uint32_t load_32(const uint32_t *place)
{
    return meanwhile == LIAR ? nondet_u32() : *place;
}

/* Of the slot of a message that may be the one it is at: which one is in it, and whether it is
 * whole. */
static uint64_t last_in(uint64_t slot, uint64_t end)
{
    return end - 1 - (end - 1 - slot) % SLOTS;
}

/* The writer makes any number of steps. */
static void let_go_on(void)
{
    uint64_t to = nondet_u64();
    uint32_t as = any_below(3);

    assume(to >= number && to < NUMBERS && (to > number || as >= (uint32_t)phase));
    number = to;
    phase = as;
}

/* What is there, as far as the writer is now. A slot that is being written may have any of both. */
static uint64_t load_64(const uint64_t *place)
{
    uint64_t at, slot, last, began;

    prove(__CPROVER_r_ok(place, sizeof(*place)));
    if (meanwhile == LIAR)
        return nondet_u64();
    if (meanwhile == NOBODY)
        return *place;
    let_go_on();
    if (place == &memory.shared.head)
        return number + (phase == WHOLE && nondet_bool()); /* it is counted a moment later */
    at = (uint64_t)((const uint8_t *)place - (const uint8_t *)memory.slots) / 8;
    slot = at / (2 + WORDS);
    began = phase == BEFORE ? number : number + 1; /* messages begun */
    if (began <= slot)
        return 0; /* none yet */
    last = last_in(slot, began);
    if (at % (2 + WORDS) == 0)
        return 2 * last + (phase == BEGUN && last == number ? 1 : 2);
    if (phase == BEGUN && last == number && nondet_bool())
        last -= SLOTS; /* of the one before, or what there was before the first */
    return at % (2 + WORDS) == 1 ? last % ROOM : last;
}

static void store_64(uint64_t *place, uint64_t value)
{
    prove(__CPROVER_w_ok(place, sizeof(*place)));
    if (stores_left == 0)
        return; /* it has ended */
    stores_left--;
    *place = value;
}

static struct ae_broadcast_reader any_reader(uint64_t next)
{
    return (struct ae_broadcast_reader){.shared = &memory.shared,
                                        .slot = (const uint8_t *)memory.slots,
                                        .mask = SLOTS - 1,
                                        .slot_size = 16 + ROOM,
                                        .room = ROOM,
                                        .next = next};
}

/* What is got is the message that it says it is, and those before it were got, or are counted as
 * lost. */
void get(void)
{
    struct ae_broadcast_reader reader;
    uint64_t message[WORDS], next = nondet_u64();
    uint32_t length, at = any_below(WORDS);
    bool got;

    number = nondet_u64();
    phase = any_below(3);
    assume(number < NUMBERS && next <= number + (phase == WHOLE));
    reader = any_reader(next);
    meanwhile = WRITER;
    got = ae_broadcast_get(&reader, message, &length);
    prove(reader.broken == 0);
    prove(reader.next == next + reader.lost + got);
    prove(reader.next <= number + (phase == WHOLE));
    if (!got)
        return;
    prove(length == (reader.next - 1) % ROOM);
    prove(8 * at + 8 > length || message[at] == reader.next - 1);
}

/* Whatever is read, we stay inside of the slots and the room, and do not go back. */
void lies(void)
{
    struct ae_broadcast_reader reader = any_reader(nondet_u64());
    uint8_t message[ROOM];
    uint64_t next = reader.next;
    uint32_t length;
    bool got;

    meanwhile = LIAR;
    got = ae_broadcast_get(&reader, message, &length);
    prove(!got || length <= ROOM);
    prove(reader.next == next + reader.lost + got);
    prove(reader.lost <= UINT64_MAX - 2);
}

/*
 * A writer ends after any of its stores. Readers saw the old message until the first of them, and
 * the new one from the last but one on; its successor goes on behind what they may have seen.
 */
void put(void)
{
    struct ae_broadcast_writer writer;
    uint64_t message[WORDS] = {nondet_u64()}, first, head = nondet_u64();
    uint32_t length = any_below(ROOM + 9), word = any_below(WORDS);
    uint64_t slot = head % SLOTS, other = any_below(SLOTS), kept;
    bool done;

    assume(head < UINT64_MAX / 4 && other != slot);
    __CPROVER_havoc_object(&memory);
    memory.shared.magic = AE_BROADCAST_MAGIC;
    memory.shared.slots = SLOTS;
    memory.shared.slot_size = 64;
    memory.shared.head = head;
    assume(memory.slots[(head + 1) % SLOTS].sequence != 2 * (head + 1) + 2); /* not yet */
    /* The old message, or half of the new one if a writer ended here before. */
    memory.slots[slot].sequence = nondet_bool()  ? 2 * head + 1
                                  : head < SLOTS ? 0
                                                 : 2 * (head - SLOTS) + 2;
    kept = memory.slots[other].words[word];
    meanwhile = NOBODY;
    stores_left = UINT32_MAX;
    prove(ae_broadcast_open_writer(&writer, &memory, sizeof(memory), NULL) == 0);
    prove(writer.next == head && writer.room == ROOM);
    first = memory.slots[slot].words[word];
    stores_left = any_below(WORDS + 5);
    done = ae_broadcast_put(&writer, message, length);
    prove(done == (length <= ROOM));
    prove(memory.slots[other].words[word] == kept);
    /* A word of the old message is another only when it no longer says that it is there. */
    prove(memory.slots[slot].words[word] == first || memory.slots[slot].sequence > 2 * head);
    /* And the new one is there only when it is all there. */
    if (memory.slots[slot].sequence == 2 * head + 2) {
        prove(memory.slots[slot].length == length);
        prove(8 * word + 8 > length || memory.slots[slot].words[word] == message[word]);
    }
    stores_left = UINT32_MAX;
    prove(ae_broadcast_open_writer(&writer, &memory, sizeof(memory), NULL) == 0);
    prove(writer.next == head + (memory.slots[slot].sequence == 2 * head + 2));
    prove(memory.shared.head == writer.next);
}

/* Of any bytes: what is opened lies inside of them. */
void open(void)
{
    struct ae_broadcast_writer writer;
    struct ae_broadcast_reader reader;
    size_t bytes = nondet_u64();
    int rc;

    __CPROVER_havoc_object(&memory);
    meanwhile = LIAR;
    rc = ae_broadcast_open_reader(&reader, &memory, bytes, nondet_u64(), NULL);
    prove(rc || (bytes >= sizeof(memory.shared) &&
                 (reader.mask + 1) * reader.slot_size <= bytes - sizeof(memory.shared)));
    prove(rc || (reader.room == reader.slot_size - 16 && reader.room >= ROOM));
    /* A writer looks into a slot: then they have to be there. */
    meanwhile = NOBODY;
    assume(bytes <= sizeof(memory));
    rc = ae_broadcast_open_writer(&writer, &memory, bytes, NULL);
    prove(rc || (bytes >= sizeof(memory.shared) &&
                 (writer.mask + 1) * writer.slot_size <= bytes - sizeof(memory.shared)));
    prove(rc || (writer.room == writer.slot_size - 16 && writer.room >= ROOM));
}
