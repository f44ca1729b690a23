/* SPDX-License-Identifier: Apache-2.0 */

/* Judges two snapshots: what grew, and whether they are about this worker, there, all the time. */

#include "proof/proof_record.h"

#include <string.h>
#include <unistd.h>

#define ROUNDING_NS \
    5000000 /* a clock in milliseconds, asked twice, ends a time this much early at most */

static void check_length(struct ae_proof *proof)
{
    uint64_t length = ae_proof_length_ns(proof), asked = proof->asked_ns;

    if (asked && length + ROUNDING_NS < asked)
        ae_proof_miss(proof, "all of the time that was asked for",
                      "it was quiet for %.3f s of %.3f s", (double)length / 1e9,
                      (double)asked / 1e9);
    if (length < AE_PROOF_NS_MIN)
        ae_proof_miss(proof, "a time long enough to say anything of", "it was quiet for %.3f s",
                      (double)length / 1e9);
    if (proof->again)
        ae_proof_miss(proof, "all of its quiet",
                      "the worker became quiet %u times more after the time that is "
                      "proved",
                      proof->again);
}

/* ---- Was it this worker, and was it there? An idle CPU is quiet as well. ---- */

static void check_place(struct ae_proof *proof, const struct ae_task_counters *task,
                        const char *when)
{
    char what[64], list[128];

    snprintf(what, sizeof(what), "that the worker was on CPU %u", proof->cpu);
    if (task->processor < 0)
        ae_proof_miss(proof, what, "the kernel does not tell where it was %s", when);
    else if (task->processor != (int)proof->cpu)
        ae_proof_miss(proof, what, "it was on CPU %d %s", task->processor, when);
    snprintf(what, sizeof(what), "that the worker was tied to CPU %u", proof->cpu);
    if (!task->allowed_seen)
        ae_proof_miss(proof, what, "the kernel does not tell where it might run %s", when);
    else if (ae_cpus_count(&task->allowed) != 1 || !ae_cpus_has(&task->allowed, proof->cpu))
        ae_proof_miss(proof, what, "it might run on CPUs %s %s",
                      ae_cpus_show(&task->allowed, list, sizeof(list)), when);
}

static void check_process(struct ae_proof *proof)
{
    const struct ae_task_counters *before = &proof->before.task, *after = &proof->after.task;
    long threads = before->threads > after->threads ? before->threads : after->threads;

    if (before->start != after->start)
        ae_proof_miss(proof, "that it was one process", "another one has the number %d now",
                      proof->pid);
    if (threads > 1)
        ae_proof_miss(proof, "switches and faults of the worker's other threads",
                      "it has %ld, and only the first is counted", threads);
}

/*
 * That the worker had the CPU shows in its state at both ends and in its CPU time, which a kernel
 * without a tick brings up to date about once a second.
 */
static void check_presence(struct ae_proof *proof)
{
    const struct ae_task_counters *before = &proof->before.task, *after = &proof->after.task;
    double had = (double)(after->cpu_time - before->cpu_time) / (double)sysconf(_SC_CLK_TCK);
    double all = (double)ae_proof_length_ns(proof) / 1e9;

    check_process(proof);
    check_place(proof, before, "at the beginning");
    check_place(proof, after, "at the end");
    if (before->state != 'R' || (after->state != 'R' && after->state != 'Z'))
        ae_proof_miss(proof, "that the worker had the CPU",
                      "it was not running at both ends (state %c, then %c)",
                      before->state ? before->state : '?', after->state ? after->state : '?');
    else if (!before->cpu_time_seen || !after->cpu_time_seen)
        ae_proof_miss(proof, "that the worker had the CPU",
                      "the kernel does not tell its CPU time");
    else if (had < all * 0.9 - 1.5)
        ae_proof_miss(proof, "that the worker had the CPU", "it used %.2f s of %.2f s", had, all);
}

static void compare_task(struct ae_proof *proof)
{
    for (unsigned i = 0; i < AE_TASK_COUNTERS; i++) {
        if (!proof->before.task.seen[i] || !proof->after.task.seen[i]) {
            if (ae_task_counter_names[i].needed)
                ae_proof_miss(proof, ae_task_counter_names[i].name, "the kernel does not tell");
            continue;
        }
        proof->nonzero += proof->after.task.value[i] != proof->before.task.value[i];
    }
}

static void compare_rows(struct ae_proof *proof)
{
    for (size_t i = 0; i < proof->after.cpu.count; i++) {
        const struct ae_counter *after = &proof->after.cpu.items[i];
        uint64_t count;

        if (!ae_counters_growth(&proof->before.cpu, after, &count))
            ae_proof_miss(proof, after->name, "its count went backwards: it began anew meanwhile");
        proof->nonzero += count != 0;
    }
    for (size_t i = 0; i < proof->before.cpu.count; i++)
        if (!ae_counters_find(&proof->after.cpu, proof->before.cpu.items[i].name))
            ae_proof_miss(proof, proof->before.cpu.items[i].name, "its row is gone");
}

void ae_proof_compare(struct ae_proof *proof)
{
    static const char *const needed[][2] = {{"irq:", "/proc/interrupts"},
                                            {"softirq:", "/proc/softirqs"},
                                            {"sched:", "/proc/schedstat"}};

    compare_rows(proof);
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        if (!ae_proof_has_rows(&proof->before.cpu, needed[i][0]) ||
            !ae_proof_has_rows(&proof->after.cpu, needed[i][0]))
            ae_proof_miss(proof, needed[i][1], "it has no row for this CPU");
    check_length(proof);
    if (!proof->task_seen) {
        ae_proof_miss(proof, "context switches and faults of the worker", "it is gone");
        return;
    }
    check_presence(proof);
    compare_task(proof);
}
