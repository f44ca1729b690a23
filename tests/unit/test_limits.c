/* SPDX-License-Identifier: Apache-2.0 */

/* When a supervisor's workers are asked to stop, and when they are ended. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/supervisor/limits.h"

#define START 1000000

static struct ae_limits limits_of(uint64_t stop_after, uint64_t grace)
{
    struct ae_limits limits = {.stop_after_ms = stop_after, .grace_ms = grace};

    ae_limits_begin(&limits, START);
    return limits;
}

static void time_counts_from_quiet_within_its_bound(void **state)
{
    struct ae_limits limits = limits_of(1000, 100);

    (void)state;
    assert_int_equal(ae_limits_look(&limits, START + 999), AE_LIMITS_GO_ON);
    ae_limits_quiet(&limits, START + 500);
    assert_int_equal(ae_limits_look(&limits, START + 1499), AE_LIMITS_GO_ON);
    assert_int_equal(ae_limits_look(&limits, START + 1500), AE_LIMITS_ASK);
    /* However late they become quiet, and however often. */
    limits = limits_of(60000, 100);
    for (unsigned i = 0; i < 1000; i++)
        ae_limits_quiet(&limits, START + 59 * 1000 + i);
    assert_int_equal(ae_limits_look(&limits, START + AE_LIMITS_SETTLE_MS + 59999), AE_LIMITS_GO_ON);
    assert_int_equal(ae_limits_look(&limits, START + AE_LIMITS_SETTLE_MS + 60000), AE_LIMITS_ASK);
}

static void what_we_take_ourselves_is_no_part_of_it(void **state)
{
    struct ae_limits limits = limits_of(1000, 100);

    (void)state;
    ae_limits_held(&limits, 400);
    assert_int_equal(ae_limits_look(&limits, START + 1399), AE_LIMITS_GO_ON);
    assert_int_equal(ae_limits_look(&limits, START + 1400), AE_LIMITS_ASK);
    ae_limits_ask(&limits, START + 1400);
    ae_limits_held(&limits, 50);
    ae_limits_ask(&limits, START + 1450); /* asking again changes nothing */
    assert_int_equal(ae_limits_look(&limits, START + 1401), AE_LIMITS_ASK);
    assert_int_equal(ae_limits_look(&limits, START + 1549), AE_LIMITS_ASK);
    assert_int_equal(ae_limits_look(&limits, START + 1550), AE_LIMITS_END);
}

static void signals_ask_and_then_end(void **state)
{
    struct ae_limits limits = limits_of(0, 10000);

    (void)state;
    assert_int_equal(ae_limits_look(&limits, START + 100000000), AE_LIMITS_GO_ON);
    ae_limits_signal(&limits, START);
    assert_int_equal(ae_limits_look(&limits, START), AE_LIMITS_ASK);
    ae_limits_signal(&limits, START + AE_LIMITS_AGAIN_MS - 1);
    assert_int_equal(ae_limits_look(&limits, START + AE_LIMITS_AGAIN_MS), AE_LIMITS_ASK);
    ae_limits_signal(&limits, START + AE_LIMITS_AGAIN_MS);
    assert_int_equal(ae_limits_look(&limits, START + AE_LIMITS_AGAIN_MS), AE_LIMITS_END);
    /* One after the time was over anyway asks; it does not end. */
    limits = limits_of(10, 10000);
    ae_limits_ask(&limits, START + 10);
    ae_limits_signal(&limits, START + 1000);
    assert_int_equal(ae_limits_look(&limits, START + 1000), AE_LIMITS_ASK);
    ae_limits_signal(&limits, START + 2000);
    assert_int_equal(ae_limits_look(&limits, START + 2000), AE_LIMITS_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_counts_from_quiet_within_its_bound),
        cmocka_unit_test(what_we_take_ourselves_is_no_part_of_it),
        cmocka_unit_test(signals_ask_and_then_end),
    };

    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
