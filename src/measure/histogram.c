/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/histogram.h>

#include <string.h>

void ae_histogram_clear(struct ae_histogram *histogram)
{
    memset(histogram, 0, sizeof(*histogram));
    histogram->min = UINT64_MAX;
}

void ae_histogram_merge(struct ae_histogram *histogram, const struct ae_histogram *other)
{
    histogram->count += other->count;
    histogram->sum += other->sum;
    histogram->above += other->above;
    histogram->min = other->min < histogram->min ? other->min : histogram->min;
    histogram->max = other->max > histogram->max ? other->max : histogram->max;
    for (uint32_t i = 0; i < AE_HISTOGRAM_BUCKETS; i++)
        histogram->buckets[i] += other->buckets[i];
}

/* The greatest value that falls into a bucket. */
static uint64_t highest_of(uint32_t bucket)
{
    uint32_t half = 1u << (AE_HISTOGRAM_EXACT - 1);
    uint32_t shift = bucket < 2 * half ? 0 : bucket / half - 1;
    uint64_t part = bucket - shift * half;

    return ((part + 1) << shift) - 1;
}

/* How many values, from the smallest, are `percent` of them, rounded up. 99.9 is no double: what
 * rounding alone has put above a whole number does not count as being above it. */
static uint64_t rank_of(double percent, uint64_t count)
{
    double exact = percent * (double)count / 100 * (1 - 1e-12);
    uint64_t whole = (uint64_t)exact;

    return whole + ((double)whole < exact);
}

uint64_t ae_histogram_percentile(const struct ae_histogram *histogram, double percent)
{
    uint64_t wanted, seen = 0;

    if (histogram->count == 0)
        return 0;
    if (percent <= 0)
        return histogram->min;
    wanted = rank_of(percent < 100 ? percent : 100, histogram->count);
    if (wanted >= histogram->count)
        return histogram->max;
    for (uint32_t i = 0; i < AE_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted) {
            uint64_t value = highest_of(i);

            return value < histogram->max ? value : histogram->max;
        }
    }
    return histogram->max;
}
