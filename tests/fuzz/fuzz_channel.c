/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What one side of a channel, or of a loan, writes into the memory, and when. The input says step
 * by step what is done: a call of either side, or the other side's bytes at some place of the
 * memory. The memory ends where its allocation does, every byte of a record is touched, and what is
 * to be bounded is.
 */

#include <stdlib.h>

#include <aether/channel.h>
#include <aether/loan.h>

#include "fuzz_input.h"

#define RING    256
#define PACKETS 8 /* of the loan's pool */
#define LIMIT   4
#define BUFFER  256

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

static void use_channel(struct input input)
{
    struct ae_channel_producer producer;
    struct ae_channel_consumer consumer;
    struct ae_error err = {0};

    if (ae_channel_create(memory, RING, &err) ||
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
}

/* ---- A loan, which is two of them, and the memory of its packets ---- */

static struct ae_pool *pool;
static struct ae_lender *lender;
static struct ae_borrower borrower;
static bool borrows;

static void lend(uint8_t step)
{
    struct ae_packet *burst[3];
    uint32_t got = ae_packet_get_burst(pool, burst, step % 4), lent;

    for (uint32_t i = 0; i < got; i++)
        burst[i]->length = step;
    lent = ae_loan_lend(lender, burst, got);
    ae_packet_put_burst(burst + lent, got - lent);
}

static void borrow(uint8_t step)
{
    struct ae_loan_frame frames[4];
    uint32_t got = borrows ? ae_loan_borrow(&borrower, frames, step % 5) : 0;

    for (uint32_t i = 0; i < got; i++)
        for (uint32_t k = 0; k < frames[i].length; k++)
            sink = frames[i].data[k];
    if (step & 64)
        ae_loan_return(&borrower, frames, got);
}

/* Whatever was written: each packet is in the pool, or lent. */
static void check_books(void)
{
    const struct ae_loan_counters *counters = ae_loan_counters(lender);
    uint32_t out = ae_loan_outstanding(lender);

    if (ae_pool_available(pool) + out != PACKETS || pool->misuse || out > LIMIT ||
        counters->lent != counters->returned + counters->recovered + out)
        abort();
}

static void use_loan(struct input input)
{
    static uint8_t buffers[PACKETS * BUFFER] __attribute__((aligned(BUFFER)));
    const struct ae_pool_options options = {
        .memory = buffers, .memory_size = sizeof(buffers), .count = PACKETS, .buffer_size = BUFFER};

    if (ae_loan_create(memory, LIMIT, NULL) || ae_pool_create(&pool, &options, NULL) ||
        ae_lender_open(&lender, memory, bytes, pool, 0, NULL))
        abort();
    borrows = false;
    while (input.at < input.end) {
        uint8_t what, step;

        take(&input, &what, sizeof(what));
        take(&input, &step, sizeof(step));
        switch (what % 6) {
        case 0:
            scribble(&input);
            break;
        case 1:
            lend(step);
            break;
        case 2:
            ae_loan_reclaim(lender, step % 8);
            break;
        case 3:
            borrow(step);
            break;
        case 4:
            borrows = !ae_borrower_open(&borrower, memory, bytes, buffers, sizeof(buffers), NULL);
            break;
        default:
            ae_loan_borrower_ended(memory);
        }
        check_books();
    }
    ae_lender_close(lender);
    if (ae_pool_available(pool) != PACKETS)
        abort();
    ae_pool_destroy(pool);
}

/* In memory that ends where the one or the other does. */
static void within(size_t size, struct input input, void (*use)(struct input))
{
    bytes = size;
    memory = aligned_alloc(128, bytes);
    if (!memory)
        abort();
    memset(memory, 0, bytes);
    use(input);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};

    within(ae_channel_size(RING), input, use_channel);
    within(ae_loan_size(LIMIT), input, use_loan);
    return 0;
}
