/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <aether/loan.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PACKETS      16
#define LIMIT        4
#define BEFORE       4096 /* bytes of rings, say, in front of the pool's memory */

static uint8_t memory[BEFORE + PACKETS * 2048] __attribute__((aligned(4096)));
static void *loan;
static size_t size;
static struct ae_pool *pool;
static struct ae_lender *lender;
static struct ae_borrower borrower;

static int begin(void **state)
{
    struct ae_pool_options options = {
        .memory = memory + BEFORE, .memory_size = PACKETS * 2048, .count = PACKETS};

    (void)state;
    size = ae_loan_size(LIMIT);
    loan = aligned_alloc(128, (size + 127) / 128 * 128);
    return !loan || ae_loan_create(loan, LIMIT, NULL) || ae_pool_create(&pool, &options, NULL) ||
           ae_lender_open(&lender, loan, size, pool, BEFORE, NULL) ||
           ae_borrower_open(&borrower, loan, size, memory, sizeof(memory), NULL);
}

static int end(void **state)
{
    (void)state;
    ae_lender_close(lender);
    ae_pool_destroy(pool);
    free(loan);
    return 0;
}

static struct ae_packet *make(uint32_t number)
{
    struct ae_packet *packet = ae_packet_get(pool);

    assert_non_null(packet);
    packet->length = 60 + number % 1000;
    memset(packet->data, (int)(number & 0xff), packet->length);
    packet->flags = AE_PACKET_TIMESTAMP | AE_PACKET_HASH;
    packet->timestamp = number;
    packet->hash = ~number;
    return packet;
}

static void assert_frame(const struct ae_loan_frame *frame, uint32_t number)
{
    assert_int_equal(frame->length, 60 + number % 1000);
    assert_int_equal(frame->flags, AE_PACKET_TIMESTAMP | AE_PACKET_HASH);
    assert_int_equal(frame->timestamp, number);
    assert_int_equal(frame->hash, ~number);
    for (uint32_t i = 0; i < frame->length; i++)
        assert_int_equal(frame->data[i], number & 0xff);
}

/* Every packet is once in the pool or lent. */
static void assert_whole(void)
{
    bool there[PACKETS] = {false};

    assert_int_equal(ae_pool_available(pool) + ae_loan_outstanding(lender), PACKETS);
    for (uint32_t i = 0; i < PACKETS; i++) {
        const struct ae_packet *packet = pool->free[i];

        if (i >= pool->for_receive && i < PACKETS - pool->for_send)
            continue;
        assert_true(packet->in_pool && !there[ae_packet_index(packet)]);
        there[ae_packet_index(packet)] = true;
    }
}

static uint32_t lend(uint32_t number)
{
    struct ae_packet *packet = make(number);

    if (ae_loan_lend(lender, &packet, 1))
        return 1;
    ae_packet_put(packet);
    return 0;
}

static void frames_are_read_where_they_lie(void **state)
{
    struct ae_loan_frame frames[LIMIT];
    uint32_t made = 0, seen = 0;

    (void)state;
    for (uint32_t round = 0; round < 1000; round++) {
        uint32_t got;

        for (uint32_t i = 0; i <= round % LIMIT; i++)
            made += lend(made);
        got = ae_loan_borrow(&borrower, frames, LIMIT);
        for (uint32_t i = 0; i < got; i++)
            assert_frame(&frames[i], seen++);
        assert_int_equal(seen, made);
        assert_int_equal(ae_loan_outstanding(lender), got);
        assert_int_equal(ae_loan_return(&borrower, frames, got), got);
        assert_int_equal(ae_loan_reclaim(lender, 1), 1);
        assert_int_equal(ae_loan_reclaim(lender, 32), got - 1);
        assert_whole();
    }
    assert_int_equal(ae_pool_available(pool), PACKETS);
    assert_int_equal(ae_loan_counters(lender)->returned, made);
    assert_int_equal(ae_loan_counters(lender)->misuse, 0);
    assert_int_equal(borrower.bad, 0);
}

static void what_is_lent_is_not_the_callers(void **state)
{
    struct ae_packet *packet = make(1);

    (void)state;
    assert_int_equal(ae_loan_lend(lender, &packet, 1), 1);
    ae_packet_put(packet);
    assert_int_equal(pool->misuse, 1);
    assert_int_equal(ae_loan_lend(lender, &packet, 1), 0);
    assert_int_equal(ae_loan_counters(lender)->bad, 1);
    assert_whole();
}

static void a_borrower_that_stops_has_no_more_than_the_limit(void **state)
{
    uint32_t lent = 0;

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        lent += lend(i);
        assert_int_equal(ae_loan_reclaim(lender, 32), 0);
    }
    assert_int_equal(lent, LIMIT);
    assert_int_equal(ae_pool_available(pool), PACKETS - LIMIT);
    assert_int_equal(ae_loan_counters(lender)->refused, 100 - LIMIT);
}

static void what_cannot_be_lent_is_refused(void **state)
{
    static uint8_t others[2048] __attribute__((aligned(2048)));
    struct ae_pool_options options = {.memory = others, .memory_size = 2048, .count = 1};
    struct ae_packet *burst[3];
    struct ae_pool *other;

    (void)state;
    assert_int_equal(ae_pool_create(&other, &options, NULL), 0);
    for (uint32_t kind = 0; kind < 5; kind++) {
        struct ae_packet *own = make(1), *next = make(2);

        burst[0] = make(0);
        burst[1] = own;
        burst[2] = next;
        if (kind == 0)
            burst[1] = ae_packet_get(other);
        if (kind == 1)
            own->more = 1, own->next = next;
        if (kind == 2)
            own->data = own->buffer - 1;
        if (kind == 3)
            own->length = 2048 - AE_PACKET_HEADROOM + 1;
        if (kind == 4)
            own->data = own->buffer + 2048, own->length = 1;
        assert_int_equal(ae_loan_lend(lender, burst, 3), 1);
        assert_int_equal(ae_loan_counters(lender)->bad, kind + 1);
        ae_packet_put(burst[1]);
        if (kind != 1)
            ae_packet_put(next);
        if (kind == 0)
            ae_packet_put(own);
        ae_borrower_close(&borrower);
        assert_int_equal(ae_loan_reclaim(lender, LIMIT), 1);
        assert_int_equal(ae_borrower_open(&borrower, loan, size, memory, sizeof(memory), NULL), 0);
        assert_int_equal(ae_pool_available(pool), PACKETS);
    }
    ae_pool_destroy(other);
}

static void what_an_ended_borrower_had_is_taken_back(void **state)
{
    struct ae_loan_frame frames[LIMIT], old;

    (void)state;
    for (uint32_t way = 0; way < 3; way++) {
        for (uint32_t i = 0; i < LIMIT; i++)
            assert_int_equal(lend(i), 1);
        assert_int_equal(ae_loan_borrow(&borrower, frames, 2), 2);
        old = frames[0];
        if (way == 0)
            ae_borrower_close(&borrower);
        if (way == 1)
            ae_loan_borrower_ended(loan);
        if (way != 2)
            assert_int_equal(lend(9), 0);
        assert_int_equal(ae_borrower_open(&borrower, loan, size, memory, sizeof(memory), NULL), 0);
        /* Bounded a turn; the slots that are free are lent out again meanwhile. */
        for (uint32_t i = 0; i < LIMIT; i++) {
            assert_int_equal(ae_loan_reclaim(lender, 1), 1);
            assert_int_equal(lend(100 + i), 1);
        }
        assert_whole();
        /* What was for the one before is skipped; its packets come back by nobody's word. */
        for (uint32_t seen = 0, turns = 0; seen < LIMIT; turns++) {
            uint32_t got = ae_loan_borrow(&borrower, frames, LIMIT);

            assert_true(turns < 4);
            for (uint32_t i = 0; i < got; i++)
                assert_frame(&frames[i], 100 + seen++);
        }
        assert_int_equal(ae_loan_return(&borrower, &old, 1), 1);
        assert_int_equal(ae_loan_reclaim(lender, 32), 0);
        assert_int_equal(ae_loan_counters(lender)->misuse, way + 1);
        ae_loan_borrower_ended(loan);
        ae_loan_reclaim(lender, 32);
        assert_int_equal(ae_pool_available(pool), PACKETS);
        assert_int_equal(ae_borrower_open(&borrower, loan, size, memory, sizeof(memory), NULL), 0);
    }
}

static void returns_of_what_is_not_lent_are_not_believed(void **state)
{
    static const struct {
        uint32_t slot, serial;
    } lies[] = {{0, 0}, {LIMIT, 1}, {UINT32_MAX, 1}, {0, 2}, {1, 1}, {LIMIT - 1, UINT32_MAX}};
    struct ae_loan_frame frame, again[2];

    (void)state;
    assert_int_equal(lend(0), 1);
    assert_int_equal(ae_loan_borrow(&borrower, &frame, 1), 1);
    for (size_t i = 0; i < COUNT(lies); i++) {
        struct ae_loan_frame lie = frame;

        lie.slot = lies[i].slot;
        lie.serial = lies[i].serial;
        if (lie.slot == frame.slot && lie.serial == frame.serial)
            continue;
        assert_int_equal(ae_loan_return(&borrower, &lie, 1), 1);
        assert_int_equal(ae_loan_reclaim(lender, 32), 0);
    }
    assert_true(ae_loan_counters(lender)->misuse >= COUNT(lies) - 1);
    assert_int_equal(ae_loan_outstanding(lender), 1);
    again[0] = again[1] = frame;
    assert_int_equal(ae_loan_return(&borrower, again, 2), 2);
    assert_int_equal(ae_loan_reclaim(lender, 32), 1);
    assert_whole();
    assert_int_equal(ae_pool_available(pool), PACKETS);
}

/* Whatever it scribbles over what it can write to. */
static void a_hostile_borrower_keeps_what_it_was_lent_and_no_more(void **state)
{
    uint64_t random = 1;

    (void)state;
    for (uint32_t round = 0; round < 50000; round++) {
        uint32_t words = (uint32_t)(size / 4), *word;

        random = random * 6364136223846793005u + 1442695040888963407u;
        word = (uint32_t *)loan + (random >> 40) % words;
        *word = round % 3 ? *word ^ 1u << (random >> 35 & 31) : (uint32_t)(random >> 16);
        lend(round);
        ae_loan_reclaim(lender, (uint32_t)(random >> 60));
        assert_true(ae_loan_outstanding(lender) <= LIMIT);
        assert_whole();
    }
    ae_lender_close(lender);
    assert_int_equal(ae_pool_available(pool), PACKETS);
    assert_int_equal(ae_loan_create(loan, LIMIT, NULL), 0);
    assert_int_equal(ae_lender_open(&lender, loan, size, pool, BEFORE, NULL), 0);
}

/* One that comes and goes all the time keeps nothing by that: what it had comes back by turns. */
static void a_borrower_that_comes_and_goes_keeps_nothing(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < LIMIT; i++)
        assert_int_equal(lend(i), 1);
    for (uint32_t i = 0; i < LIMIT; i++) {
        assert_int_equal(ae_borrower_open(&borrower, loan, size, memory, sizeof(memory), NULL), 0);
        assert_int_equal(ae_loan_reclaim(lender, 1), 1);
    }
    assert_int_equal(ae_pool_available(pool), PACKETS);
}

static void a_hostile_lender_shows_nothing_outside_of_the_mapping(void **state)
{
    uint64_t random = 1;

    (void)state;
    for (uint32_t round = 0; round < 50000; round++) {
        uint32_t words = (uint32_t)(size / 4), got;
        struct ae_loan_frame frames[LIMIT];

        lend(round);
        random = random * 6364136223846793005u + 1442695040888963407u;
        ((uint32_t *)loan)[(random >> 40) % words] ^= 1u << (random >> 35 & 31);
        got = ae_loan_borrow(&borrower, frames, LIMIT);
        for (uint32_t i = 0; i < got; i++) {
            assert_true(frames[i].data >= memory && frames[i].length <= sizeof(memory));
            assert_true(frames[i].data + frames[i].length <= memory + sizeof(memory));
        }
        ae_loan_return(&borrower, frames, got);
        ae_loan_reclaim(lender, 32);
        assert_whole();
    }
}

static void the_end_of_the_lender_is_seen(void **state)
{
    struct ae_loan_frame frame;

    (void)state;
    assert_int_equal(lend(1), 1);
    assert_int_equal(ae_loan_borrow(&borrower, &frame, 1), 1);
    assert_false(ae_loan_is_over(&borrower));
    ae_lender_close(lender);
    assert_true(ae_loan_is_over(&borrower));
    assert_int_equal(ae_pool_available(pool), PACKETS);
    assert_frame(&frame, 1);
    assert_int_equal(ae_loan_return(&borrower, &frame, 1), 1);
    assert_int_equal(ae_loan_borrow(&borrower, &frame, 1), 0);
    lender = NULL;
}

static void what_holds_no_loan_is_refused(void **state)
{
    struct ae_borrower other_borrower;
    struct ae_lender *other;

    (void)state;
    assert_int_equal(ae_loan_size(0), 0);
    assert_int_equal(ae_loan_size(AE_LOAN_LIMIT_MAX + 1), 0);
    assert_int_equal(ae_loan_create(loan, 0, NULL), -EINVAL);
    assert_int_equal(ae_loan_create((uint8_t *)loan + 64, LIMIT, NULL), -EINVAL);
    assert_int_equal(ae_lender_open(&other, loan, size - 1, pool, 0, NULL), -EPROTO);
    assert_int_equal(ae_borrower_open(&other_borrower, loan, 16, memory, 1, NULL), -EPROTO);
    ((uint32_t *)loan)[1] = LIMIT + 1000;
    assert_int_equal(ae_lender_open(&other, loan, size, pool, 0, NULL), -EPROTO);
    ((uint32_t *)loan)[1] = LIMIT;
    ((uint32_t *)loan)[0]++;
    assert_int_equal(ae_borrower_open(&other_borrower, loan, size, memory, 1, NULL), -EPROTO);
}

#define test(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(frames_are_read_where_they_lie),
        test(what_is_lent_is_not_the_callers),
        test(a_borrower_that_stops_has_no_more_than_the_limit),
        test(what_cannot_be_lent_is_refused),
        test(what_an_ended_borrower_had_is_taken_back),
        test(returns_of_what_is_not_lent_are_not_believed),
        test(a_hostile_borrower_keeps_what_it_was_lent_and_no_more),
        test(a_borrower_that_comes_and_goes_keeps_nothing),
        test(a_hostile_lender_shows_nothing_outside_of_the_mapping),
        test(the_end_of_the_lender_is_seen),
        test(what_holds_no_loan_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
