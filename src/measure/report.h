/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MEASURE_REPORT_H
#define AE_MEASURE_REPORT_H

/* One ladder of percentiles for every way to a wire, as text and as JSON. */

#include <jansson.h>
#include <stdio.h>

#include <aether/histogram.h>

#define AE_LADDER 7

extern const struct ae_rung {
    const char *name; /* "P99.9" */
    const char *key;  /* "p99_9" */
    double percent;
} ae_ladder[AE_LADDER];

/* "812 ns", "3.21 us", "45.0 ms": always ten columns. */
void ae_report_time(uint64_t ns, char text[16]);

void ae_report_print(const struct ae_histogram *histogram, FILE *out);

/* {"count": N, "min": ns, "p50": ns, ..., "max": ns} */
json_t *ae_report_json(const struct ae_histogram *histogram);

/* [[ns, count], ...]: the greatest value of each bucket that is not empty, rising, and how many are
 * in it; of the last, which also holds what is beyond the histogram's range, the maximum. */
json_t *ae_report_buckets_json(const struct ae_histogram *histogram);

#endif
