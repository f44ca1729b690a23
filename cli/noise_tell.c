/* SPDX-License-Identifier: Apache-2.0 */
#include "noise.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <jansson.h>

#include <aether/clock.h>

#include "base/error.h"
#include "gap_json.h"
#include "json.h"
#include "measure/gap_summary.h"

static uint64_t growth(const struct cli_noise *noise, unsigned index,
                       const struct ae_counter *after)
{
    uint64_t count;

    ae_counters_growth(&noise->before[index], after, &count);
    return count;
}

static double us(uint64_t ticks)
{
    return (double)ae_clock_to_ns(ticks) / 1000.0;
}

/* The loop is shorter than a nanosecond's rounding. */
static double fine_ns(uint64_t ticks)
{
    return (double)ticks * 1e9 / (double)ae_clock_hz();
}

static double mean_loop_ns(const struct ae_gap_record *record)
{
    uint64_t polling = record->end - record->start - record->gap_ticks;

    return record->readings ? fine_ns(polling) / (double)record->readings : 0;
}

static const char *cause_text(enum ae_attribution attribution, const char *text)
{
    if (attribution == AE_ATTRIBUTED)
        return text;
    return attribution == AE_UNATTRIBUTED
               ? "unattributed: the kernel traced nothing (firmware, hypervisor, hardware)"
               : "not traced";
}

static const char *attribution_name(enum ae_attribution attribution)
{
    static const char *const names[] = {"attributed", "unattributed", "untraced"};

    return names[attribution];
}

static void print_head(const struct cli_noise *noise)
{
    printf("Gaps over %" PRIu64 " ns, %" PRIu64 " s, SCHED_%s; %s; clocksource %s.\n",
           noise->options.threshold_ns, noise->options.duration_ns / NS_PER_SECOND,
           noise->options.fifo_priority ? "FIFO" : "OTHER", noise->idle, noise->clocksource);
    if (noise->traced)
        printf(
            "Causes from %u tracepoints%s%s. Tracing lengthens what it sees by some 100 ns each.\n",
            noise->trace.events, noise->trace.missing[0] ? "; this kernel lacks " : "",
            noise->trace.missing);
    else
        printf("Reduced: gaps are measured, their causes are not known. %s.\n",
               noise->untraced.text);
}

static double percentile_us(const struct ae_gap_record *record, double percent)
{
    return (double)ae_histogram_percentile(&record->lengths, percent) / 1000.0;
}

static void print_histogram(const struct ae_gap_record *record)
{
    for (unsigned i = 0; i < AE_GAP_POWERS; i++) {
        uint64_t count = ae_gap_count_power(record, i);

        if (count)
            printf("  %12" PRIu64 " .. %-12" PRIu64 " ns %12" PRIu64 "\n", UINT64_C(1) << i,
                   (UINT64_C(2) << i) - 1, count);
    }
    printf("  lengths: 50%% %.3f us, 90%% %.3f us, 99%% %.3f us, 99.9%% %.3f us\n",
           percentile_us(record, 50), percentile_us(record, 90), percentile_us(record, 99),
           percentile_us(record, 99.9));
}

/* What the kernel counted meanwhile: the whole answer where it may not be traced. */
static void print_counters(const struct cli_noise *noise, unsigned index)
{
    const char *lead = "  counted meanwhile: ";
    const struct ae_counters *after = &noise->after[index];

    for (size_t i = 0; i < after->count; i++) {
        uint64_t more = growth(noise, index, &after->items[i]);

        if (more == 0)
            continue;
        printf("%s%s +%" PRIu64, lead, after->items[i].name, more);
        lead = ", ";
    }
    puts(*lead == ' ' ? "  counted meanwhile: nothing" : "");
}

static void print_cpu(const struct cli_noise *noise, unsigned index,
                      const struct ae_gap_summary *summary, uint64_t lost)
{
    const struct ae_gap_record *record = &noise->run.records[index];
    double share = (double)record->gap_ticks * 100.0 / (double)(record->end - record->start);

    printf("\nCPU %u: %" PRIu64 " gaps, longest %.3f us, %.4f %% of the time; loop %.1f ns at "
           "least, %.1f on average, %" PRIu64 " readings\n",
           record->cpu, record->gaps, us(record->longest), share, fine_ns(record->shortest),
           mean_loop_ns(record), record->readings);
    printf("  switches %" PRIu64 " voluntary, %" PRIu64 " forced; faults %" PRIu64 "%s%s\n",
           record->voluntary, record->involuntary, record->minor_faults + record->major_faults,
           record->locked ? "" : "; memory was not locked",
           record->cpu_end != record->cpu ? "; IT WAS MOVED TO ANOTHER CPU" : "");
    print_counters(noise, index);
    if (record->overflow)
        printf("  %" PRIu64 " gaps were counted but not kept: raise --threshold\n",
               record->overflow);
    if (lost)
        printf("  the trace lost %" PRIu64 " events; gaps before its first one are not traced\n",
               lost);
    if (record->gaps == 0)
        return;
    print_histogram(record);
    for (unsigned i = 0; noise->traced && i < summary->cause_count; i++) {
        const struct ae_cause *cause = &summary->causes[i];

        printf("  in %8" PRIu64 " gaps, longest %10.3f us: %s\n", cause->gaps, us(cause->longest),
               cause_text(cause->attribution, cause->text));
    }
    for (unsigned i = 0; i < summary->worst_count; i++) {
        const struct ae_gap_worst *worst = &summary->worst[i];

        printf("  worst %2u  %10.3f us  at %12.6f s  %s\n", i + 1,
               us(worst->gap.end - worst->gap.start), us(worst->gap.start - record->start) / 1e6,
               cause_text(worst->attribution, worst->text));
    }
}

static json_t *json_causes(const struct ae_gap_summary *summary)
{
    json_t *causes = json_array();

    for (unsigned i = 0; i < summary->cause_count; i++) {
        const struct ae_cause *cause = &summary->causes[i];

        json_array_append_new(causes,
                              json_pack("{s:s, s:s, s:I, s:I, s:I}", "attribution",
                                        attribution_name(cause->attribution), "cause", cause->text,
                                        "gaps", (json_int_t)cause->gaps, "total_ns",
                                        (json_int_t)ae_clock_to_ns(cause->ticks), "longest_ns",
                                        (json_int_t)ae_clock_to_ns(cause->longest)));
    }
    return causes;
}

static json_t *json_worst(const struct ae_gap_record *record, const struct ae_gap_summary *summary)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < summary->worst_count; i++) {
        const struct ae_gap_worst *worst = &summary->worst[i];

        json_array_append_new(
            list,
            json_pack("{s:I, s:I, s:s, s:s}", "at_ns",
                      (json_int_t)ae_clock_to_ns(worst->gap.start - record->start), "ns",
                      (json_int_t)ae_clock_to_ns(worst->gap.end - worst->gap.start), "attribution",
                      attribution_name(worst->attribution), "cause", worst->text));
    }
    return list;
}

static json_t *json_counters(const struct cli_noise *noise, unsigned index)
{
    const struct ae_counters *after = &noise->after[index];
    json_t *rows = json_array();

    for (size_t i = 0; i < after->count; i++) {
        uint64_t more = growth(noise, index, &after->items[i]);

        if (more)
            json_array_append_new(rows, json_pack("{s:s, s:I}", "row", after->items[i].name,
                                                  "count", (json_int_t)more));
    }
    return rows;
}

static json_t *json_cpu(const struct cli_noise *noise, unsigned index,
                        const struct ae_gap_summary *summary, uint64_t lost)
{
    const struct ae_gap_record *record = &noise->run.records[index];

    return json_pack(
        "{s:i, s:b, s:b, s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
        "s:I, s:o, s:o, s:o, s:o}",
        "cpu", (int)record->cpu, "stayed", record->cpu_end == record->cpu, "memory_locked",
        (int)record->locked, "measured_ns", (json_int_t)ae_clock_to_ns(record->end - record->start),
        "readings", (json_int_t)record->readings, "loop_least_ns", fine_ns(record->shortest),
        "loop_mean_ns", mean_loop_ns(record), "gaps", (json_int_t)record->gaps, "gaps_ns",
        (json_int_t)ae_clock_to_ns(record->gap_ticks), "longest_ns",
        (json_int_t)ae_clock_to_ns(record->longest), "overflow", (json_int_t)record->overflow,
        "attributed", (json_int_t)summary->attributed, "unattributed",
        (json_int_t)summary->unattributed, "untraced", (json_int_t)summary->untraced, "trace_lost",
        (json_int_t)lost, "voluntary_switches", (json_int_t)record->voluntary, "forced_switches",
        (json_int_t)record->involuntary, "faults",
        (json_int_t)(record->minor_faults + record->major_faults), "histogram",
        cli_gap_histogram(record), "counted", json_counters(noise, index), "causes",
        json_causes(summary), "worst", json_worst(record, summary));
}

static int report_cpu(const struct cli_noise *noise, unsigned index, json_t *cpus,
                      struct ae_error *err)
{
    const struct ae_gap_record *record = &noise->run.records[index];
    struct ae_gap_trace_cpu traced = {0};
    struct ae_gap_summary summary;
    int rc = noise->traced ? ae_gap_trace_read(&noise->trace, record->cpu, &traced, err) : 0;

    if (rc)
        return rc;
    rc = ae_gap_summarise(&summary, record, noise->traced ? &traced.trace : NULL, traced.blur,
                          noise->top);
    if (rc)
        rc = ae_error_set(err, rc, "adding up the gaps of CPU %u: out of memory", record->cpu);
    else if (noise->json)
        json_array_append_new(cpus, json_cpu(noise, index, &summary, traced.lost));
    else
        print_cpu(noise, index, &summary, traced.lost);
    ae_gap_trace_cpu_free(&traced);
    if (!rc)
        ae_gap_summary_free(&summary);
    return rc;
}

int cli_noise_tell(const struct cli_noise *noise, struct ae_error *err)
{
    json_t *cpus = json_array(), *all;
    int rc = 0;

    if (!noise->json)
        print_head(noise);
    for (unsigned i = 0; !rc && i < noise->run.count; i++)
        rc = report_cpu(noise, i, cpus, err);
    if (rc || !noise->json) {
        json_decref(cpus);
        return rc;
    }
    all = json_pack("{s:I, s:I, s:I, s:s, s:s, s:b, s:s, s:s, s:o}", "seconds",
                    (json_int_t)(noise->options.duration_ns / NS_PER_SECOND), "threshold_ns",
                    (json_int_t)noise->options.threshold_ns, "fifo_priority",
                    (json_int_t)noise->options.fifo_priority, "idle", noise->idle, "clocksource",
                    noise->clocksource, "traced", (int)noise->traced, "untraced_because",
                    noise->traced ? "" : noise->untraced.text, "tracepoints_missing",
                    noise->traced ? noise->trace.missing : "", "cpus", cpus);
    cli_json_print(all, JSON_INDENT(2));
    return 0;
}
