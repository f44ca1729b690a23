/* SPDX-License-Identifier: Apache-2.0 */

/* Every order of a few puts, gets and lies over a small channel, from indices next to the wrap: a
 * bounded proof of its index arithmetic by trying it all. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <aether/channel.h>

#define STEPS 10

static uint8_t memory[1024] __attribute__((aligned(64)));

struct both {
    struct ae_channel producer, consumer;
};

/* A channel of so many slots, as after `start` messages. */
static struct ae_channel_memory *open_at(struct both *both, uint32_t slots, uint32_t start)
{
    struct ae_channel_memory *shared = (void *)memory;

    assert_int_equal(ae_channel_create(memory, slots, 8, NULL), 0);
    assert_int_equal(ae_channel_open_producer(&both->producer, memory, sizeof(memory), NULL), 0);
    assert_int_equal(ae_channel_open_consumer(&both->consumer, memory, sizeof(memory), NULL), 0);
    shared->head = shared->tail = start;
    both->producer.own = both->producer.other = start;
    both->consumer.own = both->consumer.other = start;
    return shared;
}

static void try_order(uint32_t slots, uint32_t start, uint32_t order)
{
    uint64_t put = 0, got = 0, message;
    struct both both;

    open_at(&both, slots, start);
    for (int i = 0; i < STEPS; i++, order >>= 1) {
        if (order & 1) {
            assert_int_equal(ae_channel_put(&both.producer, &put), put - got < slots);
            put += put - got < slots;
        } else {
            bool there = ae_channel_get(&both.consumer, &message);

            assert_int_equal(there, put != got);
            if (there)
                assert_int_equal(message, got++);
        }
    }
    assert_int_equal(both.producer.broken + both.consumer.broken, 0);
}

static void every_order_around_the_wrap(void **state)
{
    (void)state;
    for (uint32_t slots = 2; slots <= 8; slots *= 2)
        for (uint32_t start = UINT32_MAX - STEPS; start != 2; start++)
            for (uint32_t order = 0; order < 1u << STEPS; order++)
                try_order(slots, start, order);
}

/* The other side's index holds any value near to ours, or near to a power of two away from it. With
 * what may be believed, a side goes on at most as far as that; else it says that it is broken. */
static void try_lie(uint32_t slots, uint32_t start, uint32_t filled, uint32_t lie)
{
    struct ae_channel_memory *shared;
    uint64_t message = 0;
    uint32_t count = 0;
    struct both both;

    shared = open_at(&both, slots, start);
    for (uint32_t i = 0; i < filled; i++)
        assert_true(ae_channel_put(&both.producer, &message));
    shared->tail = lie;
    while (ae_channel_put(&both.producer, &message))
        assert_in_range(++count, 1, 2 * slots);
    /* What is free unasked, then what the lie allows. */
    if (start + slots - lie <= slots)
        assert_int_equal(count, lie + slots - (start + filled));
    else
        assert_int_equal(both.producer.broken, 1);

    shared = open_at(&both, slots, start);
    shared->head = lie;
    for (count = 0; ae_channel_get(&both.consumer, &message); count++)
        assert_in_range(count, 0, slots);
    assert_int_equal(count, lie - start <= slots ? lie - start : 0);
    assert_int_equal(both.consumer.broken, lie - start > slots);
}

static void no_lie_is_believed_too_far(void **state)
{
    (void)state;
    for (uint32_t slots = 2; slots <= 8; slots *= 2)
        for (uint32_t start = UINT32_MAX - 8; start != 8; start++)
            for (int power = 0; power < 32; power++)
                for (int near = -10; near <= 10; near++)
                    for (uint32_t filled = 0; filled <= slots; filled++)
                        try_lie(slots, start, filled,
                                start + (1u << power) + (uint32_t)near);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_around_the_wrap),
        cmocka_unit_test(no_lie_is_believed_too_far),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
