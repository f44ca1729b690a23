/* SPDX-License-Identifier: Apache-2.0 */
#include "gap_json.h"

#include <aether/clock.h>

json_t *cli_gap_histogram(const struct ae_gap_record *record)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < AE_GAP_POWERS; i++) {
        uint64_t count = ae_gap_count_power(record, i);

        if (count)
            json_array_append_new(list,
                                  json_pack("{s:I, s:I}", "from_ns", (json_int_t)(UINT64_C(1) << i),
                                            "gaps", (json_int_t)count));
    }
    return list;
}

static json_int_t percentile(const struct ae_gap_record *record, double percent)
{
    return (json_int_t)ae_histogram_percentile(&record->lengths, percent);
}

json_t *cli_gap_certificate(const struct ae_gap_record *record, uint64_t threshold_ns,
                            const char *how)
{
    return json_pack("{s:b, s:s, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "measured", 1, "how",
                     how, "seconds", (double)ae_clock_to_ns(record->end - record->start) / 1e9,
                     "threshold_ns", (json_int_t)threshold_ns, "gaps", (json_int_t)record->gaps,
                     "p50_ns", percentile(record, 50), "p99_ns", percentile(record, 99), "p99_9_ns",
                     percentile(record, 99.9), "longest_ns",
                     (json_int_t)(record->gaps ? ae_clock_to_ns(record->longest) : 0), "histogram",
                     cli_gap_histogram(record));
}
