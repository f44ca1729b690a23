/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BEYOND 5 /* probes beyond a percentile, below which it is one or two events */

static int in_order(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;

    return (a > b) - (a < b);
}

/* Sorts the values. */
static struct ae_bench_spread spread_of(double *values, unsigned count)
{
    struct ae_bench_spread spread = {.rounds = count};

    if (count == 0)
        return spread;
    qsort(values, count, sizeof(*values), in_order);
    spread.least = values[0];
    spread.most = values[count - 1];
    spread.median = (values[(count - 1) / 2] + values[count / 2]) / 2;
    return spread;
}

struct ae_bench_spread ae_bench_percentile(const struct ae_bench_latency *latency, unsigned rung)
{
    double values[AE_BENCH_ROUNDS];
    unsigned count = latency ? latency->round_count : 0;

    for (unsigned i = 0; i < count; i++)
        values[i] = (double)latency->rounds[i].at[rung];
    return spread_of(values, count);
}

struct ae_bench_spread ae_bench_rate(const struct ae_bench_throughput *throughput)
{
    double values[AE_BENCH_ROUNDS];

    memcpy(values, throughput->rates, throughput->rate_count * sizeof(*values));
    return spread_of(values, throughput->rate_count);
}

struct ae_bench_spread ae_bench_lost(const struct ae_bench_latency *latency)
{
    double values[AE_BENCH_ROUNDS];
    unsigned count = 0;

    for (unsigned i = 0; i < latency->round_count; i++)
        if (latency->rounds[i].sent)
            values[count++] = (double)latency->rounds[i].lost / (double)latency->rounds[i].sent;
    return spread_of(values, count);
}

bool ae_bench_is_chance(const struct ae_bench_latency *latency, unsigned rung)
{
    double percent = ae_ladder[rung].percent;

    if (percent <= 0 || percent >= 100)
        return false;
    for (unsigned i = 0; i < latency->round_count; i++)
        if ((double)latency->rounds[i].count * (100 - percent) / 100 < BEYOND - 1e-6)
            return true;
    return false;
}

struct ae_bench_spread ae_bench_steadiness(const struct ae_bench_latency *quiet,
                                           const struct ae_bench_latency *noisy, unsigned rung)
{
    double values[AE_BENCH_ROUNDS];
    unsigned count = 0;

    if (!quiet || !noisy || ae_bench_is_chance(quiet, rung) || ae_bench_is_chance(noisy, rung))
        return (struct ae_bench_spread){0};
    for (unsigned i = 0; i < quiet->round_count && i < noisy->round_count; i++)
        if (quiet->rounds[i].at[rung])
            values[count++] = (double)noisy->rounds[i].at[rung] / (double)quiet->rounds[i].at[rung];
    return spread_of(values, count);
}

bool ae_bench_same_load(const struct ae_bench_load *one, const struct ae_bench_load *other)
{
    bool percent = one->percent >= 0, other_percent = other->percent >= 0;

    return strcmp(one->kind, other->kind) == 0 && one->frame == other->frame &&
           percent == other_percent &&
           (percent ? fabs(one->percent - other->percent) < 0.05 : one->rate == other->rate);
}

bool ae_bench_is_at(const struct ae_bench *bench, const struct ae_bench_latency *latency,
                    const struct ae_bench_load *load, unsigned wire)
{
    return bench->contenders[latency->contender].wire == wire &&
           ae_bench_same_load(&latency->load, load);
}

unsigned ae_bench_loads(const struct ae_bench *bench, struct ae_bench_load *loads, unsigned most)
{
    unsigned count = 0;

    for (unsigned i = 0; i < bench->latency_count; i++) {
        unsigned seen = 0;

        while (seen < count && !ae_bench_same_load(&loads[seen], &bench->latencies[i].load))
            seen++;
        if (seen == count && count < most)
            loads[count++] = bench->latencies[i].load;
    }
    return count;
}

const struct ae_bench_latency *ae_bench_latency(const struct ae_bench *bench, unsigned contender,
                                                enum ae_bench_host host,
                                                const struct ae_bench_load *load)
{
    for (unsigned i = 0; i < bench->latency_count; i++) {
        const struct ae_bench_latency *latency = &bench->latencies[i];

        if (latency->contender == contender && latency->host == host &&
            ae_bench_same_load(&latency->load, load))
            return latency;
    }
    return NULL;
}

const char *ae_bench_load_title(const struct ae_bench_load *load, char title[120])
{
    char rate[24], how[60];

    ae_bench_rate_text((double)load->rate, rate);
    if (strcmp(load->kind, "closed") == 0)
        snprintf(how, sizeof(how), "one at a time");
    else if (load->percent >= 0)
        snprintf(how, sizeof(how), "%.0f %% of the slowest one's highest rate", load->percent);
    else
        snprintf(how, sizeof(how), "%s frames a second", rate);
    snprintf(title, 120, "%s%s, frames of %u bytes",
             strcmp(load->kind, "bursts") == 0 ? "bursts of a capture, " : "", how, load->frame);
    return title;
}

const char *ae_bench_time(double ns, const char *micro, char text[24])
{
    const char *units[] = {"ns", micro, "ms", "s"};
    unsigned i = 0;

    if (ns < 0) {
        snprintf(text, 24, "-");
        return text;
    }
    for (; ns >= 999.5 && i < 3; i++)
        ns /= 1000;
    snprintf(text, 24, "%.*f %s", i == 0 || ns >= 99.95 ? 0 : ns >= 9.995 ? 1 : 2, ns, units[i]);
    return text;
}

const char *ae_bench_rate_text(double rate, char text[24])
{
    static const char *const units[] = {"", " k", " M", " G"};
    unsigned i = 0;

    for (; rate >= 999.5 && i < 3; i++)
        rate /= 1000;
    snprintf(text, 24, "%.*f%s",
             i == 0 || rate >= 99.95 ? 0
             : rate >= 9.995         ? 1
                                     : 2,
             rate, units[i]);
    return text;
}

char ae_bench_letter(unsigned contender)
{
    static const char letters[AE_BENCH_CONTENDERS + 1] = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefgh";

    return letters[contender];
}
