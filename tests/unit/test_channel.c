/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aether/channel.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RING         512
#define LONGEST      (RING / 2 - AE_CHANNEL_HEADER)
#define RECORDS      200000

static struct ae_channel_memory *shared;
static size_t size;
static struct ae_channel_producer producer;
static struct ae_channel_consumer consumer;

static void open_both(void)
{
    assert_int_equal(ae_channel_open_producer(&producer, shared, size, NULL), 0);
    assert_int_equal(ae_channel_open_consumer(&consumer, shared, size, NULL), 0);
}

static void renew(void)
{
    assert_int_equal(ae_channel_create(shared, RING, NULL), 0);
    open_both();
}

static int begin(void **state)
{
    (void)state;
    size = ae_channel_size(RING);
    shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return -1;
    renew();
    return 0;
}

static int end(void **state)
{
    (void)state;
    return munmap(shared, size);
}

/* Of all lengths, so that they end everywhere. */
static uint32_t length_of(uint64_t number)
{
    return (uint32_t)(number * 37 % (LONGEST + 1));
}

static uint8_t byte_of(uint64_t number, uint32_t at)
{
    return (uint8_t)(number * 167 + at * 13);
}

static bool reserve(uint64_t number)
{
    uint8_t *at = ae_channel_reserve(&producer, length_of(number));

    for (uint32_t i = 0; at && i < length_of(number); i++)
        at[i] = byte_of(number, i);
    return at != NULL;
}

static bool put(uint64_t number)
{
    bool done = reserve(number);

    ae_channel_commit(&producer);
    return done;
}

static bool is_right(const uint8_t *record, uint32_t length, uint64_t number)
{
    bool right = length == length_of(number);

    for (uint32_t i = 0; right && i < length; i++)
        right = record[i] == byte_of(number, i);
    return right;
}

/* The next one, and that it is this one. */
static bool peek(uint64_t number)
{
    uint32_t length;
    const void *record = ae_channel_peek(&consumer, &length);

    if (record) {
        assert_int_equal((uintptr_t)record % 8, 0);
        assert_true(is_right(record, length, number));
    }
    return record != NULL;
}

static bool get(uint64_t number)
{
    bool got = peek(number);

    ae_channel_release(&consumer);
    return got;
}

static void records_of_any_length_come_in_order(void **state)
{
    uint64_t sent = 0, got = 0;

    (void)state;
    assert_false(get(0));
    for (unsigned round = 0; round < 1000; round++) {
        for (unsigned i = 0; i < round % 7 && put(sent); i++)
            sent++;
        while (get(got))
            got++;
        assert_int_equal(got, sent);
    }
    assert_int_equal(producer.broken + consumer.broken, 0);
    assert_in_range(sent, 1000, 3000);
}

static void the_longest_record_fits_wherever_the_ring_is(void **state)
{
    uint8_t record[LONGEST + 1] = {0}, copy[LONGEST];
    uint32_t length;

    (void)state;
    for (unsigned i = 0; i < RING; i++) {
        assert_true(ae_channel_put(&producer, record, LONGEST));
        assert_true(ae_channel_get(&consumer, copy, sizeof(copy), &length));
        assert_int_equal(length, LONGEST);
        assert_false(ae_channel_put(&producer, record, LONGEST + 1));
        assert_null(ae_channel_reserve(&producer, UINT32_MAX));
        assert_true(ae_channel_put(&producer, record, i % 24));
        assert_true(ae_channel_get(&consumer, copy, sizeof(copy), &length));
        assert_int_equal(length, i % 24);
    }
    assert_int_equal(producer.refused, 2 * RING);
}

static void a_full_channel_refuses_and_loses_nothing(void **state)
{
    const uint64_t record = 1;
    unsigned held = 0;

    (void)state;
    while (ae_channel_put(&producer, &record, sizeof(record)))
        held++;
    assert_int_equal(held, RING / (AE_CHANNEL_HEADER + sizeof(record)));
    assert_int_equal(producer.refused, 1);
    assert_int_equal(ae_channel_refused(&consumer), 1);
    for (uint64_t copy = 0; held > 0; held--) {
        uint32_t length;

        assert_true(ae_channel_get(&consumer, &copy, sizeof(copy), &length));
        assert_int_equal(copy, 1);
        assert_int_equal(length, sizeof(copy));
    }
    assert_false(get(0));
    assert_true(put(0));
}

static void a_burst_is_seen_when_it_is_committed(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 5; i++)
        assert_true(reserve(i));
    assert_false(peek(0));
    ae_channel_commit(&producer);
    for (uint64_t i = 0; i < 5; i++)
        assert_true(peek(i));
    assert_false(peek(5));
    assert_int_equal(shared->tail, 0);
    ae_channel_release(&consumer);
    assert_int_equal(shared->tail, shared->head);
}

static void what_a_full_channel_refused_leaves_the_rest_of_a_burst(void **state)
{
    uint64_t count = 0;

    (void)state;
    while (reserve(count))
        count++;
    ae_channel_commit(&producer);
    for (uint64_t i = 0; i < count; i++)
        assert_true(get(i));
    assert_false(get(count));
}

static void a_long_record_is_cut_to_the_room_for_it(void **state)
{
    uint8_t copy[4] = {0, 0, 0, 99};
    uint32_t length;

    (void)state;
    assert_true(ae_channel_put(&producer, "a longer one", 13));
    assert_true(ae_channel_put(&producer, "next", 5));
    assert_true(ae_channel_get(&consumer, copy, 3, &length));
    assert_int_equal(length, 13);
    assert_memory_equal(copy, "a l\143", 4);
    assert_true(ae_channel_get(&consumer, copy, 4, &length));
    assert_memory_equal(copy, "next", 4);
}

static void positions_wrap_around(void **state)
{
    uint64_t sent = 0;

    (void)state;
    shared->head = shared->tail = UINT64_MAX - 8 * RING + 1;
    open_both();
    for (uint64_t i = 0; i < 200; i++) {
        while (put(sent))
            sent++;
        assert_true(get(i));
    }
    assert_true(shared->head < UINT32_MAX);
    assert_int_equal(producer.broken + consumer.broken, 0);
}

static void sides_that_come_back_go_on(void **state)
{
    (void)state;
    assert_true(put(1) && put(2) && put(3));
    assert_true(reserve(4)); /* and ends there */
    assert_true(get(1) && peek(2));
    open_both();
    assert_true(get(2) && get(3));
    assert_false(get(4));
    assert_true(put(5) && get(5));
    producer.refused = 7;
    assert_null(ae_channel_reserve(&producer, RING));
    open_both();
    assert_int_equal(producer.refused, 8);
}

/* Whatever tail is told, the producer fills no more than there is, and goes on when it hears sense.
 */
static void a_lying_consumer_is_noticed(void **state)
{
    static const uint64_t lies[] = {8, 16, RING, 1ull << 31, 1ull << 63, -8ull - 2 * RING};

    (void)state;
    for (size_t i = 0; i < COUNT(lies); i++) {
        renew();
        while (ae_channel_put(&producer, "", 0))
            ;
        shared->tail = shared->head + lies[i];
        assert_false(ae_channel_put(&producer, "", 0));
        assert_int_equal(producer.broken, 1);
        shared->tail = 8;
        assert_true(ae_channel_put(&producer, "", 0));
        assert_false(ae_channel_put(&producer, "", 0));
        assert_int_equal(producer.broken, 1);
    }
}

static void a_lying_head_is_noticed(void **state)
{
    static const uint64_t lies[] = {RING + 8, 1, 12, 1ull << 31, 1ull << 63, -8ull};

    (void)state;
    for (size_t i = 0; i < COUNT(lies); i++) {
        shared->head = lies[i];
        assert_false(get(0));
        assert_int_equal(consumer.broken, i + 1);
        assert_int_equal(shared->tail, 0);
    }
}

static void a_length_that_cannot_be_skips_what_was_committed(void **state)
{
    static const uint64_t lies[] = {4 * 16 - 7, RING,  RING + 1, UINT32_MAX,
                                    1ull << 32, -2ull, -8ull};
    uint64_t *ring = (uint64_t *)(shared + 1);

    (void)state;
    for (size_t i = 0; i < COUNT(lies) + 2; i++) {
        renew();
        for (unsigned k = 0; k < 4; k++)
            assert_true(ae_channel_put(&producer, "12345678", 8));
        if (i < COUNT(lies))
            ring[0] = lies[i];
        else
            ring[0] = AE_CHANNEL_WRAP; /* and there is either another one, or a record too far */
        if (i == COUNT(lies) + 1)
            ring[0] = 8, ring[2] = AE_CHANNEL_WRAP;
        if (i == COUNT(lies) + 1)
            assert_non_null(ae_channel_peek(&consumer, &(uint32_t){0}));
        assert_false(get(0));
        assert_int_equal(consumer.broken, 1);
        assert_int_equal(shared->tail, shared->head);
        assert_true(put(5) && get(5));
    }
}

static void a_shape_that_changes_later_is_not_believed(void **state)
{
    (void)state;
    shared->bytes = 1u << 30;
    for (uint64_t i = 0; i < 1000; i++)
        assert_true(put(i) && get(i));
}

static void shapes_without_sense_are_refused(void **state)
{
    static const uint32_t shapes[] = {0, 1, 32, 63, 96, RING + 8, (1u << 30) + 1, 1u << 31};
    struct ae_error err;

    (void)state;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        assert_int_equal(ae_channel_size(shapes[i]), 0);
        assert_int_equal(ae_channel_create(shared, shapes[i], &err), -EINVAL);
        shared->bytes = shapes[i];
        assert_int_equal(ae_channel_open_consumer(&consumer, shared, size, &err), -EPROTO);
        assert_int_equal(ae_channel_open_producer(&producer, shared, size, &err), -EPROTO);
    }
    assert_int_equal(ae_channel_size(64), 384 + 64);
    assert_int_equal(ae_channel_size(1u << 30), 384 + (1u << 30));
    assert_int_equal(ae_channel_create((uint8_t *)shared + 64, RING, &err), -EINVAL);
}

static void a_mapping_that_does_not_fit_is_refused(void **state)
{
    struct ae_error err;

    (void)state;
    for (size_t bytes = 0; bytes < size; bytes++)
        assert_int_equal(ae_channel_open_consumer(&consumer, shared, bytes, &err), -EPROTO);
    assert_int_equal(ae_channel_open_consumer(&consumer, shared, size, &err), 0);
    assert_int_equal(ae_channel_open_consumer(&consumer, (uint8_t *)shared + 64, size, &err),
                     -EPROTO);
    shared->magic++;
    assert_int_equal(ae_channel_open_producer(&producer, shared, size, &err), -EPROTO);
}

static void positions_without_sense_are_refused(void **state)
{
    static const uint64_t positions[][2] = {{RING + 8, 0}, {0, 8}, {4, 0}, {8, 4}, {0, -8ull}};
    struct ae_error err;

    (void)state;
    for (size_t i = 0; i < COUNT(positions) - 1; i++) {
        shared->head = positions[i][0];
        shared->tail = positions[i][1];
        if (positions[i][1] % 8 == 0)
            assert_int_equal(ae_channel_open_producer(&producer, shared, size, &err), -EPROTO);
        if (positions[i][0] % 8 == 0)
            assert_int_equal(ae_channel_open_consumer(&consumer, shared, size, &err), -EPROTO);
    }
    shared->head = 0;
    shared->tail = -8ull;
    open_both();
}

/* In bursts of up to three. */
static void *put_all(void *context)
{
    (void)context;
    for (uint64_t i = 0; i < RECORDS;) {
        uint64_t until = i + 1 + i % 3;

        while (i < until && i < RECORDS && reserve(i))
            i++;
        ae_channel_commit(&producer);
        if (i < until)
            sched_yield();
    }
    return NULL;
}

static bool get_all(void)
{
    const uint8_t *record;
    uint32_t length;

    for (uint64_t i = 0; i < RECORDS;) {
        for (unsigned k = 0; k < 4 && (record = ae_channel_peek(&consumer, &length)); k++)
            if (!is_right(record, length, i++))
                return false;
        ae_channel_release(&consumer);
        if (!record)
            sched_yield();
    }
    return !ae_channel_peek(&consumer, &length) && consumer.broken == 0;
}

static void two_threads_lose_nothing(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, put_all, NULL), 0);
    assert_true(get_all());
    pthread_join(thread, NULL);
    assert_int_equal(producer.broken, 0);
}

static void two_processes_lose_nothing(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0)
        _exit(get_all() ? 0 : 1);
    put_all(NULL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(producer.broken, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_of_any_length_come_in_order),
        TEST(the_longest_record_fits_wherever_the_ring_is),
        TEST(a_full_channel_refuses_and_loses_nothing),
        TEST(a_burst_is_seen_when_it_is_committed),
        TEST(what_a_full_channel_refused_leaves_the_rest_of_a_burst),
        TEST(a_long_record_is_cut_to_the_room_for_it),
        TEST(positions_wrap_around),
        TEST(sides_that_come_back_go_on),
        TEST(a_lying_consumer_is_noticed),
        TEST(a_lying_head_is_noticed),
        TEST(a_length_that_cannot_be_skips_what_was_committed),
        TEST(a_shape_that_changes_later_is_not_believed),
        TEST(shapes_without_sense_are_refused),
        TEST(a_mapping_that_does_not_fit_is_refused),
        TEST(positions_without_sense_are_refused),
        TEST(two_threads_lose_nothing),
        TEST(two_processes_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
