/* SPDX-License-Identifier: Apache-2.0 */

/* Timers by a clock that the test makes up. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include <aether/timer.h>

#include "xorshift.h"

#define TIMERS 1000

static struct ae_timers *timers;
static struct ae_timer each[TIMERS];
static struct ae_error err;

static int begin(void **state)
{
    (void)state;
    memset(each, 0, sizeof(each));
    return ae_timers_create(&timers, TIMERS, &err);
}

static int end(void **state)
{
    (void)state;
    ae_timers_destroy(timers);
    return 0;
}

static void one_is_due_in_its_time_and_once(void **state)
{
    (void)state;
    assert_null(ae_timers_next(timers));
    assert_null(ae_timers_due(timers, 0));
    assert_true(ae_timer_set(timers, &each[0], 100));
    assert_true(ae_timer_is_set(&each[0]));
    assert_ptr_equal(ae_timers_next(timers), &each[0]);
    assert_null(ae_timers_due(timers, 99));
    assert_ptr_equal(ae_timers_due(timers, 100), &each[0]);
    assert_false(ae_timer_is_set(&each[0]));
    assert_null(ae_timers_due(timers, 1000));
    assert_true(ae_timer_set(timers, &each[0], 100)); /* long ago */
    assert_ptr_equal(ae_timers_due(timers, 1000), &each[0]);
}

/* Across the counter's wrap, too: earliest first, each once, none before its time. */
static void a_thousand_come_in_order(void **state)
{
    static const uint64_t beginnings[] = {0, UINT64_MAX - 50000, INT64_MAX - UINT64_C(50000)};

    (void)state;
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        uint64_t start = beginnings[i], last = 0;
        unsigned taken = 0;

        for (unsigned n = 0; n < TIMERS; n++)
            assert_true(ae_timer_set(timers, &each[n], start + next_random() % 100000));
        for (uint64_t now = 0; now <= 100000; now += 10)
            for (struct ae_timer *timer; (timer = ae_timers_due(timers, start + now)); taken++) {
                uint64_t at = timer->at - start;

                assert_in_range(at, last, now);
                assert_true(at + 10 > now);
                last = at;
            }
        assert_int_equal(taken, TIMERS);
    }
}

static void one_that_is_cleared_or_moved_is_not_due_as_before(void **state)
{
    unsigned taken = 0;

    (void)state;
    for (unsigned n = 0; n < TIMERS; n++)
        ae_timer_set(timers, &each[n], next_random() % 1000);
    for (unsigned n = 0; n < TIMERS; n += 2)
        ae_timer_clear(timers, &each[n]);
    for (unsigned n = 1; n < TIMERS; n += 4)
        assert_true(ae_timer_set(timers, &each[n], 2000 + next_random() % 1000));
    ae_timer_clear(timers, &each[0]); /* again */
    for (struct ae_timer *timer; (timer = ae_timers_due(timers, 1000)); taken++)
        assert_int_equal((timer - each) % 4, 3);
    assert_int_equal(taken, TIMERS / 4);
    for (struct ae_timer *timer; (timer = ae_timers_due(timers, 3000)); taken++)
        assert_int_equal((timer - each) % 4, 1);
    assert_int_equal(taken, TIMERS / 2);
}

/* A call takes one; a loop that takes one a turn is never held longer, and loses none. */
static void a_turn_takes_as_many_as_it_wants(void **state)
{
    uint64_t last = 0;

    (void)state;
    for (unsigned n = 0; n < TIMERS; n++)
        ae_timer_set(timers, &each[n], n / 10);
    for (unsigned turn = 0; turn < TIMERS; turn++) {
        struct ae_timer *timer = ae_timers_due(timers, TIMERS);

        assert_non_null(timer);
        assert_true(timer->at >= last);
        last = timer->at;
        assert_int_equal(timers->count, TIMERS - 1 - turn);
    }
    assert_null(ae_timers_due(timers, TIMERS));
}

/* A timer that sets itself again has no end but the loop's own. */
static void one_may_be_set_again_when_it_is_taken(void **state)
{
    uint64_t times = 0;

    (void)state;
    ae_timer_set(timers, &each[0], 10);
    for (uint64_t now = 0; now < 1000; now++)
        for (struct ae_timer *timer; (timer = ae_timers_due(timers, now)); times++)
            assert_true(ae_timer_set(timers, timer, timer->at + 10));
    assert_int_equal(times, 99);
}

static void there_is_room_for_so_many(void **state)
{
    struct ae_timers *few = NULL;
    struct ae_timer one = {0};

    (void)state;
    for (unsigned n = 0; n < TIMERS; n++)
        assert_true(ae_timer_set(timers, &each[n], n));
    assert_false(ae_timer_set(timers, &one, 0));
    assert_false(ae_timer_is_set(&one));
    assert_true(ae_timer_set(timers, &each[5], 7)); /* it has its place */
    ae_timer_clear(timers, &each[TIMERS - 1]);
    assert_true(ae_timer_set(timers, &one, 0));
    assert_int_equal(ae_timers_create(&few, 0, &err), -EINVAL);
    assert_int_equal(ae_timers_create(&few, AE_TIMERS_MOST + 1, &err), -EINVAL);
    assert_null(few);
    ae_timers_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_is_due_in_its_time_and_once, begin, end),
        cmocka_unit_test_setup_teardown(a_thousand_come_in_order, begin, end),
        cmocka_unit_test_setup_teardown(one_that_is_cleared_or_moved_is_not_due_as_before, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_turn_takes_as_many_as_it_wants, begin, end),
        cmocka_unit_test_setup_teardown(one_may_be_set_again_when_it_is_taken, begin, end),
        cmocka_unit_test_setup_teardown(there_is_room_for_so_many, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
