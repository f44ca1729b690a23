/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/proof.h>

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <aether/clock.h>

#include "base/cpus.h"
#include "base/error.h"
#include "base/root.h"
#include "partition/counters.h"
#include "proof/explain.h"
#include "proof/gap_trace.h"
#include "proof/task.h"

#define TRACE_KB  1024
#define CAUSES    64
#define OTHERS    "other causes" /* when there are more than CAUSES */
#define MISSING   8
#define REMARKS   8

/* A cause that the trace names, and how often. */
struct cause {
    char text[AE_CAUSE_TEXT];
    uint64_t times;
};

struct snapshot {
    uint64_t ticks;
    struct ae_counters cpu;
    struct ae_task_counters task;
};

struct ae_proof {
    unsigned cpu;
    pid_t pid;
    bool traced;
    bool task_seen;
    bool began, ended;
    struct ae_gap_trace trace;
    struct snapshot before, after;
    struct cause causes[CAUSES];
    unsigned cause_count;
    char missing[MISSING][AE_ERROR_TEXT];
    unsigned missing_count;
    char remarks[REMARKS][AE_ERROR_TEXT];
    unsigned remark_count;
    uint64_t rows;    /* looked at */
    uint64_t nonzero; /* of them */
    enum ae_proof_verdict verdict;
};

static void note_missing(struct ae_proof *proof, const char *what, const char *why)
{
    if (proof->missing_count < MISSING)
        snprintf(proof->missing[proof->missing_count++], sizeof(proof->missing[0]), "%s: %.600s",
                 what, why);
}

static int check_caller(int cpu, struct ae_error *err)
{
    cpu_set_t set;

    if (cpu < 0 || cpu >= CPU_SETSIZE)
        return ae_error_set(err, -EINVAL, "proving CPU %d: there is no such CPU", cpu);
    if (!sched_getaffinity(0, sizeof(set), &set) && CPU_ISSET((size_t)cpu, &set))
        return ae_error_set(err, -EINVAL,
                            "proving CPU %d: this process may run there itself and would disturb "
                            "what it looks at; bind it to other CPUs",
                            cpu);
    return 0;
}

static void arm(struct ae_proof *proof)
{
    struct ae_cpus cpus;
    struct ae_error err;

    ae_cpus_clear(&cpus);
    ae_cpus_add(&cpus, proof->cpu);
    if (ae_gap_trace_open(&proof->trace, &cpus, TRACE_KB, &err)) {
        note_missing(proof, "system calls, signals and the causes of disturbances", err.text);
        return;
    }
    if (ae_gap_trace_switch(&proof->trace, 1, &err)) {
        ae_gap_trace_close(&proof->trace);
        note_missing(proof, "system calls, signals and the causes of disturbances", err.text);
        return;
    }
    proof->traced = true;
    if (strstr(proof->trace.missing, "sys_enter"))
        note_missing(proof, "system calls", "this kernel has no tracepoint raw_syscalls:sys_enter");
}

int ae_proof_prepare(struct ae_proof **out, int cpu, struct ae_error *err)
{
    struct ae_proof *proof;
    int rc = check_caller(cpu, err);

    if (!rc)
        rc = ae_clock_calibrate(err);
    if (rc)
        return rc;
    proof = calloc(1, sizeof(*proof));
    if (!proof)
        return ae_error_set(err, -ENOMEM, "proving CPU %d: out of memory", cpu);
    proof->cpu = (unsigned)cpu;
    arm(proof);
    *out = proof;
    return 0;
}

static int take(struct ae_proof *proof, struct snapshot *snapshot, struct ae_error *err)
{
    struct ae_cpus cpus;
    int rc;

    ae_cpus_clear(&cpus);
    ae_cpus_add(&cpus, proof->cpu);
    ae_counters_free(&snapshot->cpu);
    rc = ae_counters_read(&snapshot->cpu, &cpus);
    return rc ? ae_error_set(err, rc, "reading the counters of CPU %u: %s", proof->cpu,
                             strerror(-rc))
              : 0;
}

int ae_proof_begin(struct ae_proof *proof, pid_t pid, struct ae_error *err)
{
    int rc;

    proof->pid = pid;
    if (ae_task_counters_read(&proof->before.task, pid))
        return ae_error_set(err, -ESRCH, "proving CPU %u: there is no process %d", proof->cpu, pid);
    rc = take(proof, &proof->before, err);
    proof->began = !rc;
    /* What the reading itself may cause elsewhere lies before this moment. */
    proof->before.ticks = ae_clock_ticks();
    return rc;
}

int ae_proof_end(struct ae_proof *proof, struct ae_error *err)
{
    int rc;

    if (!proof->began)
        return ae_error_set(err, -EINVAL, "proving CPU %u: it has not begun", proof->cpu);
    proof->after.ticks = ae_clock_ticks();
    rc = take(proof, &proof->after, err);
    proof->task_seen = !ae_task_counters_read(&proof->after.task, proof->pid);
    proof->ended = !rc;
    return rc;
}

static double seconds(const struct ae_proof *proof)
{
    return proof->ended
               ? (double)ae_clock_to_ns(proof->after.ticks - proof->before.ticks) / 1e9
               : 0;
}

uint64_t ae_proof_end_ticks(const struct ae_proof *proof)
{
    return proof->ended ? proof->after.ticks : 0;
}

/* How much a row grew; a row that came meanwhile grew from nothing. */
static uint64_t growth(const struct ae_proof *proof, const struct ae_counter *after)
{
    const struct ae_counter *before = ae_counters_find(&proof->before.cpu, after->name);

    return after->value - (before ? before->value : 0);
}

static bool has_rows(const struct ae_counters *counters, const char *prefix)
{
    for (size_t i = 0; i < counters->count; i++)
        if (strncmp(counters->items[i].name, prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

/*
 * A CPU on which nothing runs is quiet as well. That the worker had it shows in its state at both ends
 * and in its CPU time, which a kernel without a tick brings up to date about once a second.
 */
static void check_presence(struct ae_proof *proof)
{
    const struct ae_task_counters *before = &proof->before.task, *after = &proof->after.task;
    double had = (double)(after->cpu_time - before->cpu_time) / (double)sysconf(_SC_CLK_TCK);
    double all = seconds(proof);
    char why[96];

    if (before->state != 'R' || (after->state != 'R' && after->state != 'Z')) {
        snprintf(why, sizeof(why), "it was not running at both ends (state %c, then %c)",
                 before->state ? before->state : '?', after->state ? after->state : '?');
        note_missing(proof, "that the worker had the CPU", why);
    } else if (!before->cpu_time_seen || !after->cpu_time_seen) {
        note_missing(proof, "that the worker had the CPU", "the kernel does not tell its CPU time");
    } else if (had < all * 0.9 - 1.5) {
        snprintf(why, sizeof(why), "it used %.2f s of %.2f s", had, all);
        note_missing(proof, "that the worker had the CPU", why);
    }
}

static void compare(struct ae_proof *proof)
{
    static const char *const needed[][2] = {
        {"irq:", "/proc/interrupts"}, {"softirq:", "/proc/softirqs"}, {"sched:", "/proc/schedstat"}};

    for (size_t i = 0; i < proof->after.cpu.count; i++) {
        proof->rows++;
        proof->nonzero += growth(proof, &proof->after.cpu.items[i]) != 0;
    }
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (!has_rows(&proof->after.cpu, needed[i][0]))
            note_missing(proof, needed[i][1], "it has no row for this CPU");
    for (size_t i = 0; i < proof->before.cpu.count; i++)
        if (!ae_counters_find(&proof->after.cpu, proof->before.cpu.items[i].name))
            note_missing(proof, proof->before.cpu.items[i].name, "its row is gone");
    if (!proof->task_seen) {
        note_missing(proof, "context switches and faults of the worker", "it is gone");
        return;
    }
    check_presence(proof);
    for (unsigned i = 0; i < AE_TASK_COUNTERS; i++) {
        if (!proof->before.task.seen[i] || !proof->after.task.seen[i]) {
            if (ae_task_counter_names[i].needed)
                note_missing(proof, ae_task_counter_names[i].name, "the kernel does not tell");
            continue;
        }
        proof->rows++;
        proof->nonzero += proof->after.task.value[i] != proof->before.task.value[i];
    }
}

static void add_cause(struct ae_proof *proof, const char *text)
{
    for (unsigned i = 0; i < proof->cause_count; i++)
        if (strcmp(proof->causes[i].text, text) == 0) {
            proof->causes[i].times++;
            return;
        }
    if (proof->cause_count == CAUSES - 1 && strcmp(text, OTHERS) != 0) {
        add_cause(proof, OTHERS);
        return;
    }
    snprintf(proof->causes[proof->cause_count].text, AE_CAUSE_TEXT, "%s", text);
    proof->causes[proof->cause_count++].times = 1;
}

static void collect_causes(struct ae_proof *proof)
{
    struct ae_gap_trace_cpu record;
    struct ae_error err;

    ae_gap_trace_switch(&proof->trace, 0, NULL);
    if (ae_gap_trace_read(&proof->trace, proof->cpu, &record, &err)) {
        note_missing(proof, "the causes of disturbances", err.text);
        return;
    }
    for (size_t i = 0; i < record.trace.count; i++) {
        const struct ae_attribution_event *event = &record.trace.events[i];
        char text[AE_CAUSE_TEXT];

        if (event->ticks < proof->before.ticks || event->ticks > proof->after.ticks)
            continue;
        ae_attribution_name(event, text, sizeof(text));
        if (text[0])
            add_cause(proof, text);
    }
    if (record.lost && record.trace.from > proof->before.ticks)
        note_missing(proof, "some causes of disturbances", "the trace lost events");
    ae_gap_trace_cpu_free(&record);
}

void ae_proof_remark(struct ae_proof *proof, const char *text)
{
    if (proof->remark_count < REMARKS)
        snprintf(proof->remarks[proof->remark_count++], sizeof(proof->remarks[0]), "%s", text);
}

enum ae_proof_verdict ae_proof_finish(struct ae_proof *proof)
{
    if (!proof->ended)
        note_missing(proof, "everything", "the worker never was quiet from beginning to end");
    else
        compare(proof);
    if (proof->traced) {
        if (proof->ended)
            collect_causes(proof);
        ae_gap_trace_close(&proof->trace);
        proof->traced = false;
    }
    if (proof->nonzero || proof->cause_count)
        proof->verdict = AE_PROOF_DISTURBED;
    else
        proof->verdict = proof->missing_count ? AE_PROOF_INCOMPLETE : AE_PROOF_QUIET;
    return proof->verdict;
}

void ae_proof_destroy(struct ae_proof *proof)
{
    if (!proof)
        return;
    if (proof->traced)
        ae_gap_trace_close(&proof->trace);
    ae_counters_free(&proof->before.cpu);
    ae_counters_free(&proof->after.cpu);
    free(proof);
}

/* ---- Telling ---- */

static const char *const verdicts[] = {"quiet", "disturbed", "incomplete"};

static uint64_t task_growth(const struct ae_proof *proof, unsigned i)
{
    return proof->after.task.value[i] - proof->before.task.value[i];
}

static uint64_t sum_of(const struct ae_proof *proof, const char *prefix)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < proof->after.cpu.count; i++)
        if (strncmp(proof->after.cpu.items[i].name, prefix, strlen(prefix)) == 0)
            sum += growth(proof, &proof->after.cpu.items[i]);
    return sum;
}

static void print_group(const struct ae_proof *proof, FILE *out, const char *title,
                        const char *prefix)
{
    if (!has_rows(&proof->after.cpu, prefix)) {
        fprintf(out, "  %-34s not seen\n", title);
        return;
    }
    fprintf(out, "  %-34s %8" PRIu64 "\n", title, sum_of(proof, prefix));
    for (size_t i = 0; i < proof->after.cpu.count; i++) {
        const struct ae_counter *row = &proof->after.cpu.items[i];
        const char *name = strchr(row->name, ':') + 1;

        if (strncmp(row->name, prefix, strlen(prefix)) == 0 && growth(proof, row))
            fprintf(out, "    %-32s %8" PRIu64 "  %s\n", name, growth(proof, row),
                    ae_proof_explain(row->name));
    }
}

void ae_proof_print(const struct ae_proof *proof, FILE *out)
{
    fprintf(out, "Proof: CPU %u, process %d, %.3f s: %s\n", proof->cpu, proof->pid, seconds(proof),
            verdicts[proof->verdict]);
    if (proof->ended) {
        print_group(proof, out, "interrupts (all rows)", "irq:");
        print_group(proof, out, "softirqs (all rows)", "softirq:");
        print_group(proof, out, "times a task was put on the CPU", "sched:");
    }
    for (unsigned i = 0; i < AE_TASK_COUNTERS && proof->task_seen; i++) {
        if (proof->before.task.seen[i] && proof->after.task.seen[i])
            fprintf(out, "  %-34s %8" PRIu64 "\n", ae_task_counter_names[i].name,
                    task_growth(proof, i));
        else
            fprintf(out, "  %-34s not seen\n", ae_task_counter_names[i].name);
    }
    for (unsigned i = 0; i < proof->cause_count; i++)
        fprintf(out, "  traced: %-26s %8" PRIu64 "\n", proof->causes[i].text,
                proof->causes[i].times);
    for (unsigned i = 0; i < proof->missing_count; i++)
        fprintf(out, "  not seen: %s\n", proof->missing[i]);
    for (unsigned i = 0; i < proof->remark_count; i++)
        fprintf(out, "  note: %s\n", proof->remarks[i]);
}

static json_t *rows_json(const struct ae_proof *proof)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < proof->after.cpu.count; i++) {
        const struct ae_counter *row = &proof->after.cpu.items[i];

        json_array_append_new(rows, json_pack("{s:s, s:I, s:s}", "row", row->name, "count",
                                              (json_int_t)growth(proof, row), "means",
                                              ae_proof_explain(row->name)));
    }
    for (unsigned i = 0; i < AE_TASK_COUNTERS && proof->task_seen; i++)
        if (proof->before.task.seen[i] && proof->after.task.seen[i])
            json_array_append_new(rows, json_pack("{s:s+, s:I}", "row", "task:",
                                                  ae_task_counter_names[i].name, "count",
                                                  (json_int_t)task_growth(proof, i)));
    return rows;
}

char *ae_proof_json(const struct ae_proof *proof)
{
    json_t *causes = json_array(), *missing = json_array(), *remarks = json_array(), *all;
    struct utsname machine;
    char *text;

    uname(&machine);
    for (unsigned i = 0; i < proof->cause_count; i++)
        json_array_append_new(causes, json_pack("{s:s, s:I}", "cause", proof->causes[i].text,
                                                "times", (json_int_t)proof->causes[i].times));
    for (unsigned i = 0; i < proof->missing_count; i++)
        json_array_append_new(missing, json_string(proof->missing[i]));
    for (unsigned i = 0; i < proof->remark_count; i++)
        json_array_append_new(remarks, json_string(proof->remarks[i]));
    all = json_pack("{s:i, s:s, s:s, s:s, s:i, s:i, s:f, s:o, s:o, s:o, s:o}", "schema", 1, "verdict",
                    verdicts[proof->verdict], "host", machine.nodename, "kernel", machine.release,
                    "cpu", (int)proof->cpu, "pid", (int)proof->pid, "seconds", seconds(proof),
                    "rows", rows_json(proof), "causes", causes, "not_seen", missing, "notes",
                    remarks);
    text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;
    json_decref(all);
    return text;
}
