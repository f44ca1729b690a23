/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/bench/plots.h"

#include <stdlib.h>
#include <string.h>

#include "measure/bench/svg.h"

#define TOP    24.0
#define BOTTOM 262.0
#define HEIGHT 302.0

#define TICKS_APART 22.0

static bool is_of(const struct ae_bench *bench, const struct ae_bench_throughput *one,
                  const char *work, unsigned wire, enum ae_bench_host host)
{
    return strcmp(one->work, work) == 0 && one->host == host &&
           bench->contenders[one->contender].wire == wire;
}

/* Of all of this work on this wire. */
static void scales(const struct ae_bench *bench, const char *work, unsigned wire,
                   struct ae_scale *x, struct ae_scale *y)
{
    *x = (struct ae_scale){AE_SCALE_LOG, 1e9, 0, AE_SVG_LEFT + 14, AE_SVG_RIGHT - 6};
    *y = (struct ae_scale){AE_SCALE_LINEAR, 0, 1, BOTTOM, TOP};
    for (unsigned i = 0; i < bench->throughput_count; i++) {
        const struct ae_bench_throughput *one = &bench->throughputs[i];
        double most = ae_bench_rate(one).most * 1.04;

        if (strcmp(one->work, work) != 0 || bench->contenders[one->contender].wire != wire)
            continue;
        x->from = one->frame < x->from ? one->frame : x->from;
        x->to = one->frame > x->to ? one->frame : x->to;
        y->to = most > y->to ? most : y->to;
    }
    if (x->to <= x->from)
        x->to = 2 * x->from;
}

static int by_frame(const void *one, const void *other)
{
    const struct ae_bench_throughput *a = *(const struct ae_bench_throughput *const *)one;
    const struct ae_bench_throughput *b = *(const struct ae_bench_throughput *const *)other;

    return (a->frame > b->frame) - (a->frame < b->frame);
}

/* Ticks are the sizes that were measured; those with no room for it have no label. */
static void frame_axis(const struct ae_svg *svg, const struct ae_bench *bench, const char *work,
                       const struct ae_scale *x)
{
    double last = -TICKS_APART;
    unsigned frame = 0;

    ae_svg_axis_begin(svg, true, x);
    for (;;) {
        unsigned next = UINT32_MAX;
        char text[24];
        double at;

        for (unsigned i = 0; i < bench->throughput_count; i++)
            if (strcmp(bench->throughputs[i].work, work) == 0 &&
                bench->throughputs[i].frame > frame && bench->throughputs[i].frame < next)
                next = bench->throughputs[i].frame;
        if (next == UINT32_MAX)
            break;
        frame = next;
        at = ae_scale_at(x, frame);
        snprintf(text, sizeof(text), "%u", frame);
        ae_svg_tick(svg, true, at, at - last >= TICKS_APART ? text : NULL);
        last = at - last >= TICKS_APART ? at : last;
    }
    ae_svg_axis_end(svg, true, "bytes of a frame, without FCS");
}

static void draw(const struct ae_svg *svg, const struct ae_bench *bench,
                 const struct ae_bench_throughput *const *points, unsigned count,
                 const struct ae_scale *x, const struct ae_scale *y, struct ae_svg_letters *letters)
{
    const struct ae_bench_contender *contender = &bench->contenders[points[0]->contender];
    double at = 0;
    char classes[24];
    struct ae_svg_line line;

    ae_svg_class(points[0]->contender, contender->caller, classes);
    line = ae_svg_line_begin(svg, classes, contender->name, 0);
    for (unsigned i = 0; i < count; i++) {
        at = ae_scale_at(y, ae_bench_rate(points[i]).median);
        ae_svg_line_to(&line, ae_scale_at(x, points[i]->frame), at);
    }
    ae_svg_line_end(&line, contender->title);
    for (unsigned i = 0; i < count; i++) {
        struct ae_bench_spread rate = ae_bench_rate(points[i]);

        fprintf(svg->out,
                "<path class=\"spread %s\" d=\"M%.2f %.2fV%.2f\"/>"
                "<circle class=\"dot %s\" cx=\"%.2f\" cy=\"%.2f\" r=\"2.6\"/>\n",
                classes, ae_scale_at(x, points[i]->frame), ae_scale_at(y, rate.least),
                ae_scale_at(y, rate.most), classes, ae_scale_at(x, points[i]->frame),
                ae_scale_at(y, rate.median));
    }
    ae_svg_letters_add(letters, points[0]->contender, ae_scale_at(x, points[count - 1]->frame), at);
}

bool ae_bench_plot_rates(const struct ae_bench *bench, const char *work, unsigned wire,
                         enum ae_bench_host host, const char *id, FILE *out)
{
    const struct ae_bench_throughput *points[AE_BENCH_EACH];
    struct ae_svg_letters letters = {0};
    struct ae_scale x, y;
    struct ae_svg svg;
    bool any = false;

    for (unsigned i = 0; i < bench->throughput_count; i++)
        any = any || is_of(bench, &bench->throughputs[i], work, wire, host);
    if (!any)
        return false;
    scales(bench, work, wire, &x, &y);
    svg = ae_svg_begin(out, id, HEIGHT, TOP, BOTTOM,
                       host == AE_BENCH_NOISY ? "Rates beside a noisy host"
                                              : "Rates beside a quiet host",
                       "Frames a second by the size of a frame: the median of the rounds, with the "
                       "least and the greatest. The table has the numbers.");
    frame_axis(&svg, bench, work, &x);
    ae_svg_axis(&svg, false, &y, ae_svg_rate, "frames a second");
    for (unsigned contender = 0; contender < bench->contender_count; contender++) {
        unsigned count = 0;

        for (unsigned i = 0; i < bench->throughput_count; i++)
            if (bench->throughputs[i].contender == contender &&
                is_of(bench, &bench->throughputs[i], work, wire, host))
                points[count++] = &bench->throughputs[i];
        qsort(points, count, sizeof(points[0]), by_frame);
        if (count)
            draw(&svg, bench, points, count, &x, &y, &letters);
    }
    ae_svg_letters_draw(&svg, &letters);
    ae_svg_end(&svg);
    return true;
}
