/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MEASURE_BENCH_SVG_H
#define AE_MEASURE_BENCH_SVG_H

/*
 * Plots as SVG inside a page: scales, axes and lines. All plots are as wide; how colours look, and
 * how large letters are, is style.c's. Who reads a plot back finds each axis by its data-axis and
 * data-scale and its ticks by their labels, each line by its data-contender.
 */

#include <stdbool.h>
#include <stdio.h>

#define AE_SVG_WIDTH   420.0
#define AE_SVG_LEFT    50.0                  /* of what is plotted, room for labels beside it */
#define AE_SVG_RIGHT   (AE_SVG_WIDTH - 22.0) /* the letters of lines are beyond it */
#define AE_SVG_COLOURS 8

/* Writes text from elsewhere as it may stand in HTML, in an attribute, too. */
void ae_html_text(FILE *out, const char *text);

struct ae_scale {
    enum {
        AE_SCALE_LINEAR,
        AE_SCALE_LOG,
        AE_SCALE_NINES, /* of fractions below 1: each nine is as wide */
    } kind;
    double from, to;   /* values */
    double start, end; /* where these are, in the plot's units */
};

/* From 1, 2 or 5 times a power of ten to another, around both values, which are above 0. */
struct ae_scale ae_scale_log(double least, double most, double start, double end);

/* Where a value is; one beyond the scale is at its end. */
double ae_scale_at(const struct ae_scale *scale, double value);

struct ae_svg {
    FILE *out;
    double top, bottom; /* of what is plotted */
};

/* `id` is the plot's own in the page. `text`: what it shows, for who cannot see it. */
struct ae_svg ae_svg_begin(FILE *out, const char *id, double height, double top, double bottom,
                           const char *title, const char *text);
void ae_svg_end(const struct ae_svg *svg);

/* Texts of ticks, which are round numbers. */
typedef const char *ae_svg_label(double value, char text[24]);
ae_svg_label ae_svg_time, ae_svg_seconds, ae_svg_rate, ae_svg_percent, ae_svg_times;

/* Its lines across the plot and its labels; x: from left to right, below the plot. */
void ae_svg_axis(const struct ae_svg *svg, bool x, const struct ae_scale *scale,
                 ae_svg_label *label, const char *title);

/* A tick by itself, of an axis that has its own. */
void ae_svg_axis_begin(const struct ae_svg *svg, bool x, const struct ae_scale *scale);
void ae_svg_tick(const struct ae_svg *svg, bool x, double at, const char *label);
void ae_svg_axis_end(const struct ae_svg *svg, bool x, const char *title);

/* The classes of a contender's lines: its colour; dashed if it enters the kernel itself. */
const char *ae_svg_class(unsigned contender, const char *caller, char text[24]);

/* A line through points in the plot's units. Points closer than `step` to the one before are left
 * out but for the last. */
struct ae_svg_line {
    const struct ae_svg *svg;
    double step, x, y; /* the last that was drawn */
    double left_x, left_y;
    bool drawn, left;
};

struct ae_svg_line ae_svg_line_begin(const struct ae_svg *svg, const char *classes,
                                     const char *contender, double step);
void ae_svg_line_to(struct ae_svg_line *line, double x, double y);
void ae_svg_line_break(struct ae_svg_line *line); /* the next point begins anew */
void ae_svg_line_end(struct ae_svg_line *line, const char *title);

/* Letters at the right, each at its line's end or as near as there is room. */
struct ae_svg_letters {
    unsigned count;
    struct {
        double x, y;
        unsigned contender;
    } each[32];
};

void ae_svg_letters_add(struct ae_svg_letters *letters, unsigned contender, double x, double y);
void ae_svg_letters_draw(const struct ae_svg *svg, struct ae_svg_letters *letters);

#endif
