/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include <aether/broadcast.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SLOTS        16
#define SLOT         128
#define ROOM         (SLOT - 16)
#define MESSAGES     300000

static struct ae_broadcast_memory *shared;
static size_t size;
static struct ae_broadcast_writer writer;
static struct ae_broadcast_reader reader;

static int begin(void **state)
{
    (void)state;
    size = ae_broadcast_size(SLOTS, SLOT);
    shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED || ae_broadcast_create(shared, SLOTS, SLOT, NULL) ||
           ae_broadcast_open_writer(&writer, shared, size, NULL) ||
           ae_broadcast_open_reader(&reader, shared, size, 0, NULL);
}

static int end(void **state)
{
    (void)state;
    return munmap(shared, size);
}

static struct ae_broadcast_slot *slot_of(uint64_t number)
{
    return (void *)((uint8_t *)(shared + 1) + number % SLOTS * SLOT);
}

static uint32_t make(uint8_t message[ROOM], uint64_t number)
{
    for (uint32_t i = 0; i < ROOM; i++)
        message[i] = (uint8_t)(number * 167 + i * 13 + (number >> 8));
    return (uint32_t)(number * 37 % (ROOM + 1));
}

static void put(uint64_t number)
{
    uint8_t message[ROOM];
    uint32_t length = make(message, number);

    assert_true(ae_broadcast_put(&writer, message, length));
}

/* False: none. Else it is the message that it says it is, whole. */
static bool get(struct ae_broadcast_reader *from, bool *right)
{
    uint8_t message[ROOM], wanted[ROOM];
    uint32_t length;

    if (!ae_broadcast_get(from, message, &length))
        return false;
    *right = length == make(wanted, from->next - 1) && memcmp(message, wanted, length) == 0;
    return true;
}

static void assert_gets(uint64_t number)
{
    bool right;

    assert_true(get(&reader, &right));
    assert_true(right);
    assert_int_equal(reader.next - 1, number);
}

static void assert_gets_nothing(void)
{
    bool right;

    assert_false(get(&reader, &right));
}

static void messages_come_in_order(void **state)
{
    (void)state;
    assert_gets_nothing();
    for (uint64_t i = 0; i < 1000; i++) {
        put(i);
        if (i % 8)
            continue;
        for (uint64_t k = i < 8 ? 0 : i - 7; k <= i; k++)
            assert_gets(k);
        assert_gets_nothing();
    }
    assert_int_equal(reader.lost + reader.broken, 0);
}

static void each_reader_gets_them_all(void **state)
{
    struct ae_broadcast_reader other;
    bool right;

    (void)state;
    for (uint64_t i = 0; i < 5; i++)
        put(i);
    assert_int_equal(ae_broadcast_open_reader(&other, shared, size, 0, NULL), 0);
    for (uint64_t i = 0; i < 5; i++) {
        assert_gets(i);
        assert_true(get(&other, &right) && right);
    }
}

static void a_slow_reader_is_told_what_it_lost(void **state)
{
    (void)state;
    for (uint64_t behind = SLOTS + 1; behind < 4 * SLOTS; behind++) {
        uint64_t first = writer.next, lost = reader.lost;

        for (uint64_t i = 0; i < behind; i++)
            put(writer.next);
        assert_gets(first + behind - SLOTS * 3 / 4);
        assert_int_equal(reader.lost - lost, behind - SLOTS * 3 / 4);
        while (reader.next < writer.next)
            assert_gets(reader.next);
        assert_gets_nothing();
    }
    assert_int_equal(reader.broken, 0);
}

static void a_reader_within_the_ring_loses_nothing(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < SLOTS; i++)
        put(i);
    for (uint64_t i = 0; i < SLOTS; i++)
        assert_gets(i);
    assert_int_equal(reader.lost, 0);
}

static void the_message_that_is_being_written_is_neither_old_nor_new(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < SLOTS; i++)
        put(i);
    slot_of(0)->sequence = 2 * SLOTS + 1;
    assert_gets(SLOTS / 4); /* the old one */
    assert_int_equal(reader.lost, SLOTS / 4);
    for (uint64_t i = SLOTS / 4 + 1; i < SLOTS; i++)
        assert_gets(i);
    assert_gets_nothing(); /* the new one */
    /* The writer ended there, and its successor writes it. */
    assert_int_equal(ae_broadcast_open_writer(&writer, shared, size, NULL), 0);
    assert_int_equal(writer.next, SLOTS);
    put(SLOTS);
    assert_gets(SLOTS);
}

static void a_whole_message_that_was_not_counted_is_not_written_again(void **state)
{
    (void)state;
    put(0);
    put(1);
    shared->head = 1; /* the writer ended between the two */
    assert_gets(0);
    assert_gets(1);
    assert_int_equal(ae_broadcast_open_reader(&reader, shared, size, reader.next, NULL), 0);
    assert_gets_nothing();
    assert_int_equal(ae_broadcast_open_writer(&writer, shared, size, NULL), 0);
    assert_int_equal(writer.next, 2);
    assert_int_equal(shared->head, 2);
    put(2);
    assert_gets(2);
}

static void a_reader_begins_where_it_wants(void **state)
{
    struct ae_error err;

    (void)state;
    for (uint64_t i = 0; i < 3 * SLOTS; i++)
        put(i);
    assert_int_equal(ae_broadcast_open_reader(&reader, shared, size, AE_BROADCAST_NOW, &err), 0);
    assert_gets_nothing();
    assert_int_equal(reader.lost, 0);
    assert_int_equal(ae_broadcast_open_reader(&reader, shared, size, 3 * SLOTS - 2, &err), 0);
    assert_gets(3 * SLOTS - 2);
    assert_int_equal(ae_broadcast_open_reader(&reader, shared, size, 5, &err), 0);
    assert_gets(3 * SLOTS - SLOTS * 3 / 4);
    assert_int_equal(reader.lost, reader.next - 1 - 5);
    assert_int_equal(ae_broadcast_open_reader(&reader, shared, size, 3 * SLOTS + 2, &err), -ERANGE);
}

static void a_message_longer_than_the_room_is_refused(void **state)
{
    uint8_t message[ROOM + 1] = {0};

    (void)state;
    assert_int_equal(writer.room, ROOM);
    assert_int_equal(reader.room, ROOM);
    assert_true(ae_broadcast_put(&writer, message, ROOM));
    assert_false(ae_broadcast_put(&writer, message, ROOM + 1));
    assert_false(ae_broadcast_put(&writer, message, UINT32_MAX));
    assert_int_equal(shared->head, 1);
}

static void a_lying_writer_is_noticed(void **state)
{
    static const uint64_t lengths[] = {ROOM + 1, 1ull << 32, UINT64_MAX};
    static const uint64_t sequences[] = {5, 1ull << 62, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT(lengths); i++) {
        put(i);
        slot_of(i)->length = lengths[i];
        assert_gets_nothing();
        assert_int_equal(reader.broken, i + 1);
        assert_int_equal(reader.lost, i + 1);
    }
    for (size_t i = 0; i < COUNT(sequences); i++) {
        assert_int_equal(ae_broadcast_create(shared, SLOTS, SLOT, NULL), 0);
        assert_int_equal(ae_broadcast_open_reader(&reader, shared, size, 0, NULL), 0);
        slot_of(0)->sequence = sequences[i];
        assert_gets_nothing();
        assert_int_equal(reader.next, 1);
        assert_int_equal(reader.broken, 1);
    }
}

/* A writer may begin anywhere. */
static void a_head_of_any_value_stays_in_the_ring(void **state)
{
    static const uint64_t heads[] = {SLOTS - 1, 1ull << 32, 1ull << 62, UINT64_MAX - 1, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT(heads); i++) {
        shared->head = heads[i];
        assert_int_equal(ae_broadcast_open_writer(&writer, shared, size, NULL), 0);
        for (unsigned k = 0; k < 2 * SLOTS; k++)
            put(writer.next);
    }
}

static void shapes_without_sense_are_refused(void **state)
{
    static const uint32_t shapes[][2] = {{0, 64},  {2, 64},        {3, 64},
                                         {5, 64},  {1u << 21, 64}, {16, 0},
                                         {16, 32}, {16, 65600},    {16, 1u << 31}};
    struct ae_error err;

    (void)state;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        assert_int_equal(ae_broadcast_size(shapes[i][0], shapes[i][1]), 0);
        assert_int_equal(ae_broadcast_create(shared, shapes[i][0], shapes[i][1], &err), -EINVAL);
        shared->slots = shapes[i][0];
        shared->slot_size = shapes[i][1];
        assert_int_equal(ae_broadcast_open_reader(&reader, shared, size, 0, &err), -EPROTO);
        assert_int_equal(ae_broadcast_open_writer(&writer, shared, size, &err), -EPROTO);
    }
    assert_int_equal(ae_broadcast_size(1u << 20, 65536), 256 + (1ull << 36));
    assert_int_equal(ae_broadcast_create((uint8_t *)shared + 64, SLOTS, SLOT, &err), -EINVAL);
}

static void a_mapping_that_does_not_fit_is_refused(void **state)
{
    struct ae_error err;

    (void)state;
    for (size_t bytes = 0; bytes < size; bytes++)
        assert_int_equal(ae_broadcast_open_reader(&reader, shared, bytes, 0, &err), -EPROTO);
    assert_int_equal(ae_broadcast_open_reader(&reader, shared, size, 0, &err), 0);
    assert_int_equal(ae_broadcast_open_reader(&reader, (uint8_t *)shared + 64, size, 0, &err),
                     -EPROTO);
    shared->magic++;
    assert_int_equal(ae_broadcast_open_writer(&writer, shared, size, &err), -EPROTO);
}

static void *put_all(void *context)
{
    (void)context;
    for (uint64_t i = 0; i < MESSAGES; i++) {
        put(i);
        if (i % 64 == 0)
            sched_yield();
    }
    return NULL;
}

struct outcome {
    uint64_t got, wrong, lost, broken, next;
};

/* Without the right to write. */
static void *get_all(void *context)
{
    struct outcome *outcome = context;
    struct ae_broadcast_reader own;
    bool right;

    assert_int_equal(ae_broadcast_open_reader(&own, shared, size, 0, NULL), 0);
    while (own.next < MESSAGES) {
        if (!get(&own, &right)) {
            sched_yield();
            continue;
        }
        outcome->got++;
        outcome->wrong += !right;
    }
    outcome->lost = own.lost;
    outcome->broken = own.broken;
    outcome->next = own.next;
    return NULL;
}

static void threads_get_whole_messages_and_count_the_rest(void **state)
{
    struct outcome outcomes[2] = {0};
    pthread_t threads[3];

    (void)state;
    assert_int_equal(pthread_create(&threads[0], NULL, get_all, &outcomes[0]), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, get_all, &outcomes[1]), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, put_all, NULL), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < COUNT(outcomes); i++) {
        assert_int_equal(outcomes[i].wrong + outcomes[i].broken, 0);
        assert_int_equal(outcomes[i].got + outcomes[i].lost, MESSAGES);
        assert_int_equal(outcomes[i].next, MESSAGES);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_come_in_order),
        TEST(each_reader_gets_them_all),
        TEST(a_slow_reader_is_told_what_it_lost),
        TEST(a_reader_within_the_ring_loses_nothing),
        TEST(the_message_that_is_being_written_is_neither_old_nor_new),
        TEST(a_whole_message_that_was_not_counted_is_not_written_again),
        TEST(a_reader_begins_where_it_wants),
        TEST(a_message_longer_than_the_room_is_refused),
        TEST(a_lying_writer_is_noticed),
        TEST(a_head_of_any_value_stays_in_the_ring),
        TEST(shapes_without_sense_are_refused),
        TEST(a_mapping_that_does_not_fit_is_refused),
        TEST(threads_get_whole_messages_and_count_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
