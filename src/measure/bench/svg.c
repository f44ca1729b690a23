/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/bench/svg.h"

#include <math.h>
#include <stdlib.h>

#include "measure/bench/bench.h"

#define LETTER 12.0 /* height of one */

void ae_html_text(FILE *out, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\'':
            fputs("&#39;", out);
            break;
        default:
            putc(*text, out);
        }
}

/* ---- Scales ---- */

static const double steps[] = {1, 2, 5};

struct ae_scale ae_scale_log(double least, double most, double start, double end)
{
    struct ae_scale scale = {.kind = AE_SCALE_LOG, .start = start, .end = end};
    double low = pow(10, floor(log10(least))), high = pow(10, floor(log10(most)));

    for (unsigned i = 0; i < 3; i++)
        if (low * steps[i] <= least)
            scale.from = low * steps[i];
    scale.to = high * 10;
    for (unsigned i = 3; i > 0; i--)
        if (high * steps[i - 1] >= most)
            scale.to = high * steps[i - 1];
    if (scale.to <= scale.from)
        scale.to = scale.from * 10;
    return scale;
}

static double place_of(const struct ae_scale *scale, double value)
{
    switch (scale->kind) {
    case AE_SCALE_LOG:
        return log10(value);
    case AE_SCALE_NINES:
        return -log10(1 - value);
    default:
        return value;
    }
}

double ae_scale_at(const struct ae_scale *scale, double value)
{
    double inside = value < scale->from ? scale->from : value > scale->to ? scale->to : value;
    double from = place_of(scale, scale->from), to = place_of(scale, scale->to);

    return scale->start +
           (scale->end - scale->start) * (place_of(scale, inside) - from) / (to - from);
}

/* ---- A plot ---- */

struct ae_svg ae_svg_begin(FILE *out, const char *id, double height, double top, double bottom,
                           const char *title, const char *text)
{
    fprintf(out,
            "<svg id=\"%s\" class=\"plot\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
            "aria-labelledby=\"%s-t %s-d\">\n<title id=\"%s-t\">",
            id, AE_SVG_WIDTH, height, id, id, id);
    ae_html_text(out, title);
    fprintf(out, "</title><desc id=\"%s-d\">", id);
    ae_html_text(out, text);
    fputs("</desc>\n", out);
    return (struct ae_svg){.out = out, .top = top, .bottom = bottom};
}

void ae_svg_end(const struct ae_svg *svg)
{
    fputs("</svg>\n", svg->out);
}

const char *ae_svg_time(double value, char text[24])
{
    static const char *const units[] = {"ns", "µs", "ms", "s"};
    unsigned i = 0;

    for (; value >= 999.5 && i < 3; i++)
        value /= 1000;
    snprintf(text, 24, "%g %s", value, units[i]);
    return text;
}

const char *ae_svg_seconds(double value, char text[24])
{
    snprintf(text, 24, "%g s", value);
    return text;
}

const char *ae_svg_rate(double value, char text[24])
{
    static const char *const units[] = {"", " k", " M", " G"};
    unsigned i = 0;

    for (; value >= 999.5 && i < 3; i++)
        value /= 1000;
    snprintf(text, 24, "%g%s", value, units[i]);
    return text;
}

const char *ae_svg_percent(double value, char text[24])
{
    snprintf(text, 24, "%.10g %%", value * 100);
    return text;
}

const char *ae_svg_times(double value, char text[24])
{
    snprintf(text, 24, "%g×", value);
    return text;
}

/* ---- Axes ---- */

void ae_svg_axis_begin(const struct ae_svg *svg, bool x, const struct ae_scale *scale)
{
    static const char *const kinds[] = {"linear", "log", "nines"};

    fprintf(svg->out, "<g class=\"axis\" data-axis=\"%s\" data-scale=\"%s\">\n", x ? "x" : "y",
            kinds[scale->kind]);
}

/* label: NULL for a line alone. */
void ae_svg_tick(const struct ae_svg *svg, bool x, double at, const char *label)
{
    const char *class = label ? "grid" : "grid fine";

    if (x)
        fprintf(svg->out, "<path class=\"%s\" d=\"M%.2f %.2fV%.2f\"/>", class, at, svg->top,
                svg->bottom);
    else
        fprintf(svg->out, "<path class=\"%s\" d=\"M%.2f %.2fH%.2f\"/>", class, AE_SVG_LEFT, at,
                AE_SVG_RIGHT);
    if (label && x)
        fprintf(svg->out, "<text class=\"tick mid\" x=\"%.2f\" y=\"%.2f\">%s</text>", at,
                svg->bottom + 16, label);
    else if (label)
        fprintf(svg->out, "<text class=\"tick end\" x=\"%.2f\" y=\"%.2f\" dy=\".35em\">%s</text>",
                AE_SVG_LEFT - 5, at, label);
    putc('\n', svg->out);
}

void ae_svg_axis_end(const struct ae_svg *svg, bool x, const char *title)
{
    if (!title[0]) {
        fputs("</g>\n", svg->out);
        return;
    }
    if (x)
        fprintf(svg->out, "<text class=\"name mid\" x=\"%.2f\" y=\"%.2f\">",
                (AE_SVG_LEFT + AE_SVG_RIGHT) / 2, svg->bottom + 33);
    else
        fprintf(svg->out, "<text class=\"name\" x=\"2\" y=\"%.2f\">", svg->top - 9);
    ae_html_text(svg->out, title);
    fputs("</text></g>\n", svg->out);
}

/* Over three decades and more only powers of ten have a label, and of these as many as have room;
 * where decades are narrow nothing else has a line. */
static void log_ticks(const struct ae_svg *svg, bool x, const struct ae_scale *scale,
                      ae_svg_label *label)
{
    double decades = log10(scale->to / scale->from),
           decade = fabs(scale->end - scale->start) / decades;
    double room = x ? 3 * LETTER : LETTER * 1.2, last = -INFINITY;
    char text[24];

    for (double ten = pow(10, floor(log10(scale->from))); ten <= scale->to * 1.001; ten *= 10)
        for (unsigned i = 0; i < 3; i++) {
            double value = ten * steps[i], at = ae_scale_at(scale, value);
            bool labelled = (i == 0 || decades < 2.7) && fabs(at - last) >= room;

            if (value < scale->from * 0.999 || value > scale->to * 1.001 ||
                (i && decade < 2 * LETTER))
                continue;
            ae_svg_tick(svg, x, at, labelled ? label(value, text) : NULL);
            last = labelled ? at : last;
        }
}

static void nines_ticks(const struct ae_svg *svg, bool x, const struct ae_scale *scale,
                        ae_svg_label *label)
{
    char text[24];

    ae_svg_tick(svg, x, ae_scale_at(scale, 0), label(0, text));
    for (double rest = 0.1; 1 - rest <= scale->to * (1 + 1e-12); rest /= 10)
        ae_svg_tick(svg, x, ae_scale_at(scale, 1 - rest), label(1 - rest, text));
}

static void linear_ticks(const struct ae_svg *svg, bool x, const struct ae_scale *scale,
                         ae_svg_label *label)
{
    double width = (scale->to - scale->from) / 6, ten = pow(10, floor(log10(width)));
    double step = width <= ten       ? ten
                  : width <= 2 * ten ? 2 * ten
                  : width <= 5 * ten ? 5 * ten
                                     : 10 * ten;
    char text[24];

    for (unsigned i = 0; scale->from + i * step <= scale->to * (1 + 1e-9); i++)
        ae_svg_tick(svg, x, ae_scale_at(scale, scale->from + i * step),
                    label(scale->from + i * step, text));
}

void ae_svg_axis(const struct ae_svg *svg, bool x, const struct ae_scale *scale,
                 ae_svg_label *label, const char *title)
{
    ae_svg_axis_begin(svg, x, scale);
    if (scale->kind == AE_SCALE_LOG)
        log_ticks(svg, x, scale, label);
    else if (scale->kind == AE_SCALE_NINES)
        nines_ticks(svg, x, scale, label);
    else
        linear_ticks(svg, x, scale, label);
    ae_svg_axis_end(svg, x, title);
}

/* ---- Lines ---- */

const char *ae_svg_class(unsigned contender, const char *caller, char text[24])
{
    snprintf(text, 24, "c%u%s", contender % AE_SVG_COLOURS, caller[0] == 'w' ? " own" : "");
    return text;
}

struct ae_svg_line ae_svg_line_begin(const struct ae_svg *svg, const char *classes,
                                     const char *contender, double step)
{
    fprintf(svg->out, "<path class=\"line %s\" data-contender=\"%s\" d=\"", classes, contender);
    return (struct ae_svg_line){.svg = svg, .step = step};
}

static void draw(struct ae_svg_line *line, double x, double y)
{
    fprintf(line->svg->out, "%s%.2f %.2f", line->drawn ? "L" : "M", x, y);
    line->x = x;
    line->y = y;
    line->drawn = true;
    line->left = false;
}

void ae_svg_line_to(struct ae_svg_line *line, double x, double y)
{
    if (!line->drawn || fabs(x - line->x) + fabs(y - line->y) >= line->step) {
        draw(line, x, y);
        return;
    }
    line->left_x = x;
    line->left_y = y;
    line->left = true;
}

void ae_svg_line_break(struct ae_svg_line *line)
{
    if (line->left)
        draw(line, line->left_x, line->left_y);
    line->drawn = false;
}

void ae_svg_line_end(struct ae_svg_line *line, const char *title)
{
    ae_svg_line_break(line);
    fputs("\"><title>", line->svg->out);
    ae_html_text(line->svg->out, title);
    fputs("</title></path>\n", line->svg->out);
}

/* ---- Letters ---- */

void ae_svg_letters_add(struct ae_svg_letters *letters, unsigned contender, double x, double y)
{
    unsigned at = letters->count++;

    for (; at > 0 && letters->each[at - 1].y > y; at--)
        letters->each[at] = letters->each[at - 1];
    letters->each[at].x = x;
    letters->each[at].y = y;
    letters->each[at].contender = contender;
}

void ae_svg_letters_draw(const struct ae_svg *svg, struct ae_svg_letters *letters)
{
    double room = letters->count * LETTER > svg->bottom - svg->top
                      ? (svg->bottom - svg->top) / letters->count
                      : LETTER;
    double lowest = svg->bottom - LETTER / 4, places[32];

    /* Down, so that none is on another, then up, so that none is below the plot. */
    for (unsigned i = 0; i < letters->count; i++)
        places[i] = i && letters->each[i].y < places[i - 1] + room ? places[i - 1] + room
                                                                   : letters->each[i].y;
    for (unsigned i = letters->count; i > 0; i--) {
        places[i - 1] = places[i - 1] > lowest ? lowest : places[i - 1];
        lowest = places[i - 1] - room;
    }
    for (unsigned i = 0; i < letters->count; i++) {
        unsigned contender = letters->each[i].contender;

        fprintf(svg->out,
                "<path class=\"leader c%u\" d=\"M%.2f %.2fL%.2f %.2f\"/><text class=\"letter "
                "c%u\" x=\"%.2f\" y=\"%.2f\" dy=\".35em\">%c</text>\n",
                contender % AE_SVG_COLOURS, letters->each[i].x, letters->each[i].y,
                AE_SVG_RIGHT + 6, places[i], contender % AE_SVG_COLOURS, AE_SVG_RIGHT + 8,
                places[i], ae_bench_letter(contender));
    }
}
