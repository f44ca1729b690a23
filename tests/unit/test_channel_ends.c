/* SPDX-License-Identifier: Apache-2.0 */

/* Sides of channels and broadcasts that are killed wherever they are, again and again, and whose
 * successors go on. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <aether/broadcast.h>
#include <aether/channel.h>

#include "killed.h"

#define KILLS 200
#define RING  4096
#define SLOTS 64
#define SLOT  256
#define BURST 5

/* A message says who wrote it, which of his it is, and is the same all over. */
struct message {
    uint64_t life, number, filling[];
};

#define LONGEST (SLOT - 16)

static void *memory;
static size_t size;
static uint64_t *released; /* so many records, at least: shared, too */

static int begin(void **state)
{
    (void)state;
    size = ae_channel_size(RING) + ae_broadcast_size(SLOTS, SLOT);
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    released = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED || released == MAP_FAILED;
}

static int end(void **state)
{
    (void)state;
    return munmap(memory, size) || munmap(released, 4096);
}

static uint32_t make(struct message *message, uint64_t life, uint64_t number)
{
    uint32_t words = (uint32_t)((life + number) % ((LONGEST - sizeof(*message)) / 8 + 1));

    message->life = life;
    message->number = number;
    for (uint32_t i = 0; i < words; i++)
        message->filling[i] = number * (i + 3) + life;
    return (uint32_t)sizeof(*message) + 8 * words;
}

static bool is_whole(const struct message *message, uint32_t length)
{
    uint64_t wanted[LONGEST / 8];

    return length >= sizeof(*message) &&
           make((void *)wanted, message->life, message->number) == length &&
           memcmp(message, wanted, length) == 0;
}

/* Up to a fifth of a millisecond from now. */
static uint64_t soon(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec + (uint64_t)(rand() % 200000);
}

static bool is_over(uint64_t when)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec >= when;
}

static void produce(uint64_t life)
{
    struct ae_channel_producer producer;
    uint64_t message[LONGEST / 8];

    if (ae_channel_open_producer(&producer, memory, size, NULL))
        return;
    for (uint64_t number = 0;;) {
        for (unsigned i = 0; i < BURST; i++) {
            uint32_t length = make((void *)message, life, number);
            void *at = ae_channel_reserve(&producer, length);

            if (!at)
                break;
            memcpy(at, message, length);
            number++;
        }
        ae_channel_commit(&producer);
    }
}

/* Within each life they come in order from the first, and none is missing. */
static void killed_producers_leave_whole_records(void **state)
{
    struct ae_channel_consumer consumer;
    uint64_t life = 0, next = 0, got = 0;
    const struct message *message;
    uint32_t length;

    (void)state;
    assert_int_equal(ae_channel_create(memory, RING, NULL), 0);
    assert_int_equal(ae_channel_open_consumer(&consumer, memory, size, NULL), 0);
    for (uint64_t i = 1; i <= KILLS; i++) {
        pid_t child = killed_start(produce, i);
        uint64_t first = got, when = 0;

        while (when == 0 || !is_over(when)) {
            message = ae_channel_peek(&consumer, &length);
            if (message) {
                assert_true(is_whole(message, length));
                if (message->life != life) {
                    assert_true(message->life > life);
                    life = message->life;
                    next = 0;
                }
                assert_int_equal(message->number, next++);
                got++;
            }
            ae_channel_release(&consumer);
            if (when == 0 && got > first)
                when = soon();
        }
        killed_kill(child);
    }
    assert_int_equal(consumer.broken, 0);
    assert_true(got > KILLS);
}

static void consume(uint64_t life)
{
    struct ae_channel_consumer consumer;
    const struct message *message;
    bool begun = false;
    uint64_t next = 0;
    uint32_t length;

    (void)life;
    if (ae_channel_open_consumer(&consumer, memory, size, NULL))
        return;
    for (;;) {
        for (unsigned i = 0; i < BURST && (message = ae_channel_peek(&consumer, &length)); i++) {
            if (!is_whole(message, length))
                return;
            /* The one before may have released a burst and not said so. */
            if (begun ? message->number != next : message->number - *released > BURST)
                return;
            begun = true;
            next = message->number + 1;
        }
        ae_channel_release(&consumer);
        if (consumer.broken)
            return;
        if (begun)
            __atomic_store_n(released, next, __ATOMIC_RELEASE);
    }
}

static void killed_consumers_lose_nothing(void **state)
{
    struct ae_channel_producer producer;
    uint64_t message[LONGEST / 8], number = 0;

    (void)state;
    assert_int_equal(ae_channel_create(memory, RING, NULL), 0);
    assert_int_equal(ae_channel_open_producer(&producer, memory, size, NULL), 0);
    for (uint64_t i = 1; i <= KILLS; i++) {
        pid_t child = killed_start(consume, i);
        uint64_t first = __atomic_load_n(released, __ATOMIC_ACQUIRE), when = 0;

        while (when == 0 || !is_over(when)) {
            if (ae_channel_put(&producer, message, make((void *)message, 1, number)))
                number++;
            else
                assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
            if (when == 0 && __atomic_load_n(released, __ATOMIC_ACQUIRE) > first)
                when = soon();
        }
        killed_kill(child);
    }
    assert_int_equal(producer.broken, 0);
}

static void *broadcast(void)
{
    return (uint8_t *)memory + ae_channel_size(RING);
}

static void write_on(uint64_t life)
{
    struct ae_broadcast_writer writer;
    uint64_t message[LONGEST / 8];

    if (ae_broadcast_open_writer(&writer, broadcast(), ae_broadcast_size(SLOTS, SLOT), NULL))
        return;
    for (uint64_t number = 0;; number++)
        if (!ae_broadcast_put(&writer, message, make((void *)message, life, number)))
            return;
}

/* Whole ones, whose numbers differ within a life as those that the broadcast gave them. */
static void killed_writers_leave_whole_messages(void **state)
{
    struct ae_broadcast_reader reader;
    uint64_t life = 0, base = 0, got = 0;
    uint64_t words[LONGEST / 8];
    struct message *message = (void *)words;
    uint32_t length;

    (void)state;
    assert_int_equal(ae_broadcast_create(broadcast(), SLOTS, SLOT, NULL), 0);
    assert_int_equal(
        ae_broadcast_open_reader(&reader, broadcast(), ae_broadcast_size(SLOTS, SLOT), 0, NULL), 0);
    assert_int_equal(reader.room, LONGEST);
    for (uint64_t i = 1; i <= KILLS; i++) {
        pid_t child = killed_start(write_on, i);
        uint64_t first = got, when = 0;

        while (when == 0 || !is_over(when)) {
            if (ae_broadcast_get(&reader, words, &length)) {
                assert_true(is_whole(message, length));
                if (message->life != life) {
                    assert_true(message->life > life);
                    life = message->life;
                    base = reader.next - message->number;
                }
                assert_int_equal(reader.next - message->number, base);
                got++;
            }
            if (when == 0 && got > first)
                when = soon();
        }
        killed_kill(child);
    }
    assert_int_equal(reader.next, got + reader.lost);
    assert_int_equal(reader.broken, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(killed_producers_leave_whole_records),
        TEST(killed_consumers_lose_nothing),
        TEST(killed_writers_leave_whole_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
