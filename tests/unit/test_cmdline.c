/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "machine/isolation.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void words_are_split_as_the_kernel_splits_them(void **state)
{
    static const char *const expected[][2] = {
        {"root", "UUID=1 2"}, {"quiet", NULL}, {"dyndbg", "file a.c +p; b"}, {"a-b", ""}};
    const char *at = " root=\"UUID=1 2\"\tquiet \"dyndbg=file a.c +p; b\"  a-b= -- init=x";
    struct ae_cmdline_word word;

    (void)state;
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_true(ae_cmdline_next(&at, &word));
        assert_int_equal(word.name_length, strlen(expected[i][0]));
        assert_memory_equal(word.name, expected[i][0], word.name_length);
        if (!expected[i][1]) {
            assert_null(word.value);
            continue;
        }
        assert_int_equal(word.value_length, strlen(expected[i][1]));
        assert_memory_equal(word.value, expected[i][1], word.value_length);
    }
    assert_false(ae_cmdline_next(&at, &word));
}

/* Longer than any buffer for a name. */
#define TEN  "0123456789"
#define LONG TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void merging_appends_only_what_is_missing(void **state)
{
    static const struct {
        const char *cmdline, *parameters, *expected;
    } cases[] = {
        {"", "a=1 b", "a=1 b"},
        {"ro quiet", "nohz_full=2-3", "ro quiet nohz_full=2-3"},
        {"ro  \"x=a b\"  ", "b", "ro  \"x=a b\" b  "},
        {"ro a=1 b", "b a=1", "ro a=1 b"},
        {"ro nohz-full=1", "nohz_full=1", "ro nohz-full=1"},
        {"ro -- single", "a=1", "ro a=1 -- single"},
        {"-- single", "a=1", "a=1 -- single"},
        {"a=\"1\"", "a=1", "a=\"1\""},
        {"hugepagesz=1G hugepages=2", "hugepagesz=2M hugepages=2",
         "hugepagesz=1G hugepages=2 hugepagesz=2M hugepages=2"},
        {"ro " LONG "=1", LONG "=1", "ro " LONG "=1"},
        {"ro", LONG "=1", "ro " LONG "=1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ae_error err;
        char *merged, *again;

        assert_int_equal(ae_cmdline_merge(cases[i].cmdline, cases[i].parameters, &merged, &err), 0);
        assert_string_equal(merged, cases[i].expected);
        assert_int_equal(ae_cmdline_merge(merged, cases[i].parameters, &again, &err), 0);
        assert_string_equal(again, merged);
        free(again);
        free(merged);
    }
}

static void removing_undoes_merging_byte_for_byte(void **state)
{
    static const char *const lines[] = {"",
                                        "ro quiet",
                                        "ro  \"x=a b\"  y",
                                        "ro -- single",
                                        " lead",
                                        "root=UUID=1 ro   console=ttyS0,115200n8\tquiet "};

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        char *merged, *left;

        assert_int_equal(ae_cmdline_merge(lines[i], "nohz_full=1 isolcpus=1", &merged, NULL), 0);
        assert_int_equal(ae_cmdline_remove(merged, "nohz_full=1 isolcpus=1", &left, NULL), 0);
        assert_string_equal(left, lines[i]);
        free(merged);
        free(left);
    }
}

static void removing_leaves_other_values_alone(void **state)
{
    char *left;

    (void)state;
    assert_int_equal(ae_cmdline_remove("a=1 a=2 b -- a=1", "a=1 c", &left, NULL), 0);
    assert_string_equal(left, "a=2 b -- a=1");
    free(left);
}

static void what_cannot_be_edited_is_refused(void **state)
{
    char *long_line = malloc(AE_CMDLINE_SIZE), *merged;
    struct ae_error err;

    (void)state;
    assert_int_equal(ae_cmdline_merge("a=\"b", "c", &merged, &err), -EINVAL);
    assert_non_null(strstr(err.text, "double quote"));
    assert_int_equal(ae_cmdline_merge("a=\x01", "c", &merged, &err), -EINVAL);
    assert_int_equal(ae_cmdline_merge("isolcpus=7", "isolcpus=2", &merged, &err), -EEXIST);
    assert_non_null(strstr(err.text, "isolcpus=7"));
    assert_non_null(strstr(err.text, "isolcpus=2"));
    memset(long_line, 'x', AE_CMDLINE_SIZE - 1);
    long_line[AE_CMDLINE_SIZE - 1] = '\0';
    assert_int_equal(ae_cmdline_merge(long_line, "c", &merged, &err), -E2BIG);
    free(long_line);
}

static void isolation_is_what_the_kernel_makes_of_it(void **state)
{
    enum { N = AE_ISOLATION_NOHZ_FULL, D = AE_ISOLATION_DOMAIN, M = AE_ISOLATION_MANAGED_IRQ };
    static const struct {
        const char *cmdline;
        const char *nohz, *domain, *managed; /* NULL: not named */
        unsigned refused, strange;
    } lines[] = {
        {"ro", NULL, NULL, NULL, 0, 0},
        {"nohz_full=4-N isolcpus=managed_irq,domain,4-N", "4-15", "4-15", "4-15", 0, 0},
        {"isolcpus=2-3", NULL, "2-3", NULL, 0, 0},
        {"isolcpus=domain,managed_irq,2-3", NULL, "2-3", "2-3", 0, 0},
        {"isolcpus=managed_irq,2-3", NULL, NULL, "2-3", 0, 0},
        {"isolcpus=nosuch,domain,2-3", NULL, "2-3", NULL, 0, 0},
        {"isolcpus=no-such,domain,2-3", NULL, NULL, NULL, 0, 0},
        {"isolcpus=managed_irq,2-5 isolcpus=domain,2-5", NULL, "2-5", "2-5", 0, 0},
        {"isolcpus=domain,2-5 isolcpus=domain,managed_irq,2-4", NULL, "2-5", NULL, 1 << D | 1 << M,
         0},
        {"isolcpus=nohz,domain,2-3", "2-3", "2-3", NULL, 0, 0},
        {"nohz_full=2 isolcpus=nohz,3", "2", NULL, NULL, 1 << N, 0},
        {"nohz-full=2,3", "2-3", NULL, NULL, 0, 0},
        {"\"isolcpus=domain,2-5\" nohz_full=\"2-5\"", "2-5", "2-5", NULL, 0, 0},
        {"nohz_full=1 nohz_full=2-3", "1", NULL, NULL, 1 << N, 0},
        {"nohz_full=2- isolcpus=x,3-1", NULL, NULL, NULL, 0, 1 << N | 1 << D},
        {"quiet -- nohz_full=2-3", NULL, NULL, NULL, 0, 0},
        {"nohz_full isolcpus", NULL, NULL, NULL, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        const char *expected[] = {lines[i].nohz, lines[i].domain, lines[i].managed};
        struct ae_isolation isolation;

        ae_isolation_parse(&isolation, lines[i].cmdline, 15);
        for (unsigned kind = N; kind <= M; kind++) {
            char text[64];

            if (!(isolation.named & 1u << kind) != !expected[kind])
                fail_msg("%s: kind %u", lines[i].cmdline, kind);
            ae_cpus_show(&isolation.cpus[kind], text, sizeof(text));
            assert_string_equal(text, expected[kind] ? expected[kind] : "");
        }
        if (isolation.refused != lines[i].refused || isolation.strange != lines[i].strange)
            fail_msg("%s: refused %x, strange %x", lines[i].cmdline, isolation.refused,
                     isolation.strange);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_split_as_the_kernel_splits_them),
        cmocka_unit_test(merging_appends_only_what_is_missing),
        cmocka_unit_test(removing_undoes_merging_byte_for_byte),
        cmocka_unit_test(removing_leaves_other_values_alone),
        cmocka_unit_test(what_cannot_be_edited_is_refused),
        cmocka_unit_test(isolation_is_what_the_kernel_makes_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
