/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A benchmark against an earlier one of the same machine. A figure is worse when its median is, by
 * more than noise: what the rounds of either benchmark already differ by.
 */

#include "measure/bench/bench.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/error.h"

#define ROUNDS_LEAST 3 /* of each: fewer have no spread to speak of */

#define ERROR 0.001 /* of a histogram's value: measure/histogram.c */

/* The maximum is one event, and the minimum as well. */
#define FIRST_RUNG 1
#define RUNGS      (AE_LADDER - 1)

#define LOST 0.001 /* of what was sent: fewer may be the machine's mishap */

#define RATE 0.1 /* by which offered loads may differ, and be the same */

struct against {
    FILE *out;
    json_t *list;
    int worse;
    unsigned compared, unspread; /* unspread: too few rounds */
    unsigned apart;              /* latencies under another rate */
};

static bool is_same_wire(const struct ae_bench *bench, unsigned wire, const struct ae_bench *old,
                         unsigned old_wire)
{
    static const char *const names[] = {"name", "card", "driver"};
    bool same = true;

    for (unsigned i = 0; i < 3; i++)
        same = same && json_equal(json_object_get(json_array_get(bench->wires, wire), names[i]),
                                  json_object_get(json_array_get(old->wires, old_wire), names[i]));
    return same;
}

/* A contender of `bench` in the other, on the same wire; -1: it is not there. */
static int find(const struct ae_bench *bench, unsigned contender, const struct ae_bench *other)
{
    const struct ae_bench_contender *one = &bench->contenders[contender];

    for (unsigned i = 0; i < other->contender_count; i++)
        if (strcmp(other->contenders[i].name, one->name) == 0 &&
            is_same_wire(bench, one->wire, other, other->contenders[i].wire))
            return (int)i;
    return -1;
}

static int check_machine(const struct ae_bench *bench, const struct ae_bench *old,
                         struct ae_error *err)
{
    static const char *const names[] = {"processor", "cpus_online", "emulated"};

    for (unsigned i = 0; i < 3; i++)
        if (!json_equal(json_object_get(bench->machine, names[i]),
                        json_object_get(old->machine, names[i])))
            return ae_error_set(err, -EINVAL,
                                "the baseline is of another machine: its %s is not the same",
                                names[i]);
    return 0;
}

/*
 * The spreads of both, from the least round to the greatest. Few rounds show little of their
 * spread: by these factors one figure in ten thousand that is as it was, and normally distributed,
 * is called worse.
 */
static double noise_of(const struct ae_bench_spread *now, const struct ae_bench_spread *old)
{
    unsigned rounds = now->rounds < old->rounds ? now->rounds : old->rounds;
    double factor = rounds <= 3 ? 3 : rounds == 4 ? 1.4 : 1;

    return factor * (now->most - now->least + old->most - old->least) +
           ERROR * (now->median + old->median);
}

static void judge(struct against *against, const char *figure, const struct ae_bench_spread *now,
                  const struct ae_bench_spread *old, bool more_is_better, double least)
{
    double by = more_is_better ? old->median - now->median : now->median - old->median;
    double noise = noise_of(now, old) + least;

    if (now->rounds < ROUNDS_LEAST || old->rounds < ROUNDS_LEAST) {
        against->unspread++;
        return;
    }
    against->compared++;
    if (by <= noise)
        return;
    against->worse++;
    fprintf(against->out, "worse: %s: %.6g, was %.6g", figure, now->median, old->median);
    if (old->median > 0)
        fprintf(against->out, " (%+.1f %%)", 100 * (now->median / old->median - 1));
    fprintf(against->out, "; noise is %.4g\n", noise);
    json_array_append_new(against->list,
                          json_pack("{s:s, s:f, s:f, s:f}", "figure", figure, "now", now->median,
                                    "before", old->median, "noise", noise));
}

static void judge_latency(struct against *against, const struct ae_bench *bench,
                          const struct ae_bench_latency *now, const struct ae_bench_latency *old)
{
    struct ae_bench_spread lost = ae_bench_lost(now), was_lost = ae_bench_lost(old);
    char title[120], figure[300];

    if (fabs((double)now->load.rate - (double)old->load.rate) > RATE * (double)old->load.rate) {
        against->apart++;
        return;
    }
    snprintf(figure, sizeof(figure), "%s, %s host, %s, lost of all that were sent",
             bench->contenders[now->contender].name, ae_bench_hosts[now->host],
             ae_bench_load_title(&now->load, title));
    judge(against, figure, &lost, &was_lost, false, LOST);
    for (unsigned rung = FIRST_RUNG; rung < RUNGS; rung++) {
        struct ae_bench_spread is = ae_bench_percentile(now, rung);
        struct ae_bench_spread was = ae_bench_percentile(old, rung);

        if (ae_bench_is_chance(now, rung) || ae_bench_is_chance(old, rung))
            continue;
        snprintf(figure, sizeof(figure), "%s, %s host, %s, %s, ns",
                 bench->contenders[now->contender].name, ae_bench_hosts[now->host],
                 ae_bench_load_title(&now->load, title), ae_ladder[rung].name);
        judge(against, figure, &is, &was, false, 0);
    }
}

static void judge_rate(struct against *against, const struct ae_bench *bench,
                       const struct ae_bench_throughput *now, const struct ae_bench *old_bench,
                       unsigned contender)
{
    for (unsigned i = 0; i < old_bench->throughput_count; i++) {
        const struct ae_bench_throughput *old = &old_bench->throughputs[i];
        struct ae_bench_spread is = ae_bench_rate(now), was = ae_bench_rate(old);
        char figure[300];

        if (old->contender != contender || old->host != now->host || old->frame != now->frame ||
            strcmp(old->work, now->work) != 0)
            continue;
        snprintf(figure, sizeof(figure), "%s, %s host, %s, frames of %u bytes, frames a second",
                 bench->contenders[now->contender].name, ae_bench_hosts[now->host], now->work,
                 now->frame);
        judge(against, figure, &is, &was, true, 0);
    }
}

/* Who took part to the end, and was asked to again, but did not. */
static void judge_contenders(struct against *against, const struct ae_bench *bench,
                             const struct ae_bench *old)
{
    for (unsigned i = 0; i < bench->contender_count; i++) {
        const struct ae_bench_contender *now = &bench->contenders[i];
        int was = find(bench, i, old);
        char figure[700];

        if (was < 0 || !old->contenders[was].runs || old->contenders[was].why[0] || !now->why[0])
            continue;
        against->worse++;
        snprintf(figure, sizeof(figure), "%s, which took part to the end: %s", now->name, now->why);
        fprintf(against->out, "worse: %s\n", figure);
        json_array_append_new(against->list, json_pack("{s:s, s:n, s:n, s:n}", "figure", figure,
                                                       "now", "before", "noise"));
    }
}

int ae_bench_against(const struct ae_bench *bench, const struct ae_bench *old, FILE *out,
                     json_t *list, struct ae_error *err)
{
    struct against against = {.out = out, .list = list};
    int rc = check_machine(bench, old, err);

    if (rc)
        return rc;
    for (unsigned i = 0; i < bench->latency_count; i++) {
        const struct ae_bench_latency *now = &bench->latencies[i], *was = NULL;
        int contender = find(bench, now->contender, old);

        if (contender >= 0)
            was = ae_bench_latency(old, (unsigned)contender, now->host, &now->load);
        if (was)
            judge_latency(&against, bench, now, was);
    }
    for (unsigned i = 0; i < bench->throughput_count; i++) {
        const struct ae_bench_throughput *now = &bench->throughputs[i];
        int contender = find(bench, now->contender, old);

        if (contender >= 0)
            judge_rate(&against, bench, now, old, (unsigned)contender);
    }
    judge_contenders(&against, bench, old);
    if (against.compared == 0 && against.worse == 0)
        return ae_error_set(err, -EINVAL,
                            "the baseline has no figure to compare with: both need the same "
                            "contenders and loads, and %d rounds that count of each",
                            ROUNDS_LEAST);
    fprintf(out, "%u figures were compared with the baseline, %d are worse", against.compared,
            against.worse);
    if (against.unspread)
        fprintf(out, "; %u have fewer than %d rounds, and say nothing", against.unspread,
                ROUNDS_LEAST);
    if (against.apart)
        fprintf(out, "; %u were measured at rates more than %.0f %% apart, and were not",
                against.apart, 100 * RATE);
    putc('\n', out);
    return against.worse;
}
