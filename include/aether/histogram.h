/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_HISTOGRAM_H
#define AETHER_HISTOGRAM_H

/*
 * Latencies from 1 ns to 10 s with three significant digits, in fixed memory: values below 2048 are
 * exact, above that each power of two is cut into 1024 equal parts (the scheme of HdrHistogram), so
 * a reported value is never more than 0.1 % above the true one, and never below.
 *
 * Recording is a few instructions, no branch on data but the range check; no lock, no system call.
 * The struct holds no pointer: one process may write it in shared memory and another read it, which
 * then sees counts that are a moment apart.
 *
 * Coordinated omission: record the time since a request was *meant* to be sent, not since it was,
 * or the requests that a stall held back vanish from the tail (see ae_pace).
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AE_HISTOGRAM_MAX     UINT64_C(10000000000) /* ns; greater values count as this one */
#define AE_HISTOGRAM_EXACT   11                    /* bits */
#define AE_HISTOGRAM_BUCKETS (1024 * (34 - AE_HISTOGRAM_EXACT + 2))

struct ae_histogram {
    uint64_t count;
    uint64_t min; /* exact */
    uint64_t max; /* exact */
    uint64_t sum;
    uint64_t above; /* values greater than AE_HISTOGRAM_MAX, counted in the last bucket */
    uint64_t buckets[AE_HISTOGRAM_BUCKETS];
};

void ae_histogram_clear(struct ae_histogram *histogram);

/* The bucket of a value of at most AE_HISTOGRAM_MAX. */
static inline uint32_t ae_histogram_bucket(uint64_t ns)
{
    uint32_t bits = 64 - (uint32_t)__builtin_clzll(ns | ((1u << AE_HISTOGRAM_EXACT) - 1));
    uint32_t shift = bits - AE_HISTOGRAM_EXACT;

    return (shift << (AE_HISTOGRAM_EXACT - 1)) + (uint32_t)(ns >> shift);
}

static inline void ae_histogram_record(struct ae_histogram *histogram, uint64_t ns)
{
    uint64_t value = ns;

    if (__builtin_expect(value > AE_HISTOGRAM_MAX, 0)) {
        value = AE_HISTOGRAM_MAX;
        histogram->above++;
    }
    histogram->count++;
    histogram->sum += ns;
    histogram->min = ns < histogram->min ? ns : histogram->min;
    histogram->max = ns > histogram->max ? ns : histogram->max;
    histogram->buckets[ae_histogram_bucket(value)]++;
}

/* Adds what `other` holds. */
void ae_histogram_merge(struct ae_histogram *histogram, const struct ae_histogram *other);

/*
 * The smallest recorded value, rounded up as above, that `percent` of all values do not exceed.
 * percent: 0 (the minimum) to 100 (the maximum). 0 when empty.
 */
uint64_t ae_histogram_percentile(const struct ae_histogram *histogram, double percent);

#ifdef __cplusplus
}
#endif

#endif
