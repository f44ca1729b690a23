/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aether/clock.h>

#include "base/cpus.h"
#include "base/error.h"
#include "base/root.h"

static char directory[] = "/tmp/aether-base-XXXXXX";

static int make_root(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    return ae_root_set(directory);
}

static int remove_root(void **state)
{
    (void)state;
    ae_root_set(NULL);
    return rmdir(directory);
}

static void an_error_says_what_and_where(void **state)
{
    struct ae_error err;

    (void)state;
    assert_int_equal(ae_error_set(&err, -ENOENT, "reading %s", "x"), -ENOENT);
    assert_string_equal(err.text, "reading x");
    assert_int_equal(ae_error_prefix(&err, err.code, "port %d", 3), -ENOENT);
    assert_string_equal(err.text, "port 3: reading x");
    assert_int_equal(ae_error_set(NULL, -EIO, "nobody listens"), -EIO);
}

static void a_long_error_is_cut(void **state)
{
    struct ae_error err;
    char text[2 * AE_ERROR_TEXT];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    ae_error_set(&err, -EIO, "%s", text);
    assert_int_equal(strlen(err.text), AE_ERROR_TEXT - 1);
    ae_error_prefix(&err, -EIO, "%s", text);
    assert_int_equal(strlen(err.text), AE_ERROR_TEXT - 1);
}

static void cpu_lists_round_trip(void **state)
{
    static const struct {
        const char *in, *out;
        unsigned count;
    } cases[] = {
        {"", "", 0},          {"(null)", "", 0},     {"0", "0", 1},
        {"3,1,2", "1-3", 3},  {"0-0,8191", "0,8191", 2}, {"63-64", "63-64", 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ae_cpus cpus;
        char text[64];

        assert_int_equal(ae_cpus_parse(&cpus, cases[i].in), 0);
        assert_int_equal(ae_cpus_count(&cpus), cases[i].count);
        assert_true(ae_cpus_format(&cpus, text, sizeof(text)) >= 0);
        assert_string_equal(text, cases[i].out);
    }
}

static void bad_cpu_lists_are_refused(void **state)
{
    static const char *const bad[] = {"x", "1,", ",1", "2-1", "-1", "1-", "1 2", "8192", "0-8192",
                                      "99999999999999999999"};
    struct ae_cpus cpus;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_true(ae_cpus_parse(&cpus, bad[i]) < 0);
}

static void a_cpu_list_that_does_not_fit_is_an_error(void **state)
{
    struct ae_cpus cpus;
    char text[4];

    (void)state;
    ae_cpus_parse(&cpus, "10,20");
    assert_int_equal(ae_cpus_format(&cpus, text, sizeof(text)), -ENOSPC);
}

static void cpu_masks_round_trip(void **state)
{
    static const struct {
        const char *mask, *list, *out;
        unsigned width;
    } cases[] = {
        {"f", "0-3", "0000000f", 4},
        {"3,00000000", "32-33", "00000003,00000000", 2},
        {"00000000,00000001", "0", "00000000,00000001", 64},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ae_cpus cpus, same;
        char text[64];

        assert_int_equal(ae_cpus_parse_mask(&cpus, cases[i].mask), 0);
        assert_int_equal(ae_cpus_parse(&same, cases[i].list), 0);
        assert_true(ae_cpus_equal(&cpus, &same));
        assert_true(ae_cpus_format_mask(&cpus, cases[i].width, text, sizeof(text)) > 0);
        assert_string_equal(text, cases[i].out);
    }
}

static void bad_cpu_masks_are_refused(void **state)
{
    static const char *const bad[] = {"", "x", "1,", ",1", "123456789", "1 2"};
    struct ae_cpus cpus;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_true(ae_cpus_parse_mask(&cpus, bad[i]) < 0);
}

static void cpu_sets_subtract_keep_and_join(void **state)
{
    struct ae_cpus a, b;
    char text[32];

    (void)state;
    ae_cpus_parse(&a, "0-5,100");
    ae_cpus_parse(&b, "4-7");
    ae_cpus_subtract(&a, &b);
    ae_cpus_format(&a, text, sizeof(text));
    assert_string_equal(text, "0-3,100");
    ae_cpus_join(&a, &b);
    ae_cpus_keep(&a, &b);
    assert_true(ae_cpus_equal(&a, &b));
    assert_true(ae_cpus_within(&a, &b));
    ae_cpus_add(&a, 9);
    assert_false(ae_cpus_within(&a, &b));
}

static int collect(const char *path, void *context)
{
    strcat(strcat(context, path), " ");
    return 0;
}

static void a_pattern_finds_what_matches_below_the_root(void **state)
{
    char found[256] = "";

    (void)state;
    ae_root_make_directory("/g/eth0/queues");
    ae_root_make_directory("/g/eth1");
    ae_root_replace("/g/eth0/queues/rx-0", "1");
    ae_root_replace("/g/eth0/queues/rx-1", "1");
    ae_root_replace("/g/eth0/queues/tx-0", "1");
    assert_int_equal(ae_root_glob("/g/*/queues/rx-*", collect, found), 0);
    assert_string_equal(found, "/g/eth0/queues/rx-0 /g/eth0/queues/rx-1 ");
    assert_int_equal(ae_root_glob("/nothing/*", collect, found), 0);
    ae_root_remove("/g/eth0/queues/rx-0");
    ae_root_remove("/g/eth0/queues/rx-1");
    ae_root_remove("/g/eth0/queues/tx-0");
    ae_root_remove("/g/eth0/queues");
    ae_root_remove("/g/eth0");
    ae_root_remove("/g/eth1");
    ae_root_remove("/g");
}

static void files_live_below_the_root(void **state)
{
    char text[8], *all;
    uint64_t value;

    (void)state;
    assert_int_equal(ae_root_make_directory("/sys/a"), 0);
    assert_int_equal(ae_root_replace("/sys/a/b", "42\n"), 0);
    assert_int_equal(ae_root_read("/sys/a/b", text, sizeof(text)), 2);
    assert_string_equal(text, "42");
    assert_int_equal(ae_root_read_u64("/sys/a/b", &value), 0);
    assert_int_equal(value, 42);
    assert_int_equal(ae_root_write("/sys/a/b", "0x1f"), 0);
    assert_int_equal(ae_root_read_u64("/sys/a/b", &value), 0);
    assert_int_equal(value, 31);
    assert_int_equal(ae_root_write("/sys/a/b", "1x"), 0);
    assert_int_equal(ae_root_read_u64("/sys/a/b", &value), -EINVAL);
    assert_int_equal(ae_root_read("/sys/a/b", text, 2), -EFBIG);
    assert_int_equal(ae_root_read_all("/sys/a/b", &all), 2);
    free(all);
    assert_int_equal(ae_root_write("/sys/a/none/b", ""), -ENOENT);
    assert_int_equal(ae_root_remove("/sys/a/b"), 0);
    assert_int_equal(ae_root_remove("/sys/a/b"), 0);
    assert_int_equal(ae_root_remove("/sys/a"), 0);
    assert_int_equal(ae_root_remove("/sys"), 0);
}

static void the_clock_agrees_with_the_kernel(void **state)
{
    struct ae_error err;
    uint64_t ns = 123456789;

    (void)state;
    assert_int_equal(ae_clock_calibrate(&err), 0);
    assert_true(ae_clock_hz() > 1000000);
    /* Two conversions, each rounding down by less than one unit. */
    assert_in_range(ae_clock_to_ns(ae_clock_from_ns(ns)), ns - 1000, ns);
    assert_true(ae_clock_ticks() <= ae_clock_ticks());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_says_what_and_where),
        cmocka_unit_test(a_long_error_is_cut),
        cmocka_unit_test(cpu_lists_round_trip),
        cmocka_unit_test(bad_cpu_lists_are_refused),
        cmocka_unit_test(a_cpu_list_that_does_not_fit_is_an_error),
        cmocka_unit_test(cpu_masks_round_trip),
        cmocka_unit_test(bad_cpu_masks_are_refused),
        cmocka_unit_test(cpu_sets_subtract_keep_and_join),
        cmocka_unit_test(a_pattern_finds_what_matches_below_the_root),
        cmocka_unit_test(files_live_below_the_root),
        cmocka_unit_test(the_clock_agrees_with_the_kernel),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
