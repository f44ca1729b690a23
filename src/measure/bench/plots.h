/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MEASURE_BENCH_PLOTS_H
#define AE_MEASURE_BENCH_PLOTS_H

/*
 * One plot each, of the contenders of one wire. The plots of a load or a work on a wire are drawn
 * on the same scales, whatever the host did. `id`: the plot's own in the page. Each returns whether
 * there was anything to plot, and draws nothing otherwise.
 */

#include "measure/bench/bench.h"

/* ---- ladder.c: how long the round trips are, on an axis of nines ---- */
bool ae_bench_plot_ladder(const struct ae_bench *bench, const struct ae_bench_load *load,
                          unsigned wire, enum ae_bench_host host, const char *id, FILE *out);

/* ---- slots.c: the longest round trip of each slot of time, of one contender ---- */
bool ae_bench_plot_slots(const struct ae_bench *bench, const struct ae_bench_load *load,
                         unsigned contender, enum ae_bench_host host, const char *id, FILE *out);

/* ---- rates.c: frames a second by their size ---- */
bool ae_bench_plot_rates(const struct ae_bench *bench, const char *work, unsigned wire,
                         enum ae_bench_host host, const char *id, FILE *out);

/* ---- steadiness.c: noisy by quiet at one percentile ---- */
bool ae_bench_plot_steadiness(const struct ae_bench *bench, const struct ae_bench_load *load,
                              unsigned wire, unsigned rung, const char *id, FILE *out);

/* Around every latency of this load on this wire; false: there is none. A time of 0 counts as
 * 1 ns. */
bool ae_bench_range(const struct ae_bench *bench, const struct ae_bench_load *load, unsigned wire,
                    double *least, double *most);

#endif
