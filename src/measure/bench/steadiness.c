/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/bench/plots.h"

#include "measure/bench/svg.h"

#define TOP 26.0
#define ROW 30.0

static struct ae_bench_spread steadiness(const struct ae_bench *bench, unsigned contender,
                                         const struct ae_bench_load *load, unsigned rung)
{
    return ae_bench_steadiness(ae_bench_latency(bench, contender, AE_BENCH_QUIET, load),
                               ae_bench_latency(bench, contender, AE_BENCH_NOISY, load), rung);
}

/* 1 is always on it, and so is the maximum. Returns how many have this figure. */
static unsigned scale_of(const struct ae_bench *bench, const struct ae_bench_load *load,
                         unsigned wire, unsigned rung, struct ae_scale *x)
{
    double least = 1, most = 2;
    unsigned rows = 0;

    for (unsigned i = 0; i < bench->contender_count; i++) {
        struct ae_bench_spread both[] = {steadiness(bench, i, load, rung),
                                         steadiness(bench, i, load, AE_LADDER - 1)};

        if (bench->contenders[i].wire != wire)
            continue;
        rows += both[0].rounds > 0;
        for (unsigned j = 0; j < 2; j++) {
            least = both[j].rounds && both[j].least < least ? both[j].least : least;
            most = both[j].rounds && both[j].most > most ? both[j].most : most;
        }
    }
    *x = ae_scale_log(least < 0.001 ? 0.001 : least, most, AE_SVG_LEFT - 36, AE_SVG_RIGHT);
    return rows;
}

static void draw(const struct ae_svg *svg, const struct ae_bench *bench, unsigned contender,
                 const struct ae_bench_spread *one, const struct ae_scale *x, double y)
{
    char classes[24], median[24];

    ae_svg_class(contender, bench->contenders[contender].caller, classes);
    snprintf(median, sizeof(median), "%.2f×", one->median);
    fprintf(svg->out, "<text class=\"row\" x=\"%.2f\" y=\"%.2f\">%c ", x->start, y - 8,
            ae_bench_letter(contender));
    ae_html_text(svg->out, bench->contenders[contender].title);
    fprintf(svg->out,
            "</text><text class=\"row end\" x=\"%.2f\" y=\"%.2f\">%s</text>\n"
            "<path class=\"spread %s\" d=\"M%.2f %.2fH%.2f\"/><circle class=\"dot %s\" "
            "data-contender=\"%s\" cx=\"%.2f\" cy=\"%.2f\" r=\"4\"/>\n",
            x->end, y - 8, median, classes, ae_scale_at(x, one->least), y,
            ae_scale_at(x, one->most), classes, bench->contenders[contender].name,
            ae_scale_at(x, one->median), y);
}

bool ae_bench_plot_steadiness(const struct ae_bench *bench, const struct ae_bench_load *load,
                              unsigned wire, unsigned rung, const char *id, FILE *out)
{
    struct ae_scale x;
    unsigned rows = scale_of(bench, load, wire, rung, &x);
    double bottom = TOP + ROW * rows, y = TOP + ROW / 2 + 6;
    char title[80];
    struct ae_svg svg;

    if (rows == 0)
        return false;
    snprintf(title, sizeof(title), "%s beside a noisy host by that beside a quiet one",
             ae_ladder[rung].name);
    svg = ae_svg_begin(out, id, bottom + 41, TOP, bottom, title,
                       "A dot for each contender: the median of pairs of rounds, with the least "
                       "and the greatest. 1 is best. The table has the numbers.");
    snprintf(title, sizeof(title), "noisy / quiet at %s", ae_ladder[rung].name);
    ae_svg_axis(&svg, true, &x, ae_svg_times, title);
    fprintf(out, "<path class=\"one\" d=\"M%.2f %.2fV%.2f\"/>\n", ae_scale_at(&x, 1), TOP, bottom);
    for (unsigned i = 0; i < bench->contender_count; i++) {
        struct ae_bench_spread one = steadiness(bench, i, load, rung);

        if (bench->contenders[i].wire != wire || one.rounds == 0)
            continue;
        draw(&svg, bench, i, &one, &x, y);
        y += ROW;
    }
    ae_svg_end(&svg);
    return true;
}
