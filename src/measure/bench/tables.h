/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MEASURE_BENCH_TABLES_H
#define AE_MEASURE_BENCH_TABLES_H

/* The tables of a page, in HTML. */

#include "measure/bench/bench.h"

/* All of it in one: each contender of a wire at a load, and which is the fastest. */
void ae_bench_table_short(const struct ae_bench *bench, const struct ae_bench_load *load,
                          unsigned wire, FILE *out);

/* Each percentile with its spread. */
void ae_bench_table_ladder(const struct ae_bench *bench, const struct ae_bench_load *load,
                           unsigned wire, FILE *out);

/* Noisy by quiet at each percentile. */
void ae_bench_table_steadiness(const struct ae_bench *bench, const struct ae_bench_load *load,
                               unsigned wire, FILE *out);

void ae_bench_table_rates(const struct ae_bench *bench, const char *work, unsigned wire, FILE *out);

/* Who the contenders are, what they were started as, with which settings. */
void ae_bench_table_contenders(const struct ae_bench *bench, FILE *out);

/* The machine, the wires, the rounds, the certificates. */
void ae_bench_table_machine(const struct ae_bench *bench, FILE *out);
void ae_bench_table_rounds(const struct ae_bench *bench, FILE *out);
void ae_bench_table_certificates(const struct ae_bench *bench, FILE *out);

/* A command as one would type it, in HTML. */
void ae_bench_command(const json_t *words, FILE *out);

#endif
