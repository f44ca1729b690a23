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
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aether/channel.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SLOTS        16
#define SLOT         40
#define MESSAGES     200000

struct message {
    uint64_t number;
    uint64_t check[4];
};

_Static_assert(sizeof(struct message) == SLOT, "one slot");

static struct ae_channel_memory *shared;
static size_t size;
static struct ae_channel producer, consumer;

static int begin(void **state)
{
    (void)state;
    size = ae_channel_size(SLOTS, SLOT);
    shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED || ae_channel_create(shared, SLOTS, SLOT, NULL) ||
           ae_channel_open_producer(&producer, shared, size, NULL) ||
           ae_channel_open_consumer(&consumer, shared, size, NULL);
}

static int end(void **state)
{
    (void)state;
    return munmap(shared, size);
}

static void make(struct message *message, uint64_t number)
{
    message->number = number;
    for (uint64_t i = 0; i < 4; i++)
        message->check[i] = number * (2 * i + 3);
}

static bool is_right(const struct message *message, uint64_t number)
{
    struct message wanted;

    make(&wanted, number);
    return memcmp(message, &wanted, sizeof(wanted)) == 0;
}

static void messages_come_in_order(void **state)
{
    struct message message;
    uint64_t sent = 0, got = 0;

    (void)state;
    assert_false(ae_channel_get(&consumer, &message));
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < round % (SLOTS + 1); i++) {
            make(&message, sent++);
            assert_true(ae_channel_put(&producer, &message));
        }
        for (; got < sent; got++) {
            assert_true(ae_channel_get(&consumer, &message));
            assert_true(is_right(&message, got));
        }
        assert_false(ae_channel_get(&consumer, &message));
    }
    assert_int_equal(producer.refused + producer.broken + consumer.broken, 0);
}

static void a_full_channel_refuses_and_loses_nothing(void **state)
{
    struct message message;

    (void)state;
    for (uint64_t i = 0; i < SLOTS; i++) {
        make(&message, i);
        assert_true(ae_channel_put(&producer, &message));
    }
    make(&message, 999);
    assert_false(ae_channel_put(&producer, &message));
    assert_int_equal(producer.refused, 1);
    for (uint64_t i = 0; i < SLOTS; i++) {
        assert_true(ae_channel_get(&consumer, &message));
        assert_true(is_right(&message, i));
    }
    assert_false(ae_channel_get(&consumer, &message));
    assert_true(ae_channel_put(&producer, &message));
}

static void indices_wrap_around(void **state)
{
    struct message message;

    (void)state;
    shared->head = shared->tail = UINT32_MAX - 5;
    assert_int_equal(ae_channel_open_producer(&producer, shared, size, NULL), 0);
    assert_int_equal(ae_channel_open_consumer(&consumer, shared, size, NULL), 0);
    for (uint64_t i = 0; i < 40; i++) {
        make(&message, i);
        assert_true(ae_channel_put(&producer, &message));
        if (i < 10)
            continue; /* ten stay in, across the wrap */
        assert_true(ae_channel_get(&consumer, &message));
        assert_true(is_right(&message, i - 10));
    }
    assert_int_equal(producer.broken + consumer.broken, 0);
}

static void a_producer_that_comes_back_goes_on(void **state)
{
    struct message message;

    (void)state;
    for (uint64_t i = 0; i < 5; i++) {
        make(&message, i);
        ae_channel_put(&producer, &message);
    }
    assert_int_equal(ae_channel_open_producer(&producer, shared, size, NULL), 0);
    make(&message, 5);
    assert_true(ae_channel_put(&producer, &message));
    for (uint64_t i = 0; i < 6; i++) {
        assert_true(ae_channel_get(&consumer, &message));
        assert_true(is_right(&message, i));
    }
}

/* Every index a consumer could write: the producer never fills more than there is. */
static void a_lying_consumer_is_noticed(void **state)
{
    static const uint32_t lies[] = {1, 2, SLOTS, 1u << 31, UINT32_MAX - SLOTS};
    struct message message = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(lies); i++) {
        assert_int_equal(ae_channel_create(shared, SLOTS, SLOT, NULL), 0);
        assert_int_equal(ae_channel_open_producer(&producer, shared, size, NULL), 0);
        for (unsigned filled = 0; filled < SLOTS; filled++)
            ae_channel_put(&producer, &message);
        /* Says that it took what was never put there, or gave back what it had taken. */
        __atomic_store_n(&shared->tail, SLOTS + lies[i], __ATOMIC_RELEASE);
        assert_false(ae_channel_put(&producer, &message));
        assert_int_equal(producer.broken, 1);
        __atomic_store_n(&shared->tail, 1, __ATOMIC_RELEASE);
        assert_true(ae_channel_put(&producer, &message));
        assert_false(ae_channel_put(&producer, &message));
    }
}

static void a_lying_producer_is_noticed(void **state)
{
    static const uint32_t lies[] = {SLOTS + 1, 1000, 1u << 31, UINT32_MAX};
    struct message message;

    (void)state;
    for (size_t i = 0; i < COUNT(lies); i++) {
        __atomic_store_n(&shared->head, lies[i], __ATOMIC_RELEASE);
        assert_false(ae_channel_get(&consumer, &message));
        assert_int_equal(consumer.broken, i + 1);
        assert_int_equal(consumer.own, 0);
    }
}

static void a_shape_that_changes_later_is_not_believed(void **state)
{
    struct message message;

    (void)state;
    shared->slots = 1u << 20;
    shared->slot_size = 65536;
    for (uint64_t i = 0; i < 3 * SLOTS; i++) {
        make(&message, i);
        assert_true(ae_channel_put(&producer, &message));
        assert_true(ae_channel_get(&consumer, &message));
        assert_true(is_right(&message, i));
    }
}

static void shapes_without_sense_are_refused(void **state)
{
    static const uint32_t shapes[][2] = {{0, 8},        {1, 8},        {3, 8},  {1u << 21, 8},
                                         {16, 0},       {16, 4},       {16, 9}, {16, 65544},
                                         {1u << 31, 8}, {16, 1u << 31}};
    struct ae_channel channel;
    struct ae_error err;

    (void)state;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        assert_int_equal(ae_channel_size(shapes[i][0], shapes[i][1]), 0);
        assert_int_equal(ae_channel_create(shared, shapes[i][0], shapes[i][1], &err), -EINVAL);
        shared->slots = shapes[i][0];
        shared->slot_size = shapes[i][1];
        assert_int_equal(ae_channel_open_consumer(&channel, shared, size, &err), -EPROTO);
        assert_int_equal(ae_channel_open_producer(&channel, shared, size, &err), -EPROTO);
    }
    assert_int_equal(ae_channel_size(1u << 20, 65536), 192 + (1ull << 36));
    assert_int_equal(ae_channel_create((uint8_t *)shared + 8, SLOTS, SLOT, &err), -EINVAL);
}

static void a_mapping_that_does_not_fit_is_refused(void **state)
{
    struct ae_channel channel;
    struct ae_error err;

    (void)state;
    for (size_t bytes = 0; bytes < size; bytes++)
        assert_int_equal(ae_channel_open_consumer(&channel, shared, bytes, &err), -EPROTO);
    assert_int_equal(ae_channel_open_consumer(&channel, shared, size, &err), 0);
    assert_int_equal(ae_channel_open_consumer(&channel, (uint8_t *)shared + 8, size, &err),
                     -EPROTO);
    shared->head = SLOTS + 1;
    assert_int_equal(ae_channel_open_producer(&channel, shared, size, &err), -EPROTO);
    assert_non_null(strstr(err.text, "17"));
    shared->magic++;
    assert_int_equal(ae_channel_open_consumer(&channel, shared, size, &err), -EPROTO);
}

static void *put_all(void *context)
{
    struct message message;

    (void)context;
    for (uint64_t i = 0; i < MESSAGES; i++) {
        make(&message, i);
        while (!ae_channel_put(&producer, &message))
            sched_yield();
    }
    return NULL;
}

static bool get_all(void)
{
    struct message message;

    for (uint64_t i = 0; i < MESSAGES; i++) {
        while (!ae_channel_get(&consumer, &message))
            sched_yield();
        if (!is_right(&message, i))
            return false;
    }
    return !ae_channel_get(&consumer, &message) && consumer.broken == 0;
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
        TEST(messages_come_in_order),
        TEST(a_full_channel_refuses_and_loses_nothing),
        TEST(indices_wrap_around),
        TEST(a_producer_that_comes_back_goes_on),
        TEST(a_lying_consumer_is_noticed),
        TEST(a_lying_producer_is_noticed),
        TEST(a_shape_that_changes_later_is_not_believed),
        TEST(shapes_without_sense_are_refused),
        TEST(a_mapping_that_does_not_fit_is_refused),
        TEST(two_threads_lose_nothing),
        TEST(two_processes_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
