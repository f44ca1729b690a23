/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/report.h"

#include <inttypes.h>

const struct ae_rung ae_ladder[AE_LADDER] = {
    {"min", "min", 0},        {"P50", "p50", 50},          {"P90", "p90", 90},  {"P99", "p99", 99},
    {"P99.9", "p99_9", 99.9}, {"P99.99", "p99_99", 99.99}, {"max", "max", 100},
};

void ae_report_time(uint64_t ns, char text[16])
{
    static const struct {
        uint64_t below;
        double unit;
        const char *name;
    } units[] = {
        {UINT64_C(10000), 1, "ns"},
        {UINT64_C(10000000), 1e3, "us"},
        {UINT64_C(10000000000), 1e6, "ms"},
        {UINT64_MAX, 1e9, "s "},
    };
    unsigned i = 0;

    while (ns >= units[i].below && i < 3)
        i++;
    snprintf(text, 16, i ? "%7.2f %s" : "%7.0f %s", (double)ns / units[i].unit, units[i].name);
}

void ae_report_print(const struct ae_histogram *histogram, FILE *out)
{
    for (unsigned i = 0; i < AE_LADDER; i++) {
        char text[16];

        ae_report_time(ae_histogram_percentile(histogram, ae_ladder[i].percent), text);
        fprintf(out, "  %-7s %s\n", ae_ladder[i].name, text);
    }
}

json_t *ae_report_json(const struct ae_histogram *histogram)
{
    json_t *object = json_pack("{s:I, s:I}", "count", (json_int_t)histogram->count, "above_range",
                               (json_int_t)histogram->above);

    for (unsigned i = 0; i < AE_LADDER; i++)
        json_object_set_new(
            object, ae_ladder[i].key,
            json_integer((json_int_t)ae_histogram_percentile(histogram, ae_ladder[i].percent)));
    return object;
}

static uint64_t greatest_of(uint32_t bucket)
{
    uint32_t half = 1u << (AE_HISTOGRAM_EXACT - 1),
             shift = bucket < 2 * half ? 0 : bucket / half - 1;

    return (((uint64_t)(bucket - shift * half) + 1) << shift) - 1;
}

json_t *ae_report_buckets_json(const struct ae_histogram *histogram)
{
    json_t *list = json_array();
    uint64_t seen = 0;

    for (uint32_t i = 0; i < AE_HISTOGRAM_BUCKETS; i++) {
        if (!histogram->buckets[i])
            continue;
        seen += histogram->buckets[i];
        json_array_append_new(
            list, json_pack("[I, I]",
                            (json_int_t)(seen < histogram->count ? greatest_of(i) : histogram->max),
                            (json_int_t)histogram->buckets[i]));
    }
    return list;
}
