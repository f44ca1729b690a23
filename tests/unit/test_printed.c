/* SPDX-License-Identifier: Apache-2.0 */

/* What workers print, within bounds. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../cli/printed.h"
#include "repeated.h"

static json_t *parsed(const char *text, unsigned workers)
{
    char *copy = strdup(text);
    json_t *value = cli_printed_parse(copy, strlen(copy), workers);

    free(copy);
    return value;
}

static void check(const char *text, unsigned workers, const char *expected)
{
    json_t *value = parsed(text, workers);
    char *got = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

    if (!expected)
        assert_null(got);
    else
        assert_string_equal(got, expected);
    free(got);
    json_decref(value);
}

static void values_and_texts(void **state)
{
    (void)state;
    check("", 1, NULL);
    check("{\"a\": 1}\n", 1, "{\"a\":1}");
    check("{\"a\": 1}\n", 2, "[{\"a\":1}]");
    check("{\"a\": 1}\n[2]", 1, "[{\"a\":1},[2]]");
    check("hello\n", 1, "\"hello\\n\"");
    check("a\xff\x80z", 1, "\"a??z\"");
    check("\x1b[2J", 1, "\"\\u001B[2J\"");
}

/* What would cost far more than its length stays text. */
static void over_budget(void **state)
{
    static const struct {
        const char *first, *part;
        size_t times;
        const char *middle, *end, *last;
    } cases[] = {
        {"", "[", 33, "", "]", ""},         {"", "{\"a\":", 33, "1", "}", ""},
        {"[", "[],", 65536, "[]", "", "]"}, {"[", "\"\",", 65536, "\"\"", "", "]"},
        {"[", "[1],", 40000, "1", "", "]"}, {"[", "1,", 70000, "1", "", "]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = repeated(cases[i].first, cases[i].part, cases[i].times, cases[i].middle,
                              cases[i].end, cases[i].last);
        json_t *value = parsed(text, 1);

        assert_true(json_is_string(value));
        json_decref(value);
        free(text);
    }
    /* Brackets in a text are none. */
    check("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[\"]", 1,
          "[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[\"]");
}

static struct cli_printed capture;

static void begin(void)
{
    assert_int_equal(cli_printed_begin(&capture, "test"), 0);
}

static json_t *end(void)
{
    json_t *value;

    fflush(stdout);
    value = cli_printed_end(&capture, 1);
    return value;
}

static void the_file_ends(void **state)
{
    char block[4096];
    size_t written = 0;
    ssize_t done;
    json_t *value;

    (void)state;
    memset(block, 'x', sizeof(block));
    begin();
    while ((done = write(STDOUT_FILENO, block, sizeof(block))) > 0)
        written += (size_t)done;
    assert_int_equal(errno, EPERM);
    value = end();
    assert_true(capture.cut);
    assert_true(written < CLI_PRINTED_MOST + 65536 + 4096);
    assert_int_equal(json_string_length(value), CLI_PRINTED_MOST);
    json_decref(value);
}

static void nobody_makes_it_longer_or_shorter(void **state)
{
    json_t *value;

    (void)state;
    begin();
    assert_int_equal(ftruncate(STDOUT_FILENO, 1 << 30), -1);
    assert_int_equal(ftruncate(STDOUT_FILENO, 0), -1);
    assert_int_equal(pwrite(STDOUT_FILENO, "x", 1, 1 << 30), -1);
    assert_int_equal(write(STDOUT_FILENO, "[1]", 3), 3);
    value = end();
    assert_false(capture.cut);
    assert_true(json_is_array(value));
    json_decref(value);
}

/* Wherever a worker leaves the offset, a hole it punches, a file it reopens. */
static void offsets_are_its_own_affair(void **state)
{
    json_t *value;
    int again;

    (void)state;
    begin();
    lseek(STDOUT_FILENO, 1 << 30, SEEK_SET);
    value = end();
    assert_null(value);
    assert_true(capture.cut);
    begin();
    assert_int_equal(write(STDOUT_FILENO, "text", 4), 4);
    fallocate(STDOUT_FILENO, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
    again = open("/proc/self/fd/1", O_WRONLY | O_TRUNC);
    if (again >= 0)
        close(again);
    value = end();
    assert_null(value);
    assert_false(capture.cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_texts),
        cmocka_unit_test(over_budget),
        cmocka_unit_test(the_file_ends),
        cmocka_unit_test(nobody_makes_it_longer_or_shorter),
        cmocka_unit_test(offsets_are_its_own_affair),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
