/* SPDX-License-Identifier: Apache-2.0 */

/* A log's writer and readers in one process, beside printf. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aether/clock.h>

#include "worker/log.h"

#define RECORDS 64

static void *memory;
static struct ae_log writer;
static struct ae_log_reader reader;
static struct ae_log_line line;
static struct ae_error err;

static int make_log(void **state)
{
    (void)state;
    memory = aligned_alloc(128, (ae_log_size(RECORDS) + 127) / 128 * 128);
    if (!memory)
        return -1;
    memset(memory, 0, ae_log_size(RECORDS));
    return ae_log_create(memory, RECORDS, AE_LOG_DEBUG, &err) ||
           ae_log_open(&writer, memory, ae_log_size(RECORDS), &err) ||
           ae_log_open_reader(&reader, memory, ae_log_size(RECORDS), 0, &err);
}

static int free_log(void **state)
{
    (void)state;
    free(memory);
    return 0;
}

/* What a reader makes of it is what printf does. */
#define AS_PRINTF(...)                                     \
    do {                                                   \
        char expected[512];                                \
        snprintf(expected, sizeof(expected), __VA_ARGS__); \
        AE_LOG(&writer, AE_LOG_INFO, __VA_ARGS__);         \
        assert_true(ae_log_read(&reader, &line));          \
        assert_string_equal(line.text, expected);          \
        assert_int_equal(line.level, AE_LOG_INFO);         \
    } while (0)

static void lines_are_as_printf_has_them(void **state)
{
    const char *volatile none = NULL;

    (void)state;
    AS_PRINTF("plain");
    AS_PRINTF("100 %% of it, %d%%", 7);
    AS_PRINTF("%d %i %d", -1, INT32_MIN, INT32_MAX);
    AS_PRINTF("%u %x %X %o %#x", UINT32_MAX, 0xbeefu, 0xbeefu, 8u, 1u);
    AS_PRINTF("%hhd %hhu %hd %hu", (signed char)-3, (unsigned char)200, (short)-5,
              (unsigned short)60000);
    AS_PRINTF("%ld %lu %lld %llu", LONG_MIN, ULONG_MAX, LLONG_MIN, ULLONG_MAX);
    AS_PRINTF("%zu %zd %jd %td", SIZE_MAX, (ssize_t)-1, (intmax_t)-2, (ptrdiff_t)-3);
    AS_PRINTF("%" PRIu64 " %" PRIx64, UINT64_MAX, UINT64_C(1) << 63);
    AS_PRINTF("[%5d] [%-5d] [%05d] [%+d] [% d] [%.3d]", 42, 42, 42, 42, 42, 42);
    AS_PRINTF("%f %.2f %e %g %a", 1.5, 2.25, 1e10, 1e-5, 0.5);
    AS_PRINTF("%.99f", DBL_MAX);
    AS_PRINTF("%lf", 0.1);
    AS_PRINTF("%c%c", 'a', 'z');
    AS_PRINTF("%s and %s", "one", "");
    AS_PRINTF("[%10s] [%-10s] [%.2s]", "right", "left", "cut");
    AS_PRINTF("%p %p", (void *)memory, (void *)0);
    AS_PRINTF("%s, %d", "a string moves what is behind it", 9);
    AS_PRINTF("%d%d%d%d%d%d%d%d%d%d%d%d", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    AE_LOG(&writer, AE_LOG_INFO, "%s", none);
    assert_true(ae_log_read(&reader, &line));
    assert_string_equal(line.text, "(null)");
}

/* The writer makes lines of what no reader would. */
static void other_formats_are_rendered_by_the_writer(void **state)
{
    (void)state;
    AS_PRINTF("%*d", 8, 42);
    AS_PRINTF("%.*s", 2, "cut");
    AS_PRINTF("%Lf", 1.5L);
    AS_PRINTF("%123d", 1);
    AS_PRINTF("%d%d%d%d%d%d%d%d%d%d%d%d%d", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13);
}

static void places_are_named_and_known_once(void **state)
{
    struct ae_log_memory *shared = memory;

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        AE_LOG(&writer, AE_LOG_ERROR, "turn %u", i);
    assert_int_equal(shared->place_count, 1);
    assert_true(ae_log_read(&reader, &line));
    assert_non_null(strstr(line.place, "test_log.c:"));
    assert_int_equal(line.level, AE_LOG_ERROR);
    assert_string_equal(line.text, "turn 0");
}

static void more_places_than_there_is_room_for(void **state)
{
    (void)state;
    for (unsigned i = 0; i < AE_LOG_PLACES + 10; i++) {
        struct ae_log_site site = {.file = "many.c", .line = i, .level = AE_LOG_NOTICE};
        char expected[16];

        ae_log_write(&writer, &site, "place %u", i);
        snprintf(expected, sizeof(expected), "place %u", i);
        assert_true(ae_log_read(&reader, &line));
        assert_string_equal(line.text, expected);
        assert_int_equal(line.level, AE_LOG_NOTICE);
    }
}

static void long_strings_are_cut_and_what_has_no_room_is_marked(void **state)
{
    char text[300], expected[AE_LOG_STRING + 3];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[299] = '\0';
    memset(expected, 'x', AE_LOG_STRING);
    strcpy(expected + AE_LOG_STRING, "!");
    AE_LOG(&writer, AE_LOG_INFO, "%s!", text);
    assert_true(ae_log_read(&reader, &line));
    assert_string_equal(line.text, expected);
    AE_LOG(&writer, AE_LOG_INFO, "%s %s %s %s %s %d", text, text, text, text, text, 7);
    assert_true(ae_log_read(&reader, &line));
    assert_string_equal(line.text + strlen(line.text) - 2, " ?");
}

static void a_level_that_is_not_asked_for_is_not_logged(void **state)
{
    (void)state;
    writer.level = AE_LOG_WARNING;
    AE_LOG(&writer, AE_LOG_NOTICE, "no");
    assert_false(ae_log_read(&reader, &line));
    AE_LOG(&writer, AE_LOG_WARNING, "yes");
    assert_true(ae_log_read(&reader, &line));
}

static void a_slow_reader_is_told_what_it_lost(void **state)
{
    unsigned got = 0, last = 0;

    (void)state;
    for (unsigned i = 0; i < 10 * RECORDS; i++)
        AE_LOG(&writer, AE_LOG_INFO, "%u", i);
    while (ae_log_read(&reader, &line)) {
        last = (unsigned)strtoul(line.text, NULL, 10);
        got++;
    }
    assert_int_equal(last, 10 * RECORDS - 1);
    assert_int_equal(got + reader.records.lost, 10 * RECORDS);
    assert_true(reader.records.lost > 0);
}

static void nothing_steers_a_terminal(void **state)
{
    (void)state;
    AE_LOG(&writer, AE_LOG_INFO, "\033[2J%s%c", "\r\n\x7f", '\0');
    assert_true(ae_log_read(&reader, &line));
    for (const char *at = line.text; *at; at++)
        assert_true(*at >= ' ' && *at != 0x7f);
    ae_log_text(&writer, 1, "a\0b\n", 4);
    assert_true(ae_log_read(&reader, &line));
    assert_int_equal(line.stream, 1);
    assert_string_equal(line.text, "a?b");
}

static void a_successor_goes_on(void **state)
{
    struct ae_log second;

    (void)state;
    AE_LOG(&writer, AE_LOG_INFO, "first");
    assert_int_equal(ae_log_open(&second, memory, ae_log_size(RECORDS), &err), 0);
    AE_LOG(&second, AE_LOG_INFO, "second");
    assert_true(ae_log_read(&reader, &line) && ae_log_read(&reader, &line));
    assert_string_equal(line.text, "second");
}

static void streams_go_into_the_log(void **state)
{
    FILE *theirs = stdout, *errors = stderr;
    struct ae_log_streams *streams;
    char large[3000];

    (void)state;
    assert_int_equal(ae_log_take_streams(&streams, &writer), 0);
    printf("one %d\ntwo", 1);
    fprintf(stderr, "three\n");
    memset(large, 'x', sizeof(large));
    fwrite(large, 1, sizeof(large), stderr);
    ae_log_return_streams(streams);
    assert_ptr_equal(stdout, theirs);
    assert_ptr_equal(stderr, errors);
    assert_true(ae_log_read(&reader, &line));
    assert_string_equal(line.text, "one 1");
    assert_int_equal(line.stream, 1);
    assert_true(ae_log_read(&reader, &line));
    assert_string_equal(line.text, "three");
    assert_int_equal(line.stream, 2);
    for (size_t left = sizeof(large); left > 0; left -= strlen(line.text)) {
        assert_true(ae_log_read(&reader, &line));
        /* What had no end yet comes at the last. */
        if (line.stream == 1) {
            assert_string_equal(line.text, "two");
            line.text[0] = '\0';
        }
    }
}

static void what_is_no_log_is_not_read(void **state)
{
    struct ae_log_memory *shared = memory;

    (void)state;
    assert_int_equal(ae_log_open_reader(&reader, memory, sizeof(*shared) - 1, 0, &err), -EPROTO);
    assert_int_equal(ae_log_open_reader(&reader, memory, ae_log_size(RECORDS) - 1, 0, &err),
                     -EPROTO);
    shared->magic++;
    assert_int_equal(ae_log_open_reader(&reader, memory, ae_log_size(RECORDS), 0, &err), -EPROTO);
    assert_int_equal(ae_log_open(&writer, memory, ae_log_size(RECORDS), &err), -EPROTO);
    shared->magic--;
    shared->place_count = AE_LOG_PLACES + 1;
    assert_int_equal(ae_log_open(&writer, memory, ae_log_size(RECORDS), &err), -EPROTO);
}

/* A place that is none, a format that is none, records cut anywhere. */
static void a_hostile_writer_is_read_in_bounds(void **state)
{
    static const char *const formats[] = {"%n",  "%",   "%99999d", "%.99999s",
                                          "%*d", "%ls", "%s%s%s%s"};
    struct ae_log_memory *shared = memory;

    (void)state;
    AE_LOG(&writer, AE_LOG_INFO, "%s", "x");
    assert_true(ae_log_read(&reader, &line));
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        strcpy(shared->places[0].format, formats[i]);
        for (uint64_t word = 0; word < 3; word++) {
            struct ae_log_record record = {.words = {word ? UINT64_MAX / word : 0}};

            for (uint32_t length = 0; length <= sizeof(record); length += 7) {
                ae_broadcast_put(&writer.writer, &record, length);
                assert_true(ae_log_read(&reader, &line));
            }
        }
    }
    memset(shared->places[0].format, '%', sizeof(shared->places[0].format));
    ae_broadcast_put(&writer.writer, &(struct ae_log_record){0}, sizeof(struct ae_log_record));
    assert_true(ae_log_read(&reader, &line));
    ae_broadcast_put(&writer.writer, &(struct ae_log_record){.place = 77}, 24);
    assert_true(ae_log_read(&reader, &line));
    assert_string_equal(line.text, "a record of a place that nobody knows");
}

static void levels_have_names(void **state)
{
    enum ae_log_level level;

    (void)state;
    for (unsigned i = AE_LOG_ERROR; i <= AE_LOG_DEBUG; i++) {
        assert_int_equal(ae_log_level_parse(&level, ae_log_level_name(i)), 0);
        assert_int_equal(level, i);
    }
    assert_int_equal(ae_log_level_parse(&level, "loud"), -EINVAL);
    assert_string_equal(ae_log_level_name(99), "unknown");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_log, free_log)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_are_as_printf_has_them),
        TEST(other_formats_are_rendered_by_the_writer),
        TEST(places_are_named_and_known_once),
        TEST(more_places_than_there_is_room_for),
        TEST(long_strings_are_cut_and_what_has_no_room_is_marked),
        TEST(a_level_that_is_not_asked_for_is_not_logged),
        TEST(a_slow_reader_is_told_what_it_lost),
        TEST(nothing_steers_a_terminal),
        TEST(a_successor_goes_on),
        TEST(streams_go_into_the_log),
        TEST(what_is_no_log_is_not_read),
        TEST(a_hostile_writer_is_read_in_bounds),
        TEST(levels_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
