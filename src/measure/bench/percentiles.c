/* SPDX-License-Identifier: Apache-2.0 */

/* The text that HdrHistogram's plotter and its kin read: the percentiles to a value, five to each
 * halving of the rest (org.HdrHistogram, outputPercentileDistribution). */

#include "measure/bench/bench.h"

#include <math.h>
#include <string.h>

#define PER_HALF 5
#define UNIT     1000.0 /* ns in what is written, us */

void ae_bench_percentiles_name(const struct ae_bench *bench, const struct ae_bench_latency *latency,
                               char name[160])
{
    const struct ae_bench_load *load = &latency->load;
    char how[40];

    if (load->percent >= 0)
        snprintf(how, sizeof(how), "%s-%.0fpercent", load->kind, load->percent);
    else if (load->rate)
        snprintf(how, sizeof(how), "%s-%llu", load->kind, (unsigned long long)load->rate);
    else
        snprintf(how, sizeof(how), "%s", load->kind);
    snprintf(name, 160, "%s-%s-%s-%u.hgrm", bench->contenders[latency->contender].name,
             ae_bench_hosts[latency->host], how, load->frame);
}

/* The next percentile that is written. */
static double next_of(double percent)
{
    double halves = floor(log2(100 / (100 - percent))) + 1;

    return percent + 100 / (PER_HALF * pow(2, halves));
}

static void write_sum(const struct ae_bench_latency *latency, FILE *out)
{
    double mean = 0, square = 0, all = (double)latency->count;

    for (unsigned i = 0; i < latency->bucket_count; i++)
        mean += (double)latency->buckets[i].ns / UNIT * (double)latency->buckets[i].count / all;
    for (unsigned i = 0; i < latency->bucket_count; i++) {
        double off = (double)latency->buckets[i].ns / UNIT - mean;

        square += off * off * (double)latency->buckets[i].count / all;
    }
    fprintf(out,
            "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n"
            "#[Max     = %12.3f, Total count    = %12llu]\n"
            "#[Buckets = %12u, SubBuckets     = %12u]\n",
            mean, sqrt(square), (double)latency->buckets[latency->bucket_count - 1].ns / UNIT,
            (unsigned long long)latency->count, 34 - AE_HISTOGRAM_EXACT + 1,
            1u << AE_HISTOGRAM_EXACT);
}

void ae_bench_percentiles(const struct ae_bench_latency *latency, FILE *out)
{
    double all = (double)latency->count, percent = 0;
    uint64_t seen = 0;

    fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
            "1/(1-Percentile)");
    for (unsigned i = 0; i < latency->bucket_count; i++) {
        double value = (double)latency->buckets[i].ns / UNIT;

        seen += latency->buckets[i].count;
        for (bool more = true; more && percent <= 100 * (double)seen / all;
             percent = next_of(percent)) {
            more = seen < latency->count; /* of the last bucket once, and then all of them */
            fprintf(out, "%12.3f %14.12f %10llu %14.2f\n", value, percent / 100,
                    (unsigned long long)seen, 100 / (100 - percent));
        }
    }
    fprintf(out, "%12.3f %14.12f %10llu\n",
            (double)latency->buckets[latency->bucket_count - 1].ns / UNIT, 1.0,
            (unsigned long long)latency->count);
    write_sum(latency, out);
}
