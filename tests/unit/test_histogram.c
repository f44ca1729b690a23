/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <aether/histogram.h>

#include "xorshift.h"

#include "measure/report.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define VALUES       100000

static struct ae_histogram histogram, other;
static uint64_t values[VALUES];

static int clear(void **state)
{
    (void)state;
    ae_histogram_clear(&histogram);
    ae_histogram_clear(&other);
    return 0;
}

static int by_size(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

    return first < second ? -1 : first > second;
}

/* The value that `thousandths` of a percent do not exceed, by nearest rank, in whole numbers. */
static uint64_t exact(size_t count, uint64_t thousandths)
{
    uint64_t rank = (count * thousandths + 99999) / 100000;

    return values[rank ? rank - 1 : 0];
}

/* Never below the true one, and at most 0.1 % above. */
static void assert_close(uint64_t got, uint64_t true_value, size_t count, double percent)
{
    if (got < true_value || got > true_value + true_value / 1000)
        fail_msg("%g %% of %zu: %llu, not %llu", percent, count, (unsigned long long)got,
                 (unsigned long long)true_value);
}

static void every_bucket_holds_its_values(void **state)
{
    uint32_t last = 0;

    (void)state;
    for (uint64_t value = 0; value <= 1 << 20; value++) {
        uint32_t bucket = ae_histogram_bucket(value);

        assert_true(bucket == last || bucket == last + 1);
        last = bucket;
    }
    for (uint64_t value = 1; value < AE_HISTOGRAM_MAX; value += value / 700 + 1) {
        assert_true(ae_histogram_bucket(value) < AE_HISTOGRAM_BUCKETS);
        assert_true(ae_histogram_bucket(value) <= ae_histogram_bucket(value + 1));
    }
    assert_true(ae_histogram_bucket(AE_HISTOGRAM_MAX) < AE_HISTOGRAM_BUCKETS);
}

static void percentiles_are_those_of_the_sorted_values(void **state)
{
    static const size_t counts[] = {1, 2, 3, 7, 10, 99, 100, 101, 1000, 9999, 10000, VALUES};

    (void)state;
    for (size_t c = 0; c < COUNT(counts); c++) {
        size_t count = counts[c];

        ae_histogram_clear(&histogram);
        for (size_t i = 0; i < count; i++) {
            /* From nanoseconds to seconds, as many of each size. */
            values[i] = next_random() % (UINT64_C(10) << next_random() % 30);
            ae_histogram_record(&histogram, values[i]);
        }
        qsort(values, count, sizeof(values[0]), by_size);
        for (uint64_t thousandths = 1; thousandths <= 100000; thousandths += 7) {
            double percent = (double)thousandths / 1000;

            assert_close(ae_histogram_percentile(&histogram, percent), exact(count, thousandths),
                         count, percent);
        }
        for (unsigned i = 0; i < AE_LADDER; i++)
            assert_close(ae_histogram_percentile(&histogram, ae_ladder[i].percent),
                         exact(count, (uint64_t)(ae_ladder[i].percent * 1000 + 0.5)), count,
                         ae_ladder[i].percent);
        assert_int_equal(ae_histogram_percentile(&histogram, 0), values[0]);
        assert_int_equal(ae_histogram_percentile(&histogram, 100), values[count - 1]);
        assert_int_equal(histogram.min, values[0]);
        assert_int_equal(histogram.max, values[count - 1]);
        assert_int_equal(histogram.count, count);
    }
}

/* 1 to 1000: the value is its rank, and below 2048 nothing is rounded. */
static void ranks_are_exact(void **state)
{
    (void)state;
    for (uint64_t value = 1; value <= 1000; value++)
        ae_histogram_record(&histogram, value);
    assert_int_equal(ae_histogram_percentile(&histogram, 50), 500);
    assert_int_equal(ae_histogram_percentile(&histogram, 90), 900);
    assert_int_equal(ae_histogram_percentile(&histogram, 99), 990);
    assert_int_equal(ae_histogram_percentile(&histogram, 99.9), 999);
    assert_int_equal(ae_histogram_percentile(&histogram, 99.99), 1000);
    assert_int_equal(ae_histogram_percentile(&histogram, 99.91), 1000);
    assert_int_equal(ae_histogram_percentile(&histogram, 0.1), 1);
    assert_int_equal(ae_histogram_percentile(&histogram, -1), 1);
    assert_int_equal(ae_histogram_percentile(&histogram, 200), 1000);
}

static void an_empty_one_says_nothing(void **state)
{
    (void)state;
    assert_int_equal(ae_histogram_percentile(&histogram, 0), 0);
    assert_int_equal(ae_histogram_percentile(&histogram, 50), 0);
    assert_int_equal(ae_histogram_percentile(&histogram, 100), 0);
}

static void merging_is_recording_together(void **state)
{
    static struct ae_histogram together;

    (void)state;
    ae_histogram_clear(&together);
    for (unsigned i = 0; i < 5000; i++) {
        uint64_t value = next_random() % (3 * AE_HISTOGRAM_MAX);

        ae_histogram_record(i % 3 ? &histogram : &other, value);
        ae_histogram_record(&together, value);
    }
    assert_true(together.above > 0);
    ae_histogram_merge(&histogram, &other);
    assert_memory_equal(&histogram, &together, sizeof(together));
    /* Nothing adds nothing, either way. */
    ae_histogram_clear(&other);
    ae_histogram_merge(&histogram, &other);
    assert_memory_equal(&histogram, &together, sizeof(together));
    ae_histogram_merge(&other, &together);
    assert_memory_equal(&other, &together, sizeof(together));
}

static void what_is_out_of_range_is_counted(void **state)
{
    (void)state;
    ae_histogram_record(&histogram, 0);
    ae_histogram_record(&histogram, AE_HISTOGRAM_MAX);
    assert_int_equal(histogram.above, 0);
    ae_histogram_record(&histogram, AE_HISTOGRAM_MAX + 1);
    ae_histogram_record(&histogram, UINT64_MAX);
    assert_int_equal(histogram.above, 2);
    assert_int_equal(histogram.count, 4);
    assert_int_equal(histogram.max, UINT64_MAX);
    assert_int_equal(ae_histogram_percentile(&histogram, 100), UINT64_MAX);
    assert_true(ae_histogram_percentile(&histogram, 75) >= AE_HISTOGRAM_MAX);
    assert_int_equal(ae_histogram_percentile(&histogram, 25), 0);
}

static void times_are_put_in_ten_columns(void **state)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } cases[] = {{0, "      0 ns"},
                 {9999, "   9999 ns"},
                 {10000, "  10.00 us"},
                 {9999999, "10000.00 us"},
                 {10000000, "  10.00 ms"},
                 {UINT64_C(12345678901), "  12.35 s "},
                 {UINT64_MAX, "18446744073.71"}};
    char text[16];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        ae_report_time(cases[i].ns, text);
        if (strncmp(text, cases[i].text, strlen(cases[i].text)) != 0)
            fail_msg("%llu: '%s'", (unsigned long long)cases[i].ns, text);
    }
}

static void a_report_is_a_ladder(void **state)
{
    json_t *json;
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    for (uint64_t value = 1; value <= 1000; value++)
        ae_histogram_record(&histogram, value);
    ae_report_print(&histogram, out);
    fclose(out);
    assert_non_null(strstr(text, "P99.9       999 ns"));
    free(text);
    json = ae_report_json(&histogram);
    assert_int_equal(json_integer_value(json_object_get(json, "count")), 1000);
    assert_int_equal(json_integer_value(json_object_get(json, "min")), 1);
    assert_int_equal(json_integer_value(json_object_get(json, "p99_9")), 999);
    assert_int_equal(json_integer_value(json_object_get(json, "max")), 1000);
    json_decref(json);
}

static void buckets_end_with_the_maximum(void **state)
{
    const uint64_t recorded[] = {5, 5, 4001, 3 * AE_HISTOGRAM_MAX};
    const json_int_t wanted[][2] = {{5, 2}, {4001, 1}, {3 * (json_int_t)AE_HISTOGRAM_MAX, 1}};
    json_t *json;

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        ae_histogram_record(&histogram, recorded[i]);
    json = ae_report_buckets_json(&histogram);
    assert_int_equal(json_array_size(json), 3);
    for (unsigned i = 0; i < 3; i++)
        for (unsigned j = 0; j < 2; j++)
            assert_int_equal(json_integer_value(json_array_get(json_array_get(json, i), j)),
                             wanted[i][j]);
    json_decref(json);
}

#define TEST(name) cmocka_unit_test_setup(name, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_bucket_holds_its_values),
        TEST(percentiles_are_those_of_the_sorted_values),
        TEST(ranks_are_exact),
        TEST(an_empty_one_says_nothing),
        TEST(merging_is_recording_together),
        TEST(what_is_out_of_range_is_counted),
        TEST(times_are_put_in_ten_columns),
        TEST(a_report_is_a_ladder),
        TEST(buckets_end_with_the_maximum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
