/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The traced half of the proof, on a made-up tracefs, and whether what is evidence is about its
 * subject. CPUs 900 to 902 are ones that this process cannot run on; process 4321 + N is the worker
 * on 900 + N.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <aether/clock.h>
#include <aether/proof.h>

#include "base/clock_pair.h"
#include "base/cpus.h"
#include "base/root.h"
#include "made_root.h"
#include "made_tracefs.h"
#include "proof/explain.h"
#include "proof_told.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PID          4321
#define CLOCKS       "[local] global counter uptime perf mono mono_raw boot x86-tsc\n"

static struct ae_error err;

/* ---- A machine with three workers, on which nothing happens ---- */

struct worker {
    unsigned cpu, threads, start;
    char state;
    const char *allowed;
};

static const struct worker workers[] = {
    {900, 1, 77, 'R', "900"}, {901, 1, 78, 'R', "901"}, {902, 1, 79, 'R', "902"}};

static __attribute__((format(printf, 2, 3))) void put(const char *path, const char *format, ...)
{
    char text[2048];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    made_root_put(path, text);
}

static void put_worker(int pid, const struct worker *worker)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    put(path,
        "Name:\tw\nThreads:\t%u\nCpus_allowed:\tx\nCpus_allowed_list:\t%s\n"
        "voluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t2\n",
        worker->threads, worker->allowed);
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    put(path,
        "%d (a ) b) %c 1 1 1 0 -1 4194304 3 7 4 8 50 60 0 0 20 0 %u 0 %u 1 1 1 1 1 1 1 1 0 0 0 0 0 "
        "0 0 "
        "17 %u 0 0 0 0 0\n",
        pid, worker->state, worker->threads, worker->start, worker->cpu);
    snprintf(path, sizeof(path), "/proc/%d/sched", pid);
    put(path, "w (%d, #threads: 1)\nse.nr_migrations :  3\n", pid);
}

static void put_machine(void)
{
    put("/proc/interrupts", "     CPU0 CPU900 CPU901 CPU902\n  24: 100 10 11 12 PCI-MSI eth0\n"
                            " LOC: 5000 20 21 22 Local\n ERR: 0\n");
    put("/proc/softirqs",
        "      CPU0 CPU900 CPU901 CPU902\n TIMER: 9 30 31 32\n NET_RX: 3 0 0 0\n");
    put("/proc/schedstat", "version 15\ncpu0 0 0 0 0 0 0 1 2 3\ncpu900 0 0 0 0 0 0 1 2 40\n"
                           "cpu901 0 0 0 0 0 0 1 2 41\ncpu902 0 0 0 0 0 0 1 2 42\n");
    for (int i = 0; i < (int)COUNT(workers); i++)
        put_worker(PID + i, &workers[i]);
}

static int begin(void **state)
{
    if (made_root_begin(state) || ae_clock_calibrate(&err))
        return -1;
    made_tracefs_begin(CLOCKS);
    put_machine();
    return 0;
}

/* ---- Proofs of it ---- */

/* The switch that put a worker onto its CPU, from before it was quiet. */
static void put_switch(unsigned instance, int worker)
{
    char text[160];

    snprintf(
        text, sizeof(text),
        "sched_switch: prev_comm=swapper/1 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=w "
        "next_pid=%d next_prio=120",
        PID + worker);
    made_tracefs_event(instance, 900 + (unsigned)worker, "<idle>", 0, ae_clock_ticks(), text);
}

static struct ae_proof *start(int worker)
{
    unsigned instance = made_tracefs_count();
    struct ae_proof *proof;

    assert_int_equal(ae_proof_prepare(&proof, 900 + worker, &err), 0);
    if (*made_tracefs_path(instance))
        put_switch(instance, worker);
    assert_int_equal(ae_proof_begin(proof, PID + worker, &err), 0);
    return proof;
}

/* As long as it takes to be quiet; what else is missing is told by its words. */
static void let_pass(void)
{
    usleep(AE_PROOF_NS_MIN / 1000 + 10000);
}

static int end(void **state)
{
    told_forget();
    return made_root_end(state);
}

static enum ae_proof_verdict end_it(struct ae_proof *proof)
{
    assert_int_equal(ae_proof_end(proof, &err), 0);
    return told_finish(proof);
}

static json_int_t times(const char *cause)
{
    json_t *one;
    size_t i;

    json_array_foreach (json_object_get(json, "causes"), i, one)
        if (strcmp(json_string_value(json_object_get(one, "cause")), cause) == 0)
            return json_integer_value(json_object_get(one, "times"));
    return 0;
}

static void nothing_happened_and_all_was_seen(void **state)
{
    struct ae_proof *proof = start(0);

    (void)state;
    let_pass();
    if (end_it(proof) != AE_PROOF_QUIET)
        fail_msg("%s", told);
    assert_int_equal(json_array_size(json_object_get(json, "not_seen")), 0);
    assert_string_equal(made_tracefs_path(0), ""); /* it was removed */
}

static void what_the_trace_saw_is_named(void **state)
{
    static const struct {
        const char *event, *cause;
    } cases[] = {
        {"sys_enter: NR 24 (0, 1)", "syscall 24"},
        {"signal_deliver: sig=10 errno=0 code=0", "signal 10"},
        {"local_timer_entry: vector=236", "local_timer"},
        {"sched_switch: prev_comm=w prev_pid=4321 prev_prio=120 prev_state=R ==> next_comm=x y "
         "next_pid=9 next_prio=120",
         "switch to x y"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned instance = made_tracefs_count();
        struct ae_proof *proof = start(0);

        made_tracefs_event(instance, 900, "w", PID, ae_clock_ticks(), cases[i].event);
        assert_int_equal(end_it(proof), AE_PROOF_DISTURBED);
        assert_int_equal(times(cases[i].cause), 1);
    }
}

static void what_lies_before_or_behind_is_not_counted(void **state)
{
    struct ae_proof *proof;

    (void)state;
    assert_int_equal(ae_proof_prepare(&proof, 900, &err), 0);
    made_tracefs_event(0, 900, "w", PID, ae_clock_ticks(), "sys_enter: NR 1 ()");
    put_switch(0, 0);
    assert_int_equal(ae_proof_begin(proof, PID, &err), 0);
    let_pass();
    assert_int_equal(ae_proof_end(proof, &err), 0);
    made_tracefs_event(0, 900, "w", PID, ae_clock_ticks(), "sys_enter: NR 2 ()");
    assert_int_equal(told_finish(proof), AE_PROOF_QUIET);
}

/* ---- Each proof speaks of its own ---- */

static void several_proofs_have_a_trace_each(void **state)
{
    (void)state;
    for (int disturbed = -1; disturbed < 3; disturbed++) {
        unsigned first = made_tracefs_count();
        struct ae_proof *proofs[3];

        for (int i = 0; i < 3; i++)
            proofs[i] = start(i);
        assert_int_equal(made_tracefs_count(), first + 3);
        for (unsigned i = 0; i < 3; i++) {
            struct ae_cpus cpus;
            char path[200];

            snprintf(path, sizeof(path), "%s/tracing_cpumask", made_tracefs_path(first + i));
            assert_int_equal(ae_cpus_parse_mask(&cpus, made_root_get(path)), 0);
            assert_true(ae_cpus_has(&cpus, 900 + i) && ae_cpus_count(&cpus) == 1);
        }
        if (disturbed >= 0)
            made_tracefs_event(first + (unsigned)disturbed, 900 + (unsigned)disturbed, "w",
                               PID + disturbed, ae_clock_ticks(), "sys_enter: NR 5 ()");
        let_pass();
        for (int i = 0; i < 3; i++)
            assert_int_equal(ae_proof_end(proofs[i], &err), 0);
        for (int i = 0; i < 3; i++) {
            enum ae_proof_verdict verdict = told_finish(proofs[i]);

            if (verdict != (i == disturbed ? AE_PROOF_DISTURBED : AE_PROOF_QUIET))
                fail_msg("CPU %d of %d: %s", 900 + i, disturbed, told);
            assert_int_equal(json_integer_value(json_object_get(json, "cpu")), 900 + i);
            assert_int_equal(json_integer_value(json_object_get(json, "pid")), PID + i);
        }
    }
}

static void an_instance_that_is_there_is_not_taken(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        unsigned before = made_tracefs_count();
        struct ae_proof *proof;
        unsigned number;
        char path[200];

        /* Whatever number comes next, its name is taken. */
        assert_int_equal(ae_proof_prepare(&proof, 901, &err), 0);
        assert_int_equal(sscanf(strrchr(made_tracefs_path(before), '-'), "-%u", &number), 1);
        snprintf(path, sizeof(path), "/sys/kernel/tracing/instances/aether-noise-%d-0-%u", getpid(),
                 number + 1);
        ae_proof_destroy(proof);
        if (kind == 0)
            made_root_put(path, NULL);
        else if (kind == 1)
            made_root_link(path, "/tmp");
        else
            made_root_put(path, "");
        proof = start(0);
        assert_int_equal(end_it(proof), AE_PROOF_INCOMPLETE);
        assert_true(told_says("not_seen", "somebody else's"));
        assert_true(ae_root_exists(path)); /* and is left alone */
    }
}

/* ---- The trace, changed meanwhile ---- */

static void spoil(const char *file, const char *text)
{
    made_tracefs_put(made_tracefs_count() - 1, file, text);
}

static void replace_instance(void)
{
    char path[200], full[4096], away[4096];

    snprintf(path, sizeof(path), "%s", made_tracefs_path(made_tracefs_count() - 1));
    ae_root_path(full, sizeof(full), path);
    ae_root_path(away, sizeof(away), "/away"); /* it keeps its inode */
    assert_int_equal(rename(full, away), 0);
    assert_int_equal(ae_root_create_directory(path), 0);
}

static void put_line(const char *line)
{
    char path[200], text[1024];

    snprintf(path, sizeof(path), "%s/per_cpu/cpu900/trace",
             made_tracefs_path(made_tracefs_count() - 1));
    snprintf(text, sizeof(text), "%s%s\n", made_root_get(path), line);
    made_root_put(path, text);
}

static void a_trace_that_was_changed_is_no_evidence(void **state)
{
    static char many[8192]; /* processes: more than anybody reads */
    static const struct {
        const char *file, *text, *says;
    } cases[] = {
        {"tracing_on", "0\n", "switched off"},
        {"tracing_on", NULL, "switched off"},
        {"tracing_cpumask", "00000004\n", "other CPUs"},
        {"tracing_cpumask", "ffffffff\n", "other CPUs"},
        {"tracing_cpumask", "nonsense\n", "other CPUs"},
        {"tracing_cpumask", NULL, "other CPUs"},
        {"trace_clock", "local [global] x86-tsc\n", "another clock"},
        {"trace_clock", NULL, "another clock"},
        {"set_event_pid", "99\n", "narrowed"},
        {"set_event_notrace_pid", "4321\n", "left out"},
        {"set_event_pid", many, "narrowed"},
        {"set_event_notrace_pid", many, "left out"},
        {"events/raw_syscalls/sys_enter/enable", "0\n", "tracepoints"},
        {"events/irq_vectors/local_timer_entry/enable", "0\n", "tracepoints"},
        {"events/raw_syscalls/sys_enter/filter", "common_pid != 4321\n", "tracepoints"},
        {"events/sched/sched_switch/enable", NULL, "tracepoints"},
        {"per_cpu/cpu900/stats", "entries: 2\noverrun: 0\nread events: 0\n", "emptied"},
        {"per_cpu/cpu900/stats", NULL, "emptied"},
        {"per_cpu/cpu900/stats", "entries: 5\noverrun: 0\nread events: 3\n", "lost"},
        {"per_cpu/cpu900/stats", "entries: 5\ndropped events: 1\nread events: 0\n", "lost"},
        {"per_cpu/cpu900/stats", "entries: 5\ncommit overrun: 1\n", "lost"},
        {"per_cpu/cpu900/trace", "#\n", NULL}, /* no event at all is one way to be quiet */
        {"per_cpu/cpu900/trace", NULL, "reading"},
    };

    (void)state;
    for (size_t i = 0; i + 8 < sizeof(many); i += 5)
        memcpy(many + i, "4321\n", 6);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ae_proof *proof = start(0);
        enum ae_proof_verdict verdict;

        spoil(cases[i].file, cases[i].text);
        if (!cases[i].says)
            let_pass();
        verdict = end_it(proof);
        if (verdict != (cases[i].says ? AE_PROOF_INCOMPLETE : AE_PROOF_QUIET))
            fail_msg("case %zu: %s", i, told);
        if (cases[i].says && !told_says("not_seen", cases[i].says))
            fail_msg("case %zu does not say '%s': %s", i, cases[i].says, told);
    }
}

static void an_instance_that_was_replaced_is_no_evidence(void **state)
{
    struct ae_proof *proof = start(0);
    char path[200];

    (void)state;
    snprintf(path, sizeof(path), "%s", made_tracefs_path(0));
    replace_instance();
    assert_int_equal(end_it(proof), AE_PROOF_INCOMPLETE);
    assert_true(told_says("not_seen", "is another"));
    assert_true(ae_root_exists(path)); /* it is not ours to remove */
}

static void an_overwritten_trace_is_whole_from_its_first(void **state)
{
    struct ae_proof *proof = start(0);

    (void)state;
    spoil("per_cpu/cpu900/stats", "entries: 5\noverrun: 9\n");
    let_pass();
    assert_int_equal(end_it(proof), AE_PROOF_QUIET); /* its first event lies before the beginning */
    proof = start(0);
    spoil("per_cpu/cpu900/stats", "entries: 5\noverrun: 9\n");
    spoil("per_cpu/cpu900/trace", "#\n");
    let_pass();
    assert_int_equal(end_it(proof), AE_PROOF_INCOMPLETE);
    assert_true(told_says("not_seen", "lost events"));
}

/* A task calls itself what it likes, and its events are still its events. */
static void a_name_hides_nothing(void **state)
{
    static const char *const names[] = {"[1] d 5: a: b", "w-1 [900] d 5:", "a: b: c: d",
                                        "-1 [900] d 5: a:", "] [ - : 1 . 2"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct ae_proof *proof = start(0);
        char name[16];

        snprintf(name, sizeof(name), "%s", names[i]);
        made_tracefs_event(made_tracefs_count() - 1, 900, name, PID, ae_clock_ticks(),
                           "sys_enter: NR 24 ()");
        if (end_it(proof) != AE_PROOF_DISTURBED || times("syscall 24") != 1)
            fail_msg("'%s' hides a system call: %s", name, told);
    }
}

static void a_name_with_an_end_of_line_is_not_quiet(void **state)
{
    static const char *const names[] = {
        "\n#", "a\n#", "\n-1 [1] d 5: a:", "\n", "x\nCPU:1 [LOST ", "\n\n\n"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct ae_proof *proof = start(0);
        char name[16];

        snprintf(name, sizeof(name), "%s", names[i]);
        made_tracefs_event(made_tracefs_count() - 1, 900, name, PID, ae_clock_ticks(),
                           "sys_enter: NR 24 ()");
        let_pass();
        if (end_it(proof) == AE_PROOF_QUIET)
            fail_msg("name %zu hides a system call: %s", i, told);
    }
}

static void lines_that_are_no_events_of_the_cpu_are_said(void **state)
{
    static const char *const lines[] = {
        "               w-4321    [901] d..2. 5: sys_enter: NR 1 ()",
        "               w-4321    [900] d..2. 5.000001: sys_enter: NR 1 ()", "what is this", " ",
        "# a comment behind the heading"};

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct ae_proof *proof = start(0);

        put_line(lines[i]);
        assert_int_equal(end_it(proof), AE_PROOF_INCOMPLETE);
        assert_true(told_says("not_seen", "no events of this CPU"));
    }
}

/* ---- Was it the worker, and was it there? ---- */

static void a_worker_elsewhere_is_named(void **state)
{
    static const struct {
        struct worker worker;
        const char *says;
    } cases[] = {
        {{902, 1, 77, 'R', "900"}, "that the worker was on CPU 900: it was on CPU 902"},
        {{901, 1, 77, 'R', "901"}, "that the worker was tied to CPU 900: it might run on CPUs 901"},
        {{900, 1, 77, 'R', "900-901"}, "it might run on CPUs 900-901"},
        {{900, 1, 77, 'R', "0-8191"}, "that the worker was tied to CPU 900"},
        {{900, 1, 77, 'S', "900"}, "that the worker had the CPU"},
        {{900, 2, 77, 'R', "900"}, "other threads"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int ends = 1; ends <= 3; ends++) { /* at the beginning, at the end, both */
            struct ae_proof *proof;

            put_worker(PID, ends & 1 ? &cases[i].worker : &workers[0]);
            proof = start(0);
            put_worker(PID, ends & 2 ? &cases[i].worker : &workers[0]);
            if (end_it(proof) != AE_PROOF_INCOMPLETE || !told_says("not_seen", cases[i].says))
                fail_msg("case %zu, ends %d: %s", i, ends, told);
        }
}

static void another_process_with_its_number_is_named(void **state)
{
    static const struct worker another = {900, 1, 1234, 'R', "900"};
    struct ae_proof *proof = start(0);

    (void)state;
    put_worker(PID, &another);
    assert_int_equal(end_it(proof), AE_PROOF_INCOMPLETE);
    assert_true(told_says("not_seen", "another one has the number 4321"));
}

static void what_the_kernel_does_not_tell_is_not_assumed(void **state)
{
    struct ae_proof *proof;

    (void)state;
    put("/proc/4321/stat", "4321 (w) R 1 1 1 0 -1 4194304 3 7 4 8 50 60 0 0 20 0 1 0 77 1 1\n");
    put("/proc/4321/status",
        "Name:\tw\nvoluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t2\n");
    proof = start(0);
    assert_int_equal(end_it(proof), AE_PROOF_INCOMPLETE);
    assert_true(told_says("not_seen", "does not tell where it was"));
    assert_true(told_says("not_seen", "does not tell where it might run"));
}

static void another_task_that_had_the_cpu_is_named(void **state)
{
    static const char *const switches[] = {
        "sched_switch: prev_comm=w prev_pid=4321 prev_prio=120 prev_state=R ==> next_comm=thief "
        "next_pid=9 next_prio=120",
        /* Who is called so, that it looks like the worker. */
        "sched_switch: prev_comm=w prev_pid=4321 prev_prio=120 prev_state=R ==> next_comm=a "
        "next_pid=4321 next_pid=9 next_prio=120",
        "sched_switch: prev_comm=a next_pid=4321 prev_pid=7 prev_prio=120 prev_state=R ==> "
        "next_comm=swapper/1 next_pid=0 next_prio=120",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(switches); i++) {
        struct ae_proof *proof;

        assert_int_equal(ae_proof_prepare(&proof, 900, &err), 0);
        made_tracefs_event(made_tracefs_count() - 1, 900, "x", 1, ae_clock_ticks(), switches[i]);
        assert_int_equal(ae_proof_begin(proof, PID, &err), 0);
        if (end_it(proof) != AE_PROOF_INCOMPLETE ||
            !told_says("not_seen", "that the worker had the CPU"))
            fail_msg("case %zu: %s", i, told);
    }
}

/* ---- One time, and long enough ---- */

static void a_second_time_is_refused_and_said(void **state)
{
    struct ae_proof *proof = start(0);

    (void)state;
    assert_int_equal(ae_proof_end(proof, &err), 0);
    assert_int_equal(ae_proof_begin(proof, PID, &err), -EALREADY);
    assert_non_null(strstr(err.text, "quiet before"));
    assert_int_equal(ae_proof_begin(proof, PID, &err), -EALREADY);
    assert_int_equal(ae_proof_end(proof, &err), -EALREADY);
    assert_int_equal(told_finish(proof), AE_PROOF_INCOMPLETE);
    assert_true(told_says("not_seen", "2 times more"));
}

/* The disturbed time is the one that counts, however often it tries again. */
static void trying_again_does_not_help(void **state)
{
    struct ae_proof *proof = start(0);

    (void)state;
    made_tracefs_event(0, 900, "w", PID, ae_clock_ticks(), "sys_enter: NR 3 ()");
    assert_int_equal(ae_proof_end(proof, &err), 0);
    ae_proof_begin(proof, PID, &err);
    ae_proof_end(proof, &err);
    assert_int_equal(told_finish(proof), AE_PROOF_DISTURBED);
    assert_int_equal(times("syscall 3"), 1);
}

static void a_short_time_is_incomplete(void **state)
{
    static const struct {
        uint64_t asked, lasts;
        const char *says; /* NULL: quiet */
    } cases[] = {
        {0, 0, "long enough"},
        {1000000000, 0, "of 1.000 s"},
        {60000000000, AE_PROOF_NS_MIN, "of 60.000 s"},
        {AE_PROOF_NS_MIN, AE_PROOF_NS_MIN, NULL},
        {0, AE_PROOF_NS_MIN, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ae_proof *proof = start(0);

        ae_proof_expect(proof, cases[i].asked);
        if (cases[i].lasts)
            let_pass();
        if (end_it(proof) != (cases[i].says ? AE_PROOF_INCOMPLETE : AE_PROOF_QUIET))
            fail_msg("case %zu: %s", i, told);
        assert_true(!cases[i].says || told_says("not_seen", cases[i].says));
    }
}

/* ---- Counters of 32 bits ---- */

static void a_counter_that_runs_over_is_counted(void **state)
{
    static const struct {
        uint64_t before, after, count;
        enum ae_proof_verdict verdict;
    } cases[] = {
        {4294967290, 4, 10, AE_PROOF_DISTURBED},
        {4294967295, 0, 1, AE_PROOF_DISTURBED},
        {4294967295, 4294967295, 0, AE_PROOF_QUIET},
        {5000, 3, 3, AE_PROOF_DISTURBED}, /* its number was given to another */
        {5000, 0, 0, AE_PROOF_INCOMPLETE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        static const char rows[] = "CPU0 CPU900\n 24: 1 %" PRIu64 " eth0\n LOC: 1 2 Local\n";
        struct ae_proof *proof;
        json_t *first;

        put("/proc/interrupts", rows, cases[i].before);
        proof = start(0);
        put("/proc/interrupts", rows, cases[i].after);
        let_pass();
        if (end_it(proof) != cases[i].verdict)
            fail_msg("case %zu: %s", i, told);
        first = json_array_get(json_object_get(json, "rows"), 0);
        assert_int_equal(json_integer_value(json_object_get(first, "count")), cases[i].count);
        assert_int_equal(told_says("not_seen", "went backwards"), i >= 3);
    }
}

/* A CPU that was offline at one end has no column there. */
static void a_cpu_that_was_not_there_at_both_ends(void **state)
{
    for (int late = 0; late < 2; late++) {
        struct ae_proof *proof;

        (void)state;
        put_machine();
        if (!late)
            put("/proc/interrupts", "CPU0\n 24: 1 eth0\n");
        proof = start(0);
        put_machine();
        if (late)
            put("/proc/interrupts", "CPU0\n 24: 1 eth0\n");
        assert_int_not_equal(end_it(proof), AE_PROOF_QUIET);
        assert_true(told_says("not_seen", "/proc/interrupts"));
    }
}

/* ---- Causes without end ---- */

static void more_causes_than_are_told_apart(void **state)
{
    static const unsigned counts[] = {60, 61, 62, 63, 64, 65, 66, 300};

    (void)state;
    for (size_t i = 0; i < COUNT(counts); i++) {
        struct ae_proof *proof = start(0);
        json_int_t sum = 0;
        json_t *one;
        size_t j;

        for (unsigned number = 0; number < counts[i]; number++) {
            char event[48];

            snprintf(event, sizeof(event), "sys_enter: NR %u ()", number);
            made_tracefs_event(made_tracefs_count() - 1, 900, "w", PID, ae_clock_ticks(), event);
        }
        assert_int_equal(end_it(proof), AE_PROOF_DISTURBED);
        json_array_foreach (json_object_get(json, "causes"), j, one)
            sum += json_integer_value(json_object_get(one, "times"));
        assert_int_equal(sum, counts[i]);
        assert_true(j <= 64);
        assert_int_equal(times("other causes") > 0, counts[i] > 61);
    }
}

/* ---- A kernel that cannot stamp events with the counter, as on arm64 ---- */

static void another_clock_is_converted(void **state)
{
    static const struct {
        int64_t offset_us; /* from the beginning */
        bool counts;
    } cases[] = {{-50000, false}, {-1000, false}, {20000, true}, {60000, true}};

    (void)state;
    made_tracefs_begin("[local] global counter uptime perf mono mono_raw boot\n");
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ae_clock_pair pair;
        struct ae_proof *proof;
        char line[160];
        uint64_t us;

        assert_int_equal(ae_proof_prepare(&proof, 900, &err), 0);
        usleep(60000);
        pair = ae_clock_pair_read();
        assert_int_equal(ae_proof_begin(proof, PID, &err), 0);
        us = pair.ns / 1000 + (uint64_t)cases[i].offset_us;
        snprintf(line, sizeof(line),
                 "               w-4321    [900] d..2. %5" PRIu64 ".%06" PRIu64
                 ": sys_enter: NR 7 ()",
                 us / 1000000, us % 1000000);
        put_line(line);
        let_pass();
        if (end_it(proof) != (cases[i].counts ? AE_PROOF_DISTURBED : AE_PROOF_QUIET))
            fail_msg("case %zu: %s", i, told);
        assert_int_equal(times("syscall 7"), cases[i].counts);
    }
}

static void a_kernel_without_a_fit_clock_is_said(void **state)
{
    struct ae_proof *proof;

    (void)state;
    made_tracefs_begin("[local] global counter uptime perf mono boot\n");
    proof = start(0);
    assert_int_equal(end_it(proof), AE_PROOF_INCOMPLETE);
    assert_true(told_says("not_seen", "no clock"));
    assert_string_equal(made_tracefs_path(0), ""); /* nothing is left behind */
}

static void its_interrupts_are_explained(void **state)
{
    (void)state;
    assert_string_equal(ae_proof_explain("irq:IPI0"), "interrupt from another CPU");
    assert_string_equal(ae_proof_explain("irq:11"), "device interrupt"); /* arch_timer is one */
    assert_string_equal(ae_proof_explain("softirq:NEW"), "");
}

/* What only the trace sees is named where the kernel lacks it. */
static void needed_tracepoints_are_named(void **state)
{
    static const char *const what[][2] = {
        {"raw_syscalls/sys_enter", "system calls"},
        {"signal/signal_deliver", "signals"},
        {"sched/sched_switch", "which task had the CPU"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(what); i++) {
        struct ae_proof *proof;

        made_tracefs_without(what[i][0]);
        proof = start(0);
        let_pass();
        assert_int_equal(end_it(proof), AE_PROOF_INCOMPLETE);
        assert_true(told_says("not_seen", what[i][1]));
    }
    made_tracefs_without("exceptions/page_fault_user"); /* of which there is a count */
    {
        struct ae_proof *proof = start(0);

        let_pass();
        assert_int_equal(end_it(proof), AE_PROOF_QUIET);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_happened_and_all_was_seen),
        TEST(what_the_trace_saw_is_named),
        TEST(what_lies_before_or_behind_is_not_counted),
        TEST(several_proofs_have_a_trace_each),
        TEST(an_instance_that_is_there_is_not_taken),
        TEST(a_trace_that_was_changed_is_no_evidence),
        TEST(an_instance_that_was_replaced_is_no_evidence),
        TEST(an_overwritten_trace_is_whole_from_its_first),
        TEST(a_name_hides_nothing),
        TEST(a_name_with_an_end_of_line_is_not_quiet),
        TEST(lines_that_are_no_events_of_the_cpu_are_said),
        TEST(a_worker_elsewhere_is_named),
        TEST(another_process_with_its_number_is_named),
        TEST(what_the_kernel_does_not_tell_is_not_assumed),
        TEST(another_task_that_had_the_cpu_is_named),
        TEST(a_second_time_is_refused_and_said),
        TEST(trying_again_does_not_help),
        TEST(a_short_time_is_incomplete),
        TEST(a_counter_that_runs_over_is_counted),
        TEST(a_cpu_that_was_not_there_at_both_ends),
        TEST(more_causes_than_are_told_apart),
        TEST(another_clock_is_converted),
        TEST(a_kernel_without_a_fit_clock_is_said),
        TEST(its_interrupts_are_explained),
        TEST(needed_tracepoints_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
