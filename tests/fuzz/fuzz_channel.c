/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What one side of a channel writes into the memory, and when. The input says step by step what is
 * done: a call of either side, or the other side's bytes at some place of the memory. The memory
 * ends where its allocation does, every byte of a record is touched, and what is to be bounded is.
 */

#include <stdlib.h>

#include <aether/channel.h>

#include "fuzz_input.h"

#define RING 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *memory;
static size_t bytes;
static volatile uint8_t sink;

static void scribble(struct input *input)
{
    uint64_t value;
    uint16_t at;

    take(input, &at, sizeof(at));
    take(input, &value, sizeof(value));
    memcpy((uint8_t *)memory + at % (bytes / 8) * 8, &value, sizeof(value));
}

static void produce(struct ae_channel_producer *producer, uint8_t step, uint32_t length)
{
    void *at = ae_channel_reserve(producer, length);

    if (at && length > RING / 2 - AE_CHANNEL_HEADER)
        abort();
    if (at)
        memset(at, step, length);
    if (step & 1)
        ae_channel_commit(producer);
    if (producer->limit - producer->next > RING)
        abort();
}

/* There are no more records than headers in the ring, whatever is in it. */
static void consume(struct ae_channel_consumer *consumer, uint8_t step)
{
    uint8_t copy[32];
    const uint8_t *at;
    uint32_t length;

    for (unsigned i = 0; (at = ae_channel_peek(consumer, &length)); i++) {
        if (i > RING / AE_CHANNEL_HEADER)
            abort();
        for (uint32_t k = 0; k < length; k++)
            sink = at[k];
        if (step & 1)
            break;
    }
    if (step & 2)
        ae_channel_release(consumer);
    if (step & 4)
        ae_channel_get(consumer, copy, sizeof(copy), &length);
    if (consumer->limit - consumer->next > RING)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};
    struct ae_channel_producer producer;
    struct ae_channel_consumer consumer;
    struct ae_error err = {0};

    bytes = ae_channel_size(RING);
    if (!memory)
        memory = aligned_alloc(128, bytes);
    memset(memory, 0, bytes);
    if (!memory || ae_channel_create(memory, RING, &err) ||
        ae_channel_open_producer(&producer, memory, bytes, &err) ||
        ae_channel_open_consumer(&consumer, memory, bytes, &err))
        abort();
    while (input.at < input.end) {
        struct ae_channel_producer other_producer;
        struct ae_channel_consumer other_consumer;
        uint8_t what, step;

        take(&input, &what, sizeof(what));
        take(&input, &step, sizeof(step));
        switch (what % 5) {
        case 0:
            scribble(&input);
            break;
        case 1:
            produce(&producer, step, step >> 1);
            break;
        case 2:
            consume(&consumer, step);
            break;
        case 3: /* a side that is refused stays away; what has another shape is not this one's */
            if (ae_channel_open_producer(&other_producer, memory, bytes, &err) == 0 &&
                other_producer.bytes == RING)
                producer = other_producer;
            break;
        default:
            if (ae_channel_open_consumer(&other_consumer, memory, bytes, &err) == 0 &&
                other_consumer.bytes == RING)
                consumer = other_consumer;
        }
    }
    return 0;
}
