/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MEASURE_BENCH_BENCH_H
#define AE_MEASURE_BENCH_BENCH_H

/*
 * A benchmark's file (share/aether.bench.schema.json), which anybody may have written, and what is
 * made of it. A file here uses those above it:
 *
 *     shape.c         whether a JSON value has the shape that a table describes
 *     format.c        the tables: the schema, for C
 *     read.c          from a file, checked, to struct ae_bench
 *     figures.c       medians of rounds and their spread; noisy by quiet
 *     baseline.c      against an earlier one
 *     text.c          tables for a terminal
 *     percentiles.c   HdrHistogram's text
 *     svg.c           scales, axes and lines
 *     ladder.c slots.c rates.c steadiness.c   one plot each
 *     style.c         how a page looks
 *     tables.c        the tables beside the plots; tables_how.c how it was measured
 *     page.c          the page
 *     anonymous.c     what a report must not say of whose machine it is
 *
 * Times are in ns, rates in frames a second. Texts were made plain and are as long as the schema
 * allows; they are not escaped for HTML. One thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include <aether/error.h>

#include "measure/report.h"

#define AE_BENCH_FORMAT 1
#define AE_BENCH_MOST   (16u << 20) /* bytes of a file */

#define AE_BENCH_CONTENDERS 32
#define AE_BENCH_WIRES      8
#define AE_BENCH_ROUNDS     1000
#define AE_BENCH_LOADS      32    /* that differ */
#define AE_BENCH_EACH       1000  /* latencies, throughputs, certificates */
#define AE_BENCH_BUCKETS    30000 /* of a histogram */
#define AE_BENCH_SLOTS      2000
#define AE_BENCH_TRIPS      UINT64_C(500000000000) /* of a histogram: eleven nines can be drawn */

enum ae_bench_host { AE_BENCH_QUIET, AE_BENCH_NOISY, AE_BENCH_HOSTS };

extern const char *const ae_bench_hosts[AE_BENCH_HOSTS + 1]; /* "quiet", "noisy", NULL */

struct ae_bench_contender {
    const char *name, *title, *path, *caller;
    const char *why; /* it does not run, or not to the end; or "" */
    unsigned wire;
    bool runs;
};

struct ae_bench_load {
    const char *kind; /* "closed", "open", "bursts" */
    uint64_t rate;
    double percent; /* of the slowest's highest rate on its wire; negative: it was asked for as a
                       rate */
    unsigned frame; /* bytes, without FCS */
};

struct ae_bench_bucket {
    uint64_t ns; /* the greatest value in it */
    uint64_t count;
};

struct ae_bench_latency {
    unsigned contender;
    enum ae_bench_host host;
    struct ae_bench_load load;
    struct {
        uint64_t sent, lost, count;
        uint64_t at[AE_LADDER]; /* as ae_ladder */
    } * rounds;
    unsigned round_count;            /* at least 1 */
    struct ae_bench_bucket *buckets; /* rising, none empty */
    unsigned bucket_count;           /* at least 1 */
    uint64_t count;                  /* in all buckets */
    uint64_t slot_ns;
    int64_t *slots; /* the longest round trip that ended in it; -1: none did */
    unsigned slot_count;
};

struct ae_bench_throughput {
    unsigned contender;
    enum ae_bench_host host;
    const char *work; /* "loss_free", "receive", "send", "echo" */
    unsigned frame;
    double *rates; /* of each round */
    unsigned rate_count;
};

struct ae_bench {
    json_t
        *all; /* checked: whoever reads members that are not below need not ask whether they are */
    const json_t *machine, *wires, *rounds, *certificates;
    struct ae_bench_contender contenders[AE_BENCH_CONTENDERS];
    unsigned contender_count, wire_count;
    bool counts[AE_BENCH_HOSTS]
               [AE_BENCH_ROUNDS + 1]; /* the round of this number, beside this host */
    struct ae_bench_latency *latencies;
    unsigned latency_count;
    struct ae_bench_throughput *throughputs;
    unsigned throughput_count;
};

/* ---- read.c ---- */

/*
 * Reads a file, or `length` bytes of one. -EBADMSG: it is no benchmark, and err says which member
 * is wrong and what it must be. The caller frees it with ae_bench_free, which takes NULL.
 */
int ae_bench_read(struct ae_bench **bench, const char *file, struct ae_error *err);
int ae_bench_parse(struct ae_bench **bench, const char *text, size_t length, struct ae_error *err);
void ae_bench_free(struct ae_bench *bench);

/* A text member of a checked object; "" for null. */
const char *ae_bench_text(const json_t *object, const char *name);

/* ---- figures.c ---- */

struct ae_bench_spread {
    double median, least, most;
    unsigned rounds; /* 0: there are none, and the others are 0 */
};

/* Of one percentile of ae_ladder over the rounds of a latency; NULL has none. */
struct ae_bench_spread ae_bench_percentile(const struct ae_bench_latency *latency, unsigned rung);

/* The part of what was sent that was lost: 0 to 1. */
struct ae_bench_spread ae_bench_lost(const struct ae_bench_latency *latency);

struct ae_bench_spread ae_bench_rate(const struct ae_bench_throughput *throughput);

/* Noisy by quiet of one percentile, each round beside a noisy host with the one beside a quiet host
 * that has the same place among its kind. None where one of both is chance. */
struct ae_bench_spread ae_bench_steadiness(const struct ae_bench_latency *quiet,
                                           const struct ae_bench_latency *noisy, unsigned rung);

/* Lie fewer than five probes of a round beyond this percentile? Then it is one or two events. */
bool ae_bench_is_chance(const struct ae_bench_latency *latency, unsigned rung);

bool ae_bench_same_load(const struct ae_bench_load *one, const struct ae_bench_load *other);

/* Is it of this load, and of a contender on this wire? */
bool ae_bench_is_at(const struct ae_bench *bench, const struct ae_bench_latency *latency,
                    const struct ae_bench_load *load, unsigned wire);

/* The loads in the order in which they come first, at most `most` of them; returns how many. */
unsigned ae_bench_loads(const struct ae_bench *bench, struct ae_bench_load *loads, unsigned most);

/* NULL: it was not measured. */
const struct ae_bench_latency *ae_bench_latency(const struct ae_bench *bench, unsigned contender,
                                                enum ae_bench_host host,
                                                const struct ae_bench_load *load);

/* "one at a time, frames of 64 bytes" */
const char *ae_bench_load_title(const struct ae_bench_load *load, char title[120]);

/* "812 ns", "3.21 us" or, of a page, "3.21 µs"; "-" below 0. */
const char *ae_bench_time(double ns, const char *micro, char text[24]);

/* "14.8 M" frames a second. */
const char *ae_bench_rate_text(double rate, char text[24]);

/* By which plots and tables tell it: 'A' and on, without those that look like a digit. */
char ae_bench_letter(unsigned contender);

/* ---- baseline.c ---- */

/* Prints each figure that is worse than in `old` by more than the spreads of both together, and
 * each contender that takes no part any more, and puts it into `list`, unless that is NULL. Returns
 * how many; -EINVAL: they cannot be compared. */
int ae_bench_against(const struct ae_bench *bench, const struct ae_bench *old, FILE *out,
                     json_t *list, struct ae_error *err);

/* ---- text.c, percentiles.c, page.c ---- */

void ae_bench_print(const struct ae_bench *bench, FILE *out);

/* As HdrHistogram's outputPercentileDistribution writes it, five steps to each half, in us. */
void ae_bench_percentiles(const struct ae_bench_latency *latency, FILE *out);

/* A name without a directory for that: CONTENDER-HOST-LOAD-FRAME.hgrm. */
void ae_bench_percentiles_name(const struct ae_bench *bench, const struct ae_bench_latency *latency,
                               char name[160]);

/* One page of HTML that asks for nothing else. */
void ae_bench_page(const struct ae_bench *bench, FILE *out);

#endif
