/* SPDX-License-Identifier: Apache-2.0 */

/* What a capture leaves in files: blocks as pcapng has them, and which files there are. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../cli/capture_files.h"
#include "../../cli/capture_filter.h"

#define SECOND UINT64_C(1000000000)

static uint32_t word_at(const uint8_t *bytes, size_t at)
{
    uint32_t word;

    memcpy(&word, bytes + at, sizeof(word));
    return word;
}

/* Of a block with a fixed part of so many bytes, the option's value; NULL: it has none. */
static const uint8_t *option(const uint8_t *block, size_t fixed, uint16_t code, uint16_t *length)
{
    size_t end = word_at(block, 4) - 4;

    for (size_t at = 8 + fixed; at < end;) {
        uint16_t head[2];

        memcpy(head, block + at, sizeof(head));
        if (head[0] == code) {
            *length = head[1];
            return block + at + 4;
        }
        at += 4 + (head[1] + 3u) / 4 * 4;
    }
    return NULL;
}

static void check_blocks(const uint8_t *bytes, size_t size, const uint32_t *types, unsigned count)
{
    size_t at = 0;

    for (unsigned i = 0; i < count; i++) {
        uint32_t length = word_at(bytes, at + 4);

        assert_int_equal(word_at(bytes, at), types[i]);
        assert_int_equal(length % 4, 0);
        assert_true(at + length <= size);
        assert_int_equal(word_at(bytes, at + length - 4), length);
        at += length;
    }
    assert_int_equal(at, size);
}

static void blocks_are_as_the_document_says(void **state)
{
    static const uint32_t types[] = {0x0a0d0d0a, 1, 6, 6, 5};
    const struct cli_pcapng_interface interface = {
        .name = "pair:one", .description = "run", .filter = "udp", .mac = {2}, .snaplen = 99};
    struct cli_pcapng_frame frame = {.ns = UINT64_C(0x123456789abcdef0),
                                     .length = 1514,
                                     .kept = 7,
                                     .bytes = (const uint8_t *)"abcdefgh",
                                     .sent = true,
                                     .queue = 3};
    const struct cli_pcapng_statistics statistics = {
        .begin_ns = UINT64_C(5) << 32 | 6, .end_ns = 8, .received = 10, .accepted = 9, .lost = 2};
    const uint8_t *block, *value;
    uint8_t *bytes;
    size_t size, written;
    uint16_t length;
    FILE *out = open_memstream((char **)&bytes, &size);

    (void)state;
    written = cli_pcapng_section(out, "a test");
    written += cli_pcapng_interface(out, &interface);
    written += cli_pcapng_frame(out, &frame);
    frame.sent = false;
    frame.kept = 8;
    written += cli_pcapng_frame(out, &frame);
    written += cli_pcapng_statistics(out, &statistics);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(written, size);
    check_blocks(bytes, size, types, 5);

    assert_int_equal(word_at(bytes, 8), 0x1a2b3c4d);
    block = bytes + word_at(bytes, 4);
    assert_int_equal(word_at(block, 8), 1);
    assert_int_equal(word_at(block, 12), 99);
    value = option(block, 8, 9, &length);
    assert_true(value && length == 1 && *value == 9);
    value = option(block, 8, 2, &length);
    assert_true(value && length == 8 && memcmp(value, "pair:one", 8) == 0);
    value = option(block, 8, 11, &length);
    assert_true(value && length == 4 && memcmp(value, "\0udp", 4) == 0);
    block += word_at(block, 4);
    assert_int_equal(word_at(block, 12), 0x12345678);
    assert_int_equal(word_at(block, 16), 0x9abcdef0);
    assert_int_equal(word_at(block, 20), 7);
    assert_int_equal(word_at(block, 24), 1514);
    assert_memory_equal(block + 28, "abcdefg", 8);
    value = option(block, 20 + 8, 2, &length);
    assert_true(value && word_at(value, 0) == 2);
    value = option(block, 20 + 8, 6, &length);
    assert_true(value && word_at(value, 0) == 3);
    block += word_at(block, 4);
    value = option(block, 20 + 8, 2, &length);
    assert_true(value && word_at(value, 0) == 1);
    block += word_at(block, 4);
    value = option(block, 12, 2, &length);
    assert_true(value && word_at(value, 0) == 5 && word_at(value, 4) == 6);
    value = option(block, 12, 7, &length);
    assert_true(value && length == 8 && word_at(value, 0) == 2);
    free(bytes);
}

/* Texts are other people's, and may be of any length. */
static void long_texts_are_cut(void **state)
{
    static const uint32_t types[] = {1};
    char *text = malloc(100000), *bytes;
    size_t size;
    FILE *out = open_memstream(&bytes, &size);
    struct cli_pcapng_interface interface = {.name = text, .description = text, .filter = text};

    (void)state;
    memset(text, 'x', 99999);
    text[99999] = '\0';
    cli_pcapng_interface(out, &interface);
    fclose(out);
    check_blocks((const uint8_t *)bytes, size, types, 1);
    free(bytes);
    free(text);
}

/* ---- Files ---- */

static char directory[] = "/tmp/test_pcapng_XXXXXX";
static const struct cli_pcapng_interface interface = {
    .name = "one", .description = "", .filter = "", .snaplen = 64};
static struct cli_pcapng_statistics statistics;
static struct cli_capture_files files;
static struct ae_error err;

static int make_directory(void **state)
{
    (void)state;
    memcpy(directory + sizeof(directory) - 7, "XXXXXX", 6);
    return !mkdtemp(directory) || chdir(directory);
}

static int is_seen(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static unsigned list(struct dirent ***entries)
{
    int count = scandir(".", entries, is_seen, alphasort);

    assert_true(count >= 0);
    return (unsigned)count;
}

static void drop(struct dirent **entries, unsigned count)
{
    while (count > 0)
        free(entries[--count]);
    free(entries);
}

static int remove_directory(void **state)
{
    struct dirent **entries;
    unsigned count = list(&entries);

    (void)state;
    for (unsigned i = 0; i < count; i++)
        unlink(entries[i]->d_name);
    drop(entries, count);
    return chdir("/") || rmdir(directory);
}

static void open_files(const char *path, struct cli_capture_limits limits)
{
    files = (struct cli_capture_files){.path = path,
                                       .application = "a test",
                                       .limits = limits,
                                       .interfaces = &interface,
                                       .statistics = &statistics,
                                       .interface_count = 1};
    if (cli_capture_files_open(&files, SECOND, &err))
        fail_msg("%s", err.text);
}

static void write_frames(unsigned count, uint64_t ns)
{
    static const uint8_t bytes[64];
    const struct cli_pcapng_frame frame = {.ns = ns, .length = 64, .kept = 64, .bytes = bytes};

    for (unsigned i = 0; i < count; i++)
        assert_int_equal(cli_capture_files_frame(&files, &frame, &err), 0);
}

static void the_last_files_of_a_ring_stay(void **state)
{
    struct dirent **entries;
    unsigned count;

    (void)state;
    open_files("ring.d.pcapng", (struct cli_capture_limits){.bytes = 1000, .files = 3});
    write_frames(100, SECOND);
    assert_int_equal(cli_capture_files_close(&files, 2 * SECOND, &err), 0);
    count = list(&entries);
    assert_int_equal(count, 3);
    for (unsigned i = 0; i < count; i++) {
        char expected[32];

        snprintf(expected, sizeof(expected), "ring.d_%05u_", files.number - 2 + i);
        assert_int_equal(strncmp(entries[i]->d_name, expected, strlen(expected)), 0);
        assert_string_equal(strrchr(entries[i]->d_name, '.'), ".pcapng");
    }
    drop(entries, count);
    assert_true(files.number > 10);
}

static void a_file_ends_with_its_time(void **state)
{
    struct dirent **entries;
    unsigned count;

    (void)state;
    open_files("time", (struct cli_capture_limits){.ns = SECOND});
    statistics.received = 1;
    write_frames(1, SECOND + SECOND / 2);
    assert_int_equal(files.number, 1);
    assert_int_equal(cli_capture_files_flush(&files, 2 * SECOND, &err), 0);
    assert_int_equal(files.number, 2);
    assert_int_equal(statistics.received, 0); /* each file has its own */
    write_frames(1, 3 * SECOND);
    assert_int_equal(cli_capture_files_close(&files, 4 * SECOND, &err), 0);
    count = list(&entries);
    drop(entries, count);
    assert_int_equal(count, 3);
    assert_int_equal(files.number, 3);
}

static void what_cannot_be_written_is_said(void **state)
{
    (void)state;
    files = (struct cli_capture_files){.path = "no/such", .interfaces = &interface};
    assert_int_equal(cli_capture_files_open(&files, 0, &err), -ENOENT);
    assert_non_null(strstr(err.text, "no/such: No such file"));
    assert_int_equal(cli_capture_files_close(&files, 0, &err), 0);
    open_files("/dev/full", (struct cli_capture_limits){0});
    write_frames(1, SECOND);
    assert_int_equal(cli_capture_files_flush(&files, SECOND, &err), -ENOSPC);
    assert_non_null(strstr(err.text, "writing /dev/full: No space"));
    assert_int_equal(cli_capture_files_close(&files, SECOND, &err), -ENOSPC);
}

/* ---- The filter ---- */

static void a_filter_is_libpcaps(void **state)
{
    struct cli_capture_filter *filter;
    uint8_t arp[60] = {[12] = 0x08, [13] = 0x06}, other[60] = {0};

    (void)state;
    assert_int_equal(cli_capture_filter_make(&filter, "", &err), 0);
    assert_true(cli_capture_filter_accepts(filter, other, 60, 60));
    cli_capture_filter_free(filter);
    assert_int_equal(cli_capture_filter_make(&filter, "arp and greater 50", &err), 0);
    assert_true(cli_capture_filter_accepts(filter, arp, 60, 60));
    assert_true(cli_capture_filter_accepts(filter, arp, 14, 60));
    assert_false(cli_capture_filter_accepts(filter, arp, 12, 60)); /* its type is not there */
    assert_false(cli_capture_filter_accepts(filter, other, 60, 60));
    cli_capture_filter_free(filter);
    assert_int_equal(cli_capture_filter_make(&filter, "arp or and\033", &err), -EINVAL);
    assert_non_null(strstr(err.text, "filter 'arp or and?': "));
    assert_null(filter);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(blocks_are_as_the_document_says), TEST(long_texts_are_cut),
        TEST(the_last_files_of_a_ring_stay),   TEST(a_file_ends_with_its_time),
        TEST(what_cannot_be_written_is_said),  TEST(a_filter_is_libpcaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
