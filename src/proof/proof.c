/* SPDX-License-Identifier: Apache-2.0 */
#include <aether/proof.h>

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <aether/clock.h>

#include "base/error.h"
#include "base/root.h"
#include "proof/proof_record.h"

#define TRACE_KB 1024

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

static const char traced_only[] = "system calls, signals and the causes of disturbances";

static void disarm(struct ae_proof *proof, const char *why)
{
    ae_proof_miss(proof, traced_only, "%s", why);
    ae_gap_trace_close(&proof->trace);
    proof->traced = false;
}

static void arm(struct ae_proof *proof)
{
    static const struct {
        enum ae_gap_trace_sight sight;
        const char *what, *why;
    } needed[] = {
        {AE_GAP_TRACE_SYSCALLS, "system calls",
         "this kernel has no tracepoint raw_syscalls:sys_enter"},
        {AE_GAP_TRACE_SIGNALS, "signals", "this kernel has no tracepoint signal:signal_deliver"},
        {AE_GAP_TRACE_SWITCHES, "which task had the CPU",
         "this kernel has no tracepoint sched:sched_switch"},
    };
    struct ae_cpus cpus;
    struct ae_error err;

    ae_cpus_clear(&cpus);
    ae_cpus_add(&cpus, proof->cpu);
    if (ae_gap_trace_open(&proof->trace, &cpus, TRACE_KB, &err)) {
        ae_proof_miss(proof, traced_only, "%s", err.text);
        return;
    }
    if (ae_gap_trace_switch(&proof->trace, 1, &err) || ae_gap_trace_check(&proof->trace, &err)) {
        disarm(proof, err.text);
        return;
    }
    proof->traced = true;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (!(proof->trace.sees & needed[i].sight))
            ae_proof_miss(proof, needed[i].what, "%s", needed[i].why);
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

static int take(struct ae_proof *proof, struct ae_proof_snapshot *snapshot, struct ae_error *err)
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

    if (proof->began) {
        proof->again++;
        return ae_error_set(err, -EALREADY,
                            "proving CPU %u: process %d was quiet before; only the "
                            "first time is proved",
                            proof->cpu, proof->pid);
    }
    proof->pid = pid;
    if (ae_task_counters_read(&proof->before.task, pid))
        return ae_error_set(err, -ESRCH, "proving CPU %u: there is no process %d", proof->cpu, pid);
    rc = take(proof, &proof->before, err);
    if (!rc && proof->traced && ae_gap_trace_written(&proof->trace, proof->cpu, &proof->written))
        disarm(proof, "the trace says nothing of this CPU");
    proof->began = !rc;
    /* What the reading itself may cause elsewhere lies before this moment. */
    proof->before.ticks = ae_clock_ticks();
    return rc;
}

/* A trace that somebody changed meanwhile may have missed anything. */
static void check_trace(struct ae_proof *proof)
{
    struct ae_error err;
    uint64_t written = 0;

    if (!proof->traced)
        return;
    if (ae_gap_trace_check(&proof->trace, &err))
        ae_proof_miss(proof, traced_only, "%s", err.text);
    else if (ae_gap_trace_written(&proof->trace, proof->cpu, &written) || written < proof->written)
        ae_proof_miss(proof, traced_only, "somebody emptied the trace meanwhile");
}

int ae_proof_end(struct ae_proof *proof, struct ae_error *err)
{
    int rc;

    if (!proof->began)
        return ae_error_set(err, -EINVAL, "proving CPU %u: it has not begun", proof->cpu);
    if (proof->ended)
        return ae_error_set(err, -EALREADY, "proving CPU %u: it has ended", proof->cpu);
    proof->after.ticks = ae_clock_ticks();
    rc = take(proof, &proof->after, err);
    proof->task_seen = !ae_task_counters_read(&proof->after.task, proof->pid);
    proof->ended = !rc;
    check_trace(proof);
    return rc;
}

void ae_proof_expect(struct ae_proof *proof, uint64_t ns)
{
    proof->asked_ns = ns;
}

uint64_t ae_proof_end_ticks(const struct ae_proof *proof)
{
    return proof->ended ? proof->after.ticks : 0;
}

/* ---- What the trace says ---- */

/* The trace names tasks as the first PID namespace does, which this process may not be in. */
static bool numbers_are_ours(void)
{
    struct stat status;

    /* PROC_PID_INIT_INO of <linux/proc_ns.h>'s kernel side: it is the same on every machine. */
    return !ae_root_is_real() ||
           (stat("/proc/self/ns/pid", &status) == 0 && status.st_ino == 0xEFFFFFFCU);
}

/* The last switch before the beginning tells who had the CPU then, if the trace goes back that
 * far. */
static void check_owner(struct ae_proof *proof, const struct ae_attribution_event *last)
{
    long pid = last ? ae_attribution_switched_to(last) : proof->pid;
    char text[AE_CAUSE_NAME];

    if (pid == proof->pid || !numbers_are_ours())
        return;
    ae_attribution_name(last, text, sizeof(text));
    ae_proof_miss(proof, "that the worker had the CPU",
                  "the trace's last event before the beginning is a %s, "
                  "process %ld",
                  text, pid);
}

static void collect_events(struct ae_proof *proof, const struct ae_gap_trace_cpu *record)
{
    uint64_t from = proof->before.ticks - record->blur, to = proof->after.ticks + record->blur;
    const struct ae_attribution_trace *trace = &record->trace;
    const struct ae_attribution_event *last = NULL;

    for (size_t i = 0; i < trace->count; i++) {
        const struct ae_attribution_event *event = &trace->events[i];
        char text[AE_CAUSE_NAME];

        if (event->ticks < from && strcmp(event->name, "sched_switch") == 0)
            last = event;
        if (event->ticks < from || event->ticks > to)
            continue;
        ae_attribution_name(event, text, sizeof(text));
        if (text[0])
            ae_proof_add_cause(proof, text, 1);
    }
    check_owner(proof, last);
}

static void collect_causes(struct ae_proof *proof)
{
    struct ae_gap_trace_cpu record;
    struct ae_error err;

    ae_gap_trace_switch(&proof->trace, 0, NULL);
    if (ae_gap_trace_read(&proof->trace, proof->cpu, &record, &err)) {
        ae_proof_miss(proof, traced_only, "%s", err.text);
        return;
    }
    collect_events(proof, &record);
    if (record.strange)
        ae_proof_miss(proof, traced_only, "%zu lines of the trace are no events of this CPU",
                      record.strange);
    else if (record.trace.from > proof->before.ticks)
        ae_proof_miss(proof, traced_only, "the trace lost events");
    ae_gap_trace_cpu_free(&record);
}

enum ae_proof_verdict ae_proof_finish(struct ae_proof *proof)
{
    if (!proof->ended)
        ae_proof_miss(proof, "everything", "the worker never was quiet from beginning to end");
    else
        ae_proof_compare(proof);
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
