/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "partition/boot/grub_file.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void assignments_mean_what_a_shell_makes_of_them(void **state)
{
    static const struct {
        const char *text, *value;
        bool unknown;
    } cases[] = {
        {"X=quiet", "quiet", false},
        {"X=\"quiet splash\"\n", "quiet splash", false},
        {"X='a \"b\" $c'", "a \"b\" $c", false},
        {"X=a\"b c\"'d e'f", "ab cd ef", false},
        {"A=1 # why\nX=\"$A ${A}2 $B.\"", "1 12 .", false},
        {"X=a\nX=\"$X b\"\nX+=c", "a bc", false},
        {"X=\"a\\\"b\\$c\\d\"", "a\"b$c\\d", false},
        {"X=a\\ b", "a b", false},
        {"X=\"a\\\nb\"", "ab", false},
        {"export X=1; Y=2", "1", false},
        {"X=1\nexport X Y", "1", false},
        {"X=`lsb_release -i 2>/dev/null || echo Debian`", "", true},
        {"X=\"a $(cat /x (y)) b\"", "a  b", true},
        {"X=${Y:-z}", "z", false},
        {"Y=a\nX=\"${Y:+$Y }b\"", "a b", false},
        {"X=\"${Y:+$Y }b\"", "b", false},
        {"Y=\nX=${Y:-\"p q\"}${Y-r}", "p q", false},
        {"X=${Y##z}", "", true},
        {"X=${Y:?z}", "", true},
        {"Y=$(date)\nX=\"$Y\"", "", true},
        {"X=\nX=\"$X\"", "", false},
        {"X=\"never closed", "never closed", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ae_grub_variables variables = {0};
        const struct ae_grub_variable *x;

        assert_int_equal(ae_grub_run(&variables, cases[i].text), 0);
        x = ae_grub_get(&variables, "X");
        assert_non_null(x);
        assert_string_equal(x->value, cases[i].value);
        assert_int_equal(x->unknown, cases[i].unknown);
        assert_int_equal(variables.strange_line, 0);
        ae_grub_free(&variables);
    }
}

static void what_is_no_assignment_is_reported_by_its_line(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
    } cases[] = {
        {"# a\n\n  # b\nX=1\n", 0},
        {"X=1\nif [ -e /x ]; then\n  X=2\nfi\n", 2},
        {"X=\"a\nb\"\n. /etc/more\n", 3},
        {"X = 1\n", 1},
        {"X=1 && Y=2", 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ae_grub_variables variables = {0};

        assert_int_equal(ae_grub_run(&variables, cases[i].text), 0);
        assert_int_equal(variables.strange_line, cases[i].line);
        ae_grub_free(&variables);
    }
}

static void too_many_variables_are_an_error(void **state)
{
    struct ae_grub_variables variables = {0};
    int rc = 0;

    (void)state;
    for (int i = 0; !rc && i <= AE_GRUB_VARIABLES; i++) {
        char line[16];

        snprintf(line, sizeof(line), "V%d=1", i);
        rc = ae_grub_run(&variables, line);
    }
    assert_int_equal(rc, -7); /* -E2BIG */
    assert_int_equal(variables.count, AE_GRUB_VARIABLES);
    ae_grub_free(&variables);
}

/* Doubled at each line of a short file, a value would soon fill the memory. */
static void a_value_that_grows_and_grows_is_an_error(void **state)
{
    struct ae_grub_variables variables = {0};
    int rc;

    (void)state;
    assert_int_equal(ae_grub_run(&variables, "V=x"), 0);
    for (int i = 0; i < 16; i++)
        assert_int_equal(ae_grub_run(&variables, "V=$V$V"), 0);
    rc = ae_grub_run(&variables, "V=$V$V");
    assert_int_equal(rc, -7); /* -E2BIG */
    assert_int_equal(strlen(ae_grub_get(&variables, "V")->value), AE_GRUB_VALUE);
    ae_grub_free(&variables);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(assignments_mean_what_a_shell_makes_of_them),
        cmocka_unit_test(what_is_no_assignment_is_reported_by_its_line),
        cmocka_unit_test(a_value_that_grows_and_grows_is_an_error),
        cmocka_unit_test(too_many_variables_are_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
