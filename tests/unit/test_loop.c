/* SPDX-License-Identifier: Apache-2.0 */

/* Deadlines and cycles by a clock that the test makes up, and what is read of a page that others
 * wrote. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <aether/cycle.h>
#include <aether/deadline.h>
#include <aether/loop.h>

#include "worker/shared.h"

#define PERIOD UINT64_C(250000)
#define MS     UINT64_C(1000000)

/* Where the counter stands when a loop begins: early, and just before it wraps. */
static const uint64_t beginnings[] = {1000, UINT64_MAX - 5000, INT64_MAX - UINT64_C(5000)};

static struct ae_worker *worker;
static struct ae_worker_loop loops[AE_WORKER_LOOPS];
static struct ae_error err;

static int begin(void **state)
{
    (void)state;
    return ae_worker_start(&worker, &err);
}

static int end(void **state)
{
    (void)state;
    ae_worker_finish(worker);
    return 0;
}

static const struct ae_worker_loop *only_loop(void)
{
    assert_int_equal(ae_worker_loops(worker, loops, AE_WORKER_LOOPS), 1);
    return &loops[0];
}

/* To ticks and back may take one off each. */
static void assert_ns(uint64_t got, uint64_t expected)
{
    assert_in_range(got, expected - 2, expected + 2);
}

/* ---- Deadlines ---- */

static void a_turn_in_time_is_counted_and_no_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        uint64_t now = beginnings[i];
        struct ae_deadline deadline;

        assert_int_equal(ae_deadline_open(&deadline, worker, "poll", 1000, &err), 0);
        ae_deadline_begin(&deadline, now);
        for (unsigned turn = 0; turn < 100; turn++)
            ae_deadline_turn(&deadline, now += ae_clock_from_ns(1000));
        ae_worker_loops(worker, loops, AE_WORKER_LOOPS);
        assert_string_equal(loops[i].name, "poll");
        assert_false(loops[i].cyclic);
        assert_int_equal(loops[i].bound_ns, 1000);
        assert_int_equal(loops[i].turns, 100);
        assert_int_equal(loops[i].misses, 0);
        assert_int_equal(loops[i].missed.count, 0);
        assert_int_equal(loops[i].missed.max, 0);
    }
}

static void a_miss_is_told_with_its_time_and_how_long_it_took(void **state)
{
    uint64_t start = UINT64_MAX - ae_clock_from_ns(20 * MS);
    const struct ae_worker_loop *loop;
    struct ae_deadline deadline;

    (void)state;
    assert_int_equal(ae_deadline_open(&deadline, worker, "poll", 1000, &err), 0);
    ae_deadline_begin(&deadline, start);
    ae_deadline_turn(&deadline, start + ae_clock_from_ns(500));
    ae_deadline_turn(&deadline, start + ae_clock_from_ns(50 * MS + 500)); /* the counter wraps */
    ae_deadline_turn(&deadline, start + ae_clock_from_ns(50 * MS + 1000));
    ae_deadline_begin(&deadline, start + ae_clock_from_ns(120 * MS + 1000)); /* that was meant */
    ae_deadline_turn(&deadline, start + ae_clock_from_ns(120 * MS + 2200));
    loop = only_loop();
    assert_int_equal(loop->turns, 4);
    assert_int_equal(loop->misses, 2);
    assert_int_equal(loop->last_count, 2);
    assert_ns(loop->last[0].at_ns, 50 * MS + 500);
    assert_ns(loop->last[0].took_ns, 50 * MS);
    assert_ns(loop->last[1].at_ns, 120 * MS + 2200);
    assert_ns(loop->last[1].took_ns, 1200);
    assert_int_equal(loop->missed.count, 2);
    assert_ns(loop->missed.max, 50 * MS);
    assert_ns(loop->missed.min, 1200);
    assert_int_equal(loop->missed.powers[11], 1); /* 1024 to 2047 */
    assert_int_equal(loop->missed.powers[26], 1);
}

static void the_last_misses_are_kept(void **state)
{
    const struct ae_worker_loop *loop;
    struct ae_deadline deadline;
    uint64_t now = 0;

    (void)state;
    assert_int_equal(ae_deadline_open(&deadline, worker, "poll", 1000, &err), 0);
    ae_deadline_begin(&deadline, now);
    for (unsigned turn = 1; turn <= 100; turn++)
        ae_deadline_turn(&deadline, now += ae_clock_from_ns(turn * MS));
    loop = only_loop();
    assert_int_equal(loop->misses, 100);
    assert_int_equal(loop->last_count, AE_LOOP_MISSES);
    for (unsigned i = 0; i < AE_LOOP_MISSES; i++)
        assert_ns(loop->last[i].took_ns, (100 - AE_LOOP_MISSES + 1 + i) * MS);
    assert_ns(loop->missed.max, 100 * MS);
    assert_in_range(loop->missed.p50, 50 * MS, 54 * MS);
    assert_in_range(loop->missed.p99, 99 * MS, 100 * MS + 2);
}

/* ---- Cycles ---- */

/* A turn that begins `late` ns after its release and works for so long; returns when it ended. */
static uint64_t turn(struct ae_cycle *cycle, uint64_t now, uint64_t late, uint64_t work)
{
    now = ae_cycle_end(cycle, now) + ae_clock_from_ns(late);
    ae_cycle_begin(cycle, now);
    return now + ae_clock_from_ns(work);
}

static void releases_are_absolute(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
        uint64_t now = beginnings[i], first = now + ae_clock_from_ns(PERIOD);
        struct ae_cycle cycle;

        assert_int_equal(ae_cycle_open(&cycle, worker, "control", PERIOD, 0, &err), 0);
        for (uint64_t n = 0; n < 20000; n++) {
            assert_int_equal(ae_cycle_end(&cycle, now) - first, ae_clock_from_ns(n * PERIOD));
            now = turn(&cycle, now, n % 100, n % 7 * 10000);
        }
        ae_cycle_end(&cycle, now);
        ae_worker_loops(worker, loops, AE_WORKER_LOOPS);
        assert_true(loops[i].cyclic);
        assert_int_equal(loops[i].period_ns, PERIOD);
        assert_int_equal(loops[i].bound_ns, PERIOD);
        assert_int_equal(loops[i].turns, 20000);
        assert_int_equal(loops[i].misses, 0);
        assert_int_equal(loops[i].skipped, 0);
        assert_int_equal(loops[i].wakeup.count, 20000);
        assert_in_range(loops[i].wakeup.max, 98, 99);
        assert_in_range(loops[i].wakeup.p50, 48, 54);
    }
}

static void a_stall_shows_in_full(void **state)
{
    uint64_t now = UINT64_MAX - ae_clock_from_ns(30 * MS);
    const struct ae_worker_loop *loop;
    struct ae_cycle cycle;

    (void)state;
    assert_int_equal(ae_cycle_open(&cycle, worker, "control", PERIOD, 0, &err), 0);
    for (unsigned i = 0; i < 10; i++)
        now = turn(&cycle, now, 40, 1000);
    now = turn(&cycle, now, 40, 50 * MS); /* at work, in which the counter wraps */
    for (unsigned i = 0; i < 10; i++)
        now = turn(&cycle, now, 40, 1000);
    now = turn(&cycle, now, 50 * MS, 1000); /* while it waited */
    now = turn(&cycle, now, 40, 1000);
    ae_cycle_end(&cycle, now);
    loop = only_loop();
    assert_int_equal(loop->turns, 23);
    assert_int_equal(loop->misses, 2);
    assert_int_equal(loop->skipped, 2 * 200);
    assert_ns(loop->last[0].took_ns, 50 * MS + 40);
    assert_ns(loop->last[1].took_ns, 50 * MS + 1000);
    assert_ns(loop->last[0].at_ns, 10 * PERIOD + 50 * MS + 40);
    assert_int_equal(loop->missed.count, 2);
    assert_ns(loop->missed.max, 50 * MS + 1000);
    assert_ns(loop->wakeup.max, 50 * MS);
    assert_in_range(loop->wakeup.p50, 39, 41);
}

static void an_overrun_skips_to_the_next_release(void **state)
{
    static const struct {
        uint64_t took;
        unsigned missed, skipped;
    } cases[] = {
        {PERIOD / 2, 0, 0},       {PERIOD - 100, 0, 0},     {PERIOD + 100, 1, 1},
        {2 * PERIOD - 100, 1, 1}, {2 * PERIOD + 100, 1, 2}, {7 * PERIOD + 100, 1, 7},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t now = 0, first;
        struct ae_cycle cycle;

        assert_int_equal(ae_cycle_open(&cycle, worker, "control", PERIOD, 0, &err), 0);
        first = ae_cycle_end(&cycle, now);
        now = turn(&cycle, now, 0, cases[i].took);
        assert_int_equal(ae_cycle_end(&cycle, now) - first,
                         ae_clock_from_ns((1 + cases[i].skipped) * PERIOD));
        ae_worker_loops(worker, loops, AE_WORKER_LOOPS);
        assert_int_equal(loops[i].misses, cases[i].missed);
        assert_int_equal(loops[i].skipped, cases[i].skipped);
    }
}

static void a_deadline_may_be_shorter_or_longer_than_the_period(void **state)
{
    struct ae_cycle shorter, longer;

    (void)state;
    assert_int_equal(ae_cycle_open(&shorter, worker, "shorter", PERIOD, PERIOD / 2, &err), 0);
    assert_int_equal(ae_cycle_open(&longer, worker, "longer", PERIOD, 2 * PERIOD, &err), 0);
    ae_cycle_end(&shorter, turn(&shorter, 0, 100, PERIOD / 2));
    ae_cycle_end(&longer, turn(&longer, 0, 100, PERIOD + PERIOD / 2));
    assert_int_equal(ae_worker_loops(worker, loops, AE_WORKER_LOOPS), 2);
    assert_int_equal(loops[0].misses, 1);
    assert_int_equal(loops[0].skipped, 0);
    assert_int_equal(loops[1].misses, 0);
    assert_int_equal(loops[1].skipped, 1);
}

static void a_cycle_waits_until_its_release(void **state)
{
    struct ae_cycle cycle;
    uint64_t before = ae_clock_ticks();

    (void)state;
    assert_int_equal(ae_cycle_open(&cycle, worker, "control", MS, 0, &err), 0);
    for (unsigned i = 0; i < 5; i++)
        ae_cycle_wait(&cycle);
    assert_true(ae_clock_to_ns(ae_clock_ticks() - before) >= 5 * MS - 1);
    assert_int_equal(only_loop()->turns, 5);
}

/* ---- What may be asked for, and what is read ---- */

static void impossible_bounds_are_refused(void **state)
{
    static const uint64_t bad[] = {0, 10000000001, UINT64_MAX};
    struct ae_deadline deadline;
    struct ae_cycle cycle;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(ae_deadline_open(&deadline, worker, "poll", bad[i], &err), -EINVAL);
        assert_int_equal(ae_cycle_open(&cycle, worker, "control", bad[i], 1, &err), -EINVAL);
    }
    assert_int_equal(ae_cycle_open(&cycle, worker, "control", 999, 0, &err), -EINVAL);
    assert_int_equal(ae_cycle_open(&cycle, worker, "control", PERIOD, 10000000001, &err), -EINVAL);
    assert_int_equal(ae_worker_loops(worker, loops, AE_WORKER_LOOPS), 0);
}

static void loops_are_cut_and_run_out(void **state)
{
    struct ae_deadline deadline;
    struct ae_cycle cycle;

    (void)state;
    for (unsigned i = 0; i < AE_WORKER_LOOPS; i++)
        assert_int_equal(
            ae_deadline_open(&deadline, worker,
                             "a name that is longer than the room there is for the name", 1, &err),
            0);
    assert_int_equal(ae_deadline_open(&deadline, worker, "more", 1, &err), -ENOSPC);
    assert_int_equal(ae_cycle_open(&cycle, worker, "more", PERIOD, 0, &err), -ENOSPC);
    assert_int_equal(ae_worker_loops(worker, loops, 1), AE_WORKER_LOOPS);
    assert_int_equal(strlen(loops[0].name), AE_WORKER_NAME - 1);
}

static void what_a_hostile_worker_wrote_is_bounded(void **state)
{
    struct ae_shared *shared = worker->shared;

    (void)state;
    memset(shared->loops, 0xff, sizeof(shared->loops));
    memcpy(shared->loops[1].name, "\033[2Jshown", 10);
    shared->loop_count = UINT32_MAX;
    assert_int_equal(ae_loops_read(loops, shared), AE_WORKER_LOOPS);
    assert_int_equal(loops[0].last_count, AE_LOOP_MISSES);
    assert_true(strlen(loops[0].name) < AE_WORKER_NAME);
    assert_null(strchr(loops[1].name, '\033'));
    memset(shared->loops[0].wakeup.buckets, 0, sizeof(shared->loops[0].wakeup.buckets));
    ae_loop_read(&loops[0], &shared->loops[0]);
    assert_int_equal(loops[0].wakeup.count, 0);
    assert_int_equal(loops[0].wakeup.max, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_turn_in_time_is_counted_and_no_more, begin, end),
        cmocka_unit_test_setup_teardown(a_miss_is_told_with_its_time_and_how_long_it_took, begin,
                                        end),
        cmocka_unit_test_setup_teardown(the_last_misses_are_kept, begin, end),
        cmocka_unit_test_setup_teardown(releases_are_absolute, begin, end),
        cmocka_unit_test_setup_teardown(a_stall_shows_in_full, begin, end),
        cmocka_unit_test_setup_teardown(an_overrun_skips_to_the_next_release, begin, end),
        cmocka_unit_test_setup_teardown(a_deadline_may_be_shorter_or_longer_than_the_period, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_cycle_waits_until_its_release, begin, end),
        cmocka_unit_test_setup_teardown(impossible_bounds_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(loops_are_cut_and_run_out, begin, end),
        cmocka_unit_test_setup_teardown(what_a_hostile_worker_wrote_is_bounded, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
