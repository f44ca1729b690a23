/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/bench/plots.h"

#include "measure/bench/svg.h"

#define TOP    24.0
#define BOTTOM 262.0
#define HEIGHT 302.0

#define FEWEST 100 /* round trips: two nines are on the axis */

bool ae_bench_range(const struct ae_bench *bench, const struct ae_bench_load *load, unsigned wire,
                    double *least, double *most)
{
    bool any = false;

    for (unsigned i = 0; i < bench->latency_count; i++) {
        const struct ae_bench_latency *latency = &bench->latencies[i];
        double low = (double)latency->buckets[0].ns;
        double high = (double)latency->buckets[latency->bucket_count - 1].ns;

        if (!ae_bench_is_at(bench, latency, load, wire))
            continue;
        low = low < 1 ? 1 : low;
        high = high < 1 ? 1 : high;
        *least = !any || low < *least ? low : *least;
        *most = !any || high > *most ? high : *most;
        any = true;
    }
    return any;
}

/* As far as the latency of the most round trips goes: all but one of them. */
static struct ae_scale nines(const struct ae_bench *bench, const struct ae_bench_load *load,
                             unsigned wire)
{
    uint64_t most = FEWEST;

    for (unsigned i = 0; i < bench->latency_count; i++)
        if (ae_bench_is_at(bench, &bench->latencies[i], load, wire) &&
            bench->latencies[i].count > most)
            most = bench->latencies[i].count;
    return (struct ae_scale){AE_SCALE_NINES, 0, 1 - 1 / (double)most, AE_SVG_LEFT, AE_SVG_RIGHT};
}

/* At each bucket's value, the part of all that is not above it. All of them is no nine: the last is
 * where all but one are. */
static void draw(const struct ae_svg *svg, const struct ae_bench *bench,
                 const struct ae_bench_latency *latency, const struct ae_scale *x,
                 const struct ae_scale *y, struct ae_svg_letters *letters)
{
    const struct ae_bench_contender *contender = &bench->contenders[latency->contender];
    double all = (double)latency->count, most = 1 - 1 / all, at = 0;
    uint64_t seen = 0;
    char classes[24];
    struct ae_svg_line line = ae_svg_line_begin(
        svg, ae_svg_class(latency->contender, contender->caller, classes), contender->name, 0.6);

    for (unsigned i = 0; i < latency->bucket_count; i++) {
        double part;

        seen += latency->buckets[i].count;
        part = (double)seen / all;
        at = ae_scale_at(y, (double)latency->buckets[i].ns);
        if (i == 0)
            ae_svg_line_to(&line, ae_scale_at(x, 0), at);
        ae_svg_line_to(&line, ae_scale_at(x, part < most ? part : most), at);
    }
    ae_svg_line_end(&line, contender->title);
    ae_svg_letters_add(letters, latency->contender, ae_scale_at(x, most), at);
}

bool ae_bench_plot_ladder(const struct ae_bench *bench, const struct ae_bench_load *load,
                          unsigned wire, enum ae_bench_host host, const char *id, FILE *out)
{
    struct ae_svg_letters letters = {0};
    struct ae_scale x = nines(bench, load, wire), y;
    struct ae_svg svg;
    double least, most;
    bool any = false;

    for (unsigned i = 0; i < bench->contender_count; i++)
        any = any || (bench->contenders[i].wire == wire && ae_bench_latency(bench, i, host, load));
    if (!any || !ae_bench_range(bench, load, wire, &least, &most))
        return false;
    y = ae_scale_log(least, most, BOTTOM, TOP);
    svg = ae_svg_begin(out, id, HEIGHT, TOP, BOTTOM,
                       host == AE_BENCH_NOISY ? "Round trips beside a noisy host"
                                              : "Round trips beside a quiet host",
                       "A line for each contender: how long a round trip takes, by the part of all "
                       "that take no longer, each nine as wide. The table has the numbers.");
    ae_svg_axis(&svg, true, &x, ae_svg_percent, "of all round trips take no longer");
    ae_svg_axis(&svg, false, &y, ae_svg_time, "round trip");
    for (unsigned i = 0; i < bench->contender_count; i++) {
        const struct ae_bench_latency *latency = ae_bench_latency(bench, i, host, load);

        if (latency && bench->contenders[i].wire == wire)
            draw(&svg, bench, latency, &x, &y, &letters);
    }
    ae_svg_letters_draw(&svg, &letters);
    ae_svg_end(&svg);
    return true;
}
