/* SPDX-License-Identifier: Apache-2.0 */

/* Tables for a terminal. */

#include "measure/bench/bench.h"

#include <string.h>

static const char *time_of(const struct ae_bench_latency *latency, unsigned rung, char text[24])
{
    if (!latency || ae_bench_is_chance(latency, rung))
        return "-";
    return ae_bench_time(ae_bench_percentile(latency, rung).median, "us", text);
}

static void print_row(const struct ae_bench *bench, const struct ae_bench_load *load,
                      unsigned contender, enum ae_bench_host host, FILE *out)
{
    const struct ae_bench_latency *latency = ae_bench_latency(bench, contender, host, load);
    uint64_t lost = 0;
    char text[24];

    if (!latency)
        return;
    fprintf(out, "  %-28.28s %-6s", bench->contenders[contender].title, ae_bench_hosts[host]);
    for (unsigned rung = 1; rung < AE_LADDER; rung++)
        fprintf(out, "%10s", time_of(latency, rung, text));
    for (unsigned i = 0; i < latency->round_count; i++)
        lost += latency->rounds[i].lost;
    fprintf(out, "%8llu", (unsigned long long)lost);
    if (host == AE_BENCH_NOISY) {
        struct ae_bench_spread steadiness = ae_bench_steadiness(
            ae_bench_latency(bench, contender, AE_BENCH_QUIET, load), latency, AE_LADDER - 3);

        if (steadiness.rounds)
            fprintf(out, "%9.2f", steadiness.median);
    }
    putc('\n', out);
}

static void print_load(const struct ae_bench *bench, const struct ae_bench_load *load,
                       unsigned wire, FILE *out)
{
    const struct ae_bench_latency *first = NULL;
    char title[120], rate[24];

    for (unsigned i = bench->latency_count; i > 0; i--)
        if (ae_bench_is_at(bench, &bench->latencies[i - 1], load, wire))
            first = &bench->latencies[i - 1];
    if (!first)
        return;
    fprintf(out, "\nRound trips over %s, %s",
            ae_bench_text(json_array_get(bench->wires, wire), "what"),
            ae_bench_load_title(load, title));
    if (load->percent >= 0)
        fprintf(out, ": %s frames a second", ae_bench_rate_text((double)first->load.rate, rate));
    fprintf(out, "\n  %-28s %-6s", "", "host");
    for (unsigned rung = 1; rung < AE_LADDER; rung++)
        fprintf(out, "%10s", ae_ladder[rung].name);
    fprintf(out, "%8s%9s\n", "lost", "noisy/q.");
    for (unsigned i = 0; i < bench->contender_count; i++)
        for (unsigned host = 0; host < AE_BENCH_HOSTS; host++)
            if (bench->contenders[i].wire == wire)
                print_row(bench, load, i, host, out);
}

static void print_rates(const struct ae_bench *bench, FILE *out)
{
    if (bench->throughput_count)
        fprintf(out, "\nFrames a second\n  %-28s %-6s %-10s%6s%10s%12s\n", "", "host", "work",
                "bytes", "median", "spread");
    for (unsigned i = 0; i < bench->throughput_count; i++) {
        const struct ae_bench_throughput *one = &bench->throughputs[i];
        struct ae_bench_spread rate = ae_bench_rate(one);
        char median[24], least[24], most[24];

        fprintf(out, "  %-28.28s %-6s %-10s%6u%10s  %s..%s\n",
                bench->contenders[one->contender].title, ae_bench_hosts[one->host], one->work,
                one->frame, ae_bench_rate_text(rate.median, median),
                ae_bench_rate_text(rate.least, least), ae_bench_rate_text(rate.most, most));
    }
}

static void print_absent(const struct ae_bench *bench, FILE *out)
{
    for (unsigned i = 0; i < bench->contender_count; i++)
        if (bench->contenders[i].why[0])
            fprintf(out, "  %s %s: %s\n", bench->contenders[i].title,
                    bench->contenders[i].runs ? "took no part any more" : "did not run",
                    bench->contenders[i].why);
}

static unsigned count_refused(const struct ae_bench *bench)
{
    unsigned refused = 0;
    size_t i;
    json_t *round;

    json_array_foreach (bench->rounds, i, round)
        refused += json_is_string(json_object_get(round, "refused"));
    return refused;
}

static void print_certificates(const struct ae_bench *bench, FILE *out)
{
    size_t i;
    json_t *one;

    if (json_array_size(bench->certificates))
        fputs("\nProofs\n", out);
    json_array_foreach (bench->certificates, i, one) {
        const json_t *entries = json_object_get(one, "entries");

        fprintf(out, "  %s, %s host: %s, %.1f s", ae_bench_text(one, "contender"),
                ae_bench_text(one, "host"), ae_bench_text(one, "verdict"),
                json_number_value(json_object_get(one, "seconds")));
        if (json_is_integer(entries))
            fprintf(out, ", %lld kernel entries", (long long)json_integer_value(entries));
        putc('\n', out);
    }
}

void ae_bench_print(const struct ae_bench *bench, FILE *out)
{
    struct ae_bench_load loads[AE_BENCH_LOADS];
    unsigned count = ae_bench_loads(bench, loads, AE_BENCH_LOADS);
    size_t i;
    json_t *wire;

    json_array_foreach (bench->wires, i, wire)
        fprintf(out, "%s%s", i ? ", " : "", ae_bench_text(wire, "what"));
    fprintf(out, "; %s, Linux %s%s\n", ae_bench_text(bench->machine, "processor"),
            ae_bench_text(bench->machine, "kernel"),
            json_is_true(json_object_get(bench->machine, "emulated")) ? "; emulated" : "");
    if (strcmp(ae_bench_text(bench->all, "ended"), "whole") != 0)
        fprintf(out, "Not whole: %s\n", ae_bench_text(bench->all, "ended"));
    for (i = 0; i < count; i++)
        for (unsigned j = 0; j < bench->wire_count; j++)
            print_load(bench, &loads[i], j, out);
    print_rates(bench, out);
    print_certificates(bench, out);
    fprintf(out, "\nMedians of the rounds that count; %u of %zu were refused\n",
            count_refused(bench), json_array_size(bench->rounds));
    print_absent(bench, out);
}
