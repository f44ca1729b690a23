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
#include "base/digest.h"
#include "base/error.h"
#include "base/root.h"
#include "base/text.h"

static char directory[] = "/tmp/aether-base-XXXXXX";

static int make_root(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    return ae_root_set(directory);
}

static void a_list_is_read_as_the_kernel_reads_it(void **state)
{
    static const struct {
        const char *list, *means;
    } lists[] = {
        {"0-1,4", "0-1,4"},
        {"2-N", "2-15"},
        {"N", "15"},
        {"all", "0-15"},
        {"ALL:1/2", "0,2,4,6,8,10,12,14"},
        {"2-5:2/4", "2-3"},
        {"0-15:1/4", "0,4,8,12"},
        {"1-N:3/4,0", "0-3,5-7,9-11,13-15"},
        {"5,4,3", "3-5"},
        {"3-3", "3"},
        {"", ""},
    };
    static const char *const wrong[] = {"x",           "3-2",     "1-",    "-1",    "1,,",
                                        "2-5:3/2",     "2-5:1/0", "2-5:1", "2:1/2", "8192",
                                        "99999999999", "Nx",      "1 2",   "all,",  "1-4:/2"};
    struct ae_cpus cpus;
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        assert_int_equal(ae_cpus_parse_kernel(&cpus, lists[i].list, 15), 0);
        assert_true(ae_cpus_format(&cpus, text, sizeof(text)) >= 0);
        assert_string_equal(text, lists[i].means);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (ae_cpus_parse_kernel(&cpus, wrong[i], 15) >= 0)
            fail_msg("%s is a list", wrong[i]);
    assert_true(ae_cpus_parse(&cpus, "2-N") < 0); /* where nobody said what N is */
    assert_true(ae_cpus_parse(&cpus, "all") < 0);
}

static void a_list_for_people_never_lies(void **state)
{
    struct ae_cpus cpus;
    char text[64], whole[AE_CPUS_TEXT];

    (void)state;
    ae_cpus_clear(&cpus);
    for (unsigned cpu = 1; cpu < AE_CPUS_MAX; cpu += 2)
        ae_cpus_add(&cpus, cpu);
    assert_true(ae_cpus_format(&cpus, whole, sizeof(whole)) > 0);
    assert_string_equal(ae_cpus_show(&cpus, text, 40), "1,3,5,7,9,11,13,15,17,... (4096 CPUs)");
    for (size_t size = 32; size <= sizeof(text); size++) {
        size_t length = strspn(ae_cpus_show(&cpus, text, size), "0123456789,");

        assert_true(strlen(text) < size);
        assert_int_equal(text[length - 1], ',');
        assert_memory_equal(text, whole, length);
    }
    ae_cpus_parse(&cpus, "2-3,5");
    assert_string_equal(ae_cpus_show(&cpus, text, 6), "2-3,5");
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

static void what_others_wrote_is_shown_without_effect(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {"kworker/1:2-events", "kworker/1:2-events"},
        {"Gr\u00fc\u00dfe, \u65e5\u672c, \U0001f600", "Gr\u00fc\u00dfe, \u65e5\u672c, \U0001f600"},
        {"\x1b[2J\x1b]0;x\a", "?[2J?]0;x?"},
        {"all is well\n\nSIGNED", "all is well  SIGNED"},
        {"a\r\tb\vc\x7f"
         "d",
         "a  b?c?d"},
        {"\xc2\x9b"
         "31m",
         "?31m"}, /* CSI of C1 as UTF-8 */
        {"\x9b"
         "31m \x85",
         "?31m ?"}, /* and as a byte */
        {"\u202egnp.exe \u2066x\u2069", "?gnp.exe ?x?"},
        {"a\u200bb\ufeffc\U000e0041", "a?b?c?"},
        {"\u2028x\u2029", "?x?"},
        {"\xc0\x9b \xe0\x82\x9b", "?? ???"},           /* what is not the shortest form */
        {"\xed\xa0\x80 \xf4\x90\x80\x80", "??? ????"}, /* half a pair; behind the last one */
        {"\xe6\x97", "??"},                            /* cut in the middle */
        {"\xff\xfe", "??"},
    };
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(AE_TEXT(cases[i].in), cases[i].out);
        strcpy(text, cases[i].in); /* in place */
        assert_string_equal(ae_text_shown(text, sizeof(text), text), cases[i].out);
    }
    assert_string_equal(AE_TEXT(NULL), "");
}

static void what_others_wrote_has_an_end(void **state)
{
    static char text[4096];
    char shown[9];

    (void)state;
    assert_string_equal(ae_text_shown(shown, sizeof(shown), "12345678"), "12345678");
    assert_string_equal(ae_text_shown(shown, sizeof(shown), "123456789"), "12345...");
    /* Never half a character. */
    assert_string_equal(ae_text_shown(shown, sizeof(shown), "1\u65e5\u672c\u672c"), "1\u65e5...");
    assert_string_equal(ae_text_shown(shown, sizeof(shown), "\u00fc\u00fc\u00fc\u00fc\u00fc"),
                        "\u00fc\u00fc...");
    assert_string_equal(ae_text_shown(shown, 3, "1234"), "12");
    assert_string_equal(ae_text_shown(shown, 1, "1234"), "");
    memset(text, 'x', sizeof(text) - 1);
    assert_int_equal(strlen(AE_TEXT(text)), AE_TEXT_SHOWN - 1);
}

static void an_error_is_one_plain_line(void **state)
{
    struct ae_error err;

    (void)state;
    ae_error_set(&err, -EIO, "in use by %s",
                 "\x1b[8m\xc2\x9b"
                 "2J\nok");
    assert_string_equal(err.text, "in use by ?[8m?2J ok");
    ae_error_prefix(&err, -EIO, "%s", "a\nb\x7f");
    assert_string_equal(err.text, "a b?: in use by ?[8m?2J ok");
}

static void digest_is(const void *data, size_t length, const char *expected)
{
    uint8_t result[AE_DIGEST_BYTES];
    char text[AE_DIGEST_TEXT];
    struct ae_digest digest;

    /* In two pieces, cut anywhere. */
    for (size_t cut = 0; cut <= length; cut += 1 + length / 50) {
        ae_digest_begin(&digest);
        ae_digest_add(&digest, data, cut);
        ae_digest_add(&digest, (const char *)data + cut, length - cut);
        ae_digest_end(&digest, result);
        ae_digest_text(result, sizeof(result), text);
        assert_string_equal(text, expected);
    }
}

/* FIPS 180-4's own examples, and RFC 4231's of HMAC. */
static void digests_are_those_of_the_standard(void **state)
{
    static char million[1000000];
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    uint8_t result[AE_DIGEST_BYTES];
    char text[AE_DIGEST_TEXT];

    (void)state;
    memset(million, 'a', sizeof(million));
    digest_is("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    digest_is("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_is(two_blocks, strlen(two_blocks),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    digest_is(million, sizeof(million),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    ae_digest_hmac("Jefe", 4, "what do ya want for nothing?", 28, result);
    ae_digest_text(result, sizeof(result), text);
    assert_string_equal(text, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void cpu_lists_round_trip(void **state)
{
    static const struct {
        const char *in, *out;
        unsigned count;
    } cases[] = {
        {"", "", 0},         {"(null)", "", 0},         {"0", "0", 1},
        {"3,1,2", "1-3", 3}, {"0-0,8191", "0,8191", 2}, {"63-64", "63-64", 2},
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
    static const char *const bad[] = {"x",  "1,",  ",1",   "2-1",    "-1",
                                      "1-", "1 2", "8192", "0-8192", "99999999999999999999"};
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
        cmocka_unit_test(what_others_wrote_is_shown_without_effect),
        cmocka_unit_test(what_others_wrote_has_an_end),
        cmocka_unit_test(an_error_is_one_plain_line),
        cmocka_unit_test(digests_are_those_of_the_standard),
        cmocka_unit_test(cpu_lists_round_trip),
        cmocka_unit_test(bad_cpu_lists_are_refused),
        cmocka_unit_test(a_cpu_list_that_does_not_fit_is_an_error),
        cmocka_unit_test(a_list_is_read_as_the_kernel_reads_it),
        cmocka_unit_test(a_list_for_people_never_lies),
        cmocka_unit_test(cpu_masks_round_trip),
        cmocka_unit_test(bad_cpu_masks_are_refused),
        cmocka_unit_test(cpu_sets_subtract_keep_and_join),
        cmocka_unit_test(a_pattern_finds_what_matches_below_the_root),
        cmocka_unit_test(files_live_below_the_root),
        cmocka_unit_test(the_clock_agrees_with_the_kernel),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
