/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/bench/plots.h"

#include <string.h>

#include "measure/bench/svg.h"

#define TOP    22.0
#define BOTTOM 104.0
#define HEIGHT 126.0

/* As long as the longest of this load on this wire. */
static double duration(const struct ae_bench *bench, const struct ae_bench_load *load,
                       unsigned wire)
{
    double longest = 0;

    for (unsigned i = 0; i < bench->latency_count; i++) {
        const struct ae_bench_latency *latency = &bench->latencies[i];
        double seconds = (double)latency->slot_ns * latency->slot_count / 1e9;

        if (ae_bench_is_at(bench, latency, load, wire) && seconds > longest)
            longest = seconds;
    }
    return longest;
}

/* In the middle of each slot. */
static void draw(const struct ae_svg *svg, const struct ae_bench *bench,
                 const struct ae_bench_latency *latency, const struct ae_scale *x,
                 const struct ae_scale *y)
{
    const struct ae_bench_contender *contender = &bench->contenders[latency->contender];
    char classes[24];
    struct ae_svg_line line;

    /* Never dashed: it is jagged enough. */
    ae_svg_class(latency->contender, "", classes);
    line = ae_svg_line_begin(svg, classes, contender->name, 0);
    for (unsigned i = 0; i < latency->slot_count; i++)
        if (latency->slots[i] >= 0)
            ae_svg_line_to(&line, ae_scale_at(x, (i + 0.5) * (double)latency->slot_ns / 1e9),
                           ae_scale_at(y, (double)latency->slots[i]));
        else
            ae_svg_line_break(&line);
    ae_svg_line_end(&line, contender->title);
}

bool ae_bench_plot_slots(const struct ae_bench *bench, const struct ae_bench_load *load,
                         unsigned contender, enum ae_bench_host host, const char *id, FILE *out)
{
    const struct ae_bench_latency *latency = ae_bench_latency(bench, contender, host, load);
    unsigned wire = bench->contenders[contender].wire;
    double least, most, seconds = duration(bench, load, wire);
    struct ae_scale x = {AE_SCALE_LINEAR, 0, seconds, AE_SVG_LEFT, AE_SVG_RIGHT}, y;
    char title[300];
    struct ae_svg svg;

    if (!latency || latency->slot_count == 0 || !ae_bench_range(bench, load, wire, &least, &most))
        return false;
    y = ae_scale_log(least, most, BOTTOM, TOP);
    snprintf(title, sizeof(title), "%c  %s, beside a %s host", ae_bench_letter(contender),
             bench->contenders[contender].title, ae_bench_hosts[host]);
    svg = ae_svg_begin(out, id, HEIGHT, TOP, BOTTOM, title,
                       "The longest round trip of each slot of time, of the last round.");
    ae_svg_axis(&svg, true, &x, ae_svg_seconds, "");
    ae_svg_axis(&svg, false, &y, ae_svg_time, title);
    draw(&svg, bench, latency, &x, &y);
    ae_svg_end(&svg);
    return true;
}
