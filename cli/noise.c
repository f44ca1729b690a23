/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include <aether/clock.h>

#include "base/error.h"
#include "base/root.h"
#include "cli.h"
#include "gap_json.h"
#include "json.h"
#include "measure/gap.h"
#include "measure/gap_summary.h"
#include "partition/counters.h"
#include "proof/gap_trace.h"

#define NS_PER_SECOND UINT64_C(1000000000)
#define KEPT          65536
#define DMA_LATENCY   "/dev/cpu_dma_latency"

struct noise {
    struct ae_gap_options options;
    bool cpus_named;
    unsigned top;
    bool json, no_trace;
    long latency; /* microseconds to ask of /dev/cpu_dma_latency; -1: leave it alone */

    bool traced;
    struct ae_gap_trace trace;
    struct ae_error untraced; /* why not */
    struct ae_gap_run run;
    struct ae_counters *before, *after; /* one per CPU */
    char idle[160];
    char clocksource[32];
};

enum { KEY_THRESHOLD = 256, KEY_FIFO, KEY_TOP, KEY_JSON, KEY_NO_TRACE, KEY_LATENCY };

static const struct argp_option arguments[] = {
    {"cpus", 'c', "LIST", 0, "CPUs to measure at once, such as 2-5,8 (all that this may run on)",
     0},
    {"seconds", 's', "N", 0, "how long (10)", 0},
    {"threshold", KEY_THRESHOLD, "NS", 0, "a gap is longer than this (1000)", 0},
    {"top", KEY_TOP, "N", 0, "worst gaps to show per CPU (10)", 0},
    {"fifo", KEY_FIFO, "PRIORITY", 0, "measure under SCHED_FIFO, 1 to 99", 0},
    {"cpu-dma-latency", KEY_LATENCY, "US", 0,
     "ask the kernel for this wake-up latency meanwhile: flatters a machine that does without", 0},
    {"no-trace", KEY_NO_TRACE, NULL, 0, "do not trace the kernel: no causes, no cost", 0},
    {"json", KEY_JSON, NULL, 0, "print JSON", 0},
    {0},
};

static uint64_t number(struct argp_state *state, const char *option, const char *text,
                       uint64_t least, uint64_t most)
{
    char *end;
    uint64_t value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || errno || *end || value < least || value > most)
        argp_error(state, "%s: '%s' is not a number from %" PRIu64 " to %" PRIu64, option, text,
                   least, most);
    return value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct noise *noise = state->input;

    switch (key) {
    case 'c':
        if (ae_cpus_parse(&noise->options.cpus, arg) || ae_cpus_count(&noise->options.cpus) == 0)
            argp_error(state, "--cpus: '%s' is not a list of CPUs such as 2-5,8", arg);
        noise->cpus_named = true;
        return 0;
    case 's':
        noise->options.duration_ns =
            number(state, "--seconds", arg, 1, AE_GAP_SECONDS_MAX) * NS_PER_SECOND;
        return 0;
    case KEY_THRESHOLD:
        noise->options.threshold_ns = number(state, "--threshold", arg, 1, NS_PER_SECOND);
        return 0;
    case KEY_TOP:
        noise->top = (unsigned)number(state, "--top", arg, 0, 1000);
        return 0;
    case KEY_FIFO:
        noise->options.fifo_priority = (int)number(state, "--fifo", arg, 1, 99);
        return 0;
    case KEY_LATENCY:
        noise->latency = (long)number(state, "--cpu-dma-latency", arg, 0, 1000000);
        return 0;
    case KEY_NO_TRACE:
        noise->no_trace = true;
        return 0;
    case KEY_JSON:
        noise->json = true;
        cli_json_ask();
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
    arguments,
    parse,
    NULL,
    "Polls the CPU's counter and shows every gap in which something else had the CPU, and what it "
    "was as far as the kernel tells.",
    NULL,
    NULL,
    NULL};

static void wake(int signal_number)
{
    (void)signal_number;
}

/* SIGINT and SIGTERM end the measurement but not this process, which has a trace to remove. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = wake};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void all_allowed(struct ae_cpus *cpus)
{
    char text[4096], *line, *end;
    size_t used;
    char *status;

    ae_cpus_clear(cpus);
    if (ae_root_read_all("/proc/self/status", &status) < 0)
        return;
    line = strstr(status, "Cpus_allowed_list:");
    if (line) {
        line += strcspn(line, "\t") + 1;
        end = strchrnul(line, '\n');
        used = (size_t)(end - line);
        if (used < sizeof(text)) {
            memcpy(text, line, used);
            text[used] = '\0';
            if (ae_cpus_parse(cpus, text))
                ae_cpus_clear(cpus);
        }
    }
    free(status);
}

static void look_at_latency(struct noise *noise)
{
    int fd = ae_root_open(DMA_LATENCY, O_RDONLY);
    int32_t value;

    if (fd >= 0 && read(fd, &value, sizeof(value)) == (ssize_t)sizeof(value))
        snprintf(noise->idle, sizeof(noise->idle), "C-states %s (" DMA_LATENCY " is %d us)",
                 value == 0 ? "held off by somebody" : "allowed", value);
    else
        snprintf(noise->idle, sizeof(noise->idle),
                 "C-states as the machine has them (" DMA_LATENCY " cannot be read)");
    if (fd >= 0)
        close(fd);
}

/* Asks for the wake-up latency as long as *held is open; -1: nothing was to be asked. */
static int hold_latency(struct noise *noise, int *held, struct ae_error *err)
{
    int32_t value = (int32_t)noise->latency;
    int fd, rc = 0;

    *held = -1;
    if (noise->latency < 0) {
        look_at_latency(noise);
        return 0;
    }
    fd = ae_root_open(DMA_LATENCY, O_RDWR);
    if (fd < 0)
        rc = fd;
    else if (write(fd, &value, sizeof(value)) != (ssize_t)sizeof(value))
        rc = -errno;
    if (rc && fd >= 0)
        close(fd);
    if (rc)
        return ae_error_set(err, rc, "asking " DMA_LATENCY " for %d us: %s; be root", value,
                            strerror(-rc));
    snprintf(noise->idle, sizeof(noise->idle), "C-states held to %d us by this measurement", value);
    *held = fd;
    return 0;
}

static void open_trace(struct noise *noise)
{
    uint64_t seconds = noise->options.duration_ns / NS_PER_SECOND;
    uint64_t kilobytes = 4096 + 512 * (seconds < 120 ? seconds : 120);

    if (noise->no_trace)
        ae_error_set(&noise->untraced, -ECANCELED, "tracing: not wanted (--no-trace)");
    else if (ae_gap_trace_open(&noise->trace, &noise->options.cpus, (unsigned)kilobytes,
                               &noise->untraced) == 0)
        noise->traced = true;
    if (noise->traced && ae_gap_trace_switch(&noise->trace, 1, &noise->untraced)) {
        ae_gap_trace_close(&noise->trace);
        noise->traced = false;
    }
}

/* Per CPU, in the order of CPU numbers: the same order as run.records. */
static void read_counters(const struct noise *noise, struct ae_counters *counters)
{
    const struct ae_cpus *cpus = &noise->options.cpus;
    unsigned i = 0;

    for (int cpu = ae_cpus_next(cpus, 0); cpu >= 0; cpu = ae_cpus_next(cpus, (unsigned)cpu + 1)) {
        struct ae_cpus one;

        ae_cpus_clear(&one);
        ae_cpus_add(&one, (unsigned)cpu);
        ae_counters_read(&counters[i++], &one);
    }
}

static void free_counters(struct noise *noise)
{
    for (unsigned i = 0; i < ae_cpus_count(&noise->options.cpus); i++) {
        ae_counters_free(&noise->before[i]);
        ae_counters_free(&noise->after[i]);
    }
}

static uint64_t growth(const struct noise *noise, unsigned index, const struct ae_counter *after)
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

static void print_head(const struct noise *noise)
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
static void print_counters(const struct noise *noise, unsigned index)
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

static void print_cpu(const struct noise *noise, unsigned index,
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

static json_t *json_counters(const struct noise *noise, unsigned index)
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

static json_t *json_cpu(const struct noise *noise, unsigned index,
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

static int report_cpu(const struct noise *noise, unsigned index, json_t *cpus, struct ae_error *err)
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

static int report(const struct noise *noise, struct ae_error *err)
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

static int measure(struct noise *noise, struct ae_error *err)
{
    int latency_fd, rc = hold_latency(noise, &latency_fd, err);

    if (rc)
        return rc;
    open_trace(noise);
    read_counters(noise, noise->before);
    rc = ae_gap_run(&noise->run, &noise->options, err);
    read_counters(noise, noise->after);
    if (noise->traced && ae_gap_trace_check(&noise->trace, &noise->untraced)) {
        ae_gap_trace_close(&noise->trace);
        noise->traced = false;
    }
    if (noise->traced && !rc)
        rc = ae_gap_trace_switch(&noise->trace, 0, err);
    if (!rc)
        rc = report(noise, err);
    if (noise->traced)
        ae_gap_trace_close(&noise->trace);
    ae_gap_run_free(&noise->run);
    free_counters(noise);
    if (latency_fd >= 0)
        close(latency_fd);
    return rc;
}

int cli_noise(int argc, char **argv)
{
    static char program[] = "aether noise";
    struct noise *noise = calloc(1, sizeof(*noise));
    struct ae_error err;
    int rc;

    if (!noise)
        return CLI_FAILED;
    noise->options.duration_ns = 10 * NS_PER_SECOND;
    noise->options.threshold_ns = 1000;
    noise->options.capacity = KEPT;
    noise->top = 10;
    noise->latency = -1;
    argv[0] = program;
    if (argp_parse(&argp, argc, argv, 0, NULL, noise)) {
        free(noise);
        return CLI_USAGE;
    }
    if (!noise->cpus_named)
        all_allowed(&noise->options.cpus);
    if (ae_root_read("/sys/devices/system/clocksource/clocksource0/current_clocksource",
                     noise->clocksource, sizeof(noise->clocksource)) < 0)
        strcpy(noise->clocksource, "unknown");
    catch_signals();
    noise->before = calloc(ae_cpus_count(&noise->options.cpus) + 1, sizeof(*noise->before));
    noise->after = calloc(ae_cpus_count(&noise->options.cpus) + 1, sizeof(*noise->after));
    rc = ae_clock_calibrate(&err);
    if (!rc && (!noise->before || !noise->after))
        rc = ae_error_set(&err, -ENOMEM, "out of memory");
    if (!rc)
        rc = measure(noise, &err);
    free(noise->before);
    free(noise->after);
    free(noise);
    return rc ? cli_fail("noise", &err) : CLI_OK;
}
