/* SPDX-License-Identifier: Apache-2.0 */

/* The proof of a CPU of a made-up machine. CPU 900 is one that this process cannot run on. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <aether/proof.h>

#include "base/root.h"
#include "made_root.h"
#include "proof/task.h"
#include "proof_told.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PID          4321

static struct ae_error err;

/* What may change between the snapshots. */
struct machine {
    unsigned irq, local, softirq, slices;
    unsigned voluntary, involuntary, minor, major;
};

static __attribute__((format(printf, 2, 3))) void put(const char *path, const char *format, ...)
{
    char text[1024];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    made_root_put(path, text);
}

static void put_machine(const struct machine *machine)
{
    char stat[256];

    put("/proc/interrupts",
        "           CPU0     CPU900\n  24:     100    %u  PCI-MSI eth0\n LOC:  5000    %u  Local\n"
        " ERR:   0\n",
        machine->irq, machine->local);
    put("/proc/softirqs", "       CPU0   CPU900\n TIMER:  9  %u\n NET_RX: 3 0\n", machine->softirq);
    put("/proc/schedstat", "version 15\ncpu0 0 0 0 0 0 0 1 2 3\ncpu900 0 0 0 0 0 0 1 2 %u\n",
        machine->slices);
    put("/proc/4321/status",
        "Name:\tw\nvoluntary_ctxt_switches:\t%u\nnonvoluntary_ctxt_switches:\t%u\n",
        machine->voluntary, machine->involuntary);
    snprintf(stat, sizeof(stat), "4321 (a ) b) R 1 1 1 0 -1 4194304 %u 7 %u 8 0 0\n",
             machine->minor, machine->major);
    made_root_put("/proc/4321/stat", stat);
    put("/proc/4321/sched", "w (4321, #threads: 1)\nse.nr_migrations :  %u\n", 3u);
}

static const struct machine still = {10, 20, 30, 40, 1, 2, 3, 4};

/* A tracefs in which nothing happened. */
static void put_tracefs(void)
{
    made_root_put("/sys/kernel/tracing/instances", NULL);
}

static void (*between)(void); /* what happens between the snapshots */

static enum ae_proof_verdict prove(const struct machine *first, const struct machine *second)
{
    struct ae_proof *proof;

    put_machine(first);
    assert_int_equal(ae_proof_prepare(&proof, 900, &err), 0);
    assert_int_equal(ae_proof_begin(proof, PID, &err), 0);
    put_machine(second);
    if (between)
        between();
    assert_int_equal(ae_proof_end(proof, &err), 0);
    return told_finish(proof);
}

static int begin(void **state)
{
    between = NULL;
    return made_root_begin(state);
}

static int end(void **state)
{
    told_forget();
    return made_root_end(state);
}

/* The count of a row in the JSON, or -1. */
static long row(const char *name)
{
    json_t *one;
    size_t i;

    json_array_foreach (json_object_get(json, "rows"), i, one)
        if (strcmp(json_string_value(json_object_get(one, "row")), name) == 0)
            return (long)json_integer_value(json_object_get(one, "count"));
    return -1;
}

static void without_a_trace_nothing_is_proven(void **state)
{
    (void)state;
    assert_int_equal(prove(&still, &still), AE_PROOF_INCOMPLETE);
    assert_true(told_says("not_seen", "system calls"));
    assert_int_equal(row("irq:24"), 0);
    assert_int_equal(row("irq:LOC"), 0);
    assert_int_equal(row("softirq:TIMER"), 0);
    assert_int_equal(row("task:minor page faults"), 0);
    assert_int_equal(row("irq:ERR"), -1); /* counts for no CPU */
    assert_non_null(strstr(told, "incomplete"));
    assert_non_null(strstr(told, "not seen: system calls"));
}

static void every_row_that_grows_is_named(void **state)
{
    static const struct {
        size_t at;
        const char *row;
    } cases[] = {
        {offsetof(struct machine, irq), "irq:24"},
        {offsetof(struct machine, local), "irq:LOC"},
        {offsetof(struct machine, softirq), "softirq:TIMER"},
        {offsetof(struct machine, slices), "sched:slices"},
        {offsetof(struct machine, voluntary), "task:voluntary context switches"},
        {offsetof(struct machine, involuntary), "task:involuntary context switches"},
        {offsetof(struct machine, minor), "task:minor page faults"},
        {offsetof(struct machine, major), "task:major page faults"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct machine second = still;
        unsigned value;

        memcpy(&value, (char *)&second + cases[i].at, sizeof(value));
        value += 7;
        memcpy((char *)&second + cases[i].at, &value, sizeof(value));
        assert_int_equal(prove(&still, &second), AE_PROOF_DISTURBED);
        for (size_t j = 0; j < COUNT(cases); j++)
            if (row(cases[j].row) != (j == i ? 7 : 0))
                fail_msg("%s: %ld", cases[j].row, row(cases[j].row));
    }
}

static void a_row_that_comes_meanwhile_counts(void **state)
{
    struct machine first = still;

    (void)state;
    put_machine(&first);
    between = NULL;
    {
        struct ae_proof *proof;

        assert_int_equal(ae_proof_prepare(&proof, 900, &err), 0);
        assert_int_equal(ae_proof_begin(proof, PID, &err), 0);
        made_root_put("/proc/interrupts", "      CPU0 CPU900\n 24: 100 10 x\n LOC: 5 20 x\n"
                                          " 25: 0 3 PCI-MSI new\n");
        assert_int_equal(ae_proof_end(proof, &err), 0);
        assert_int_equal(told_finish(proof), AE_PROOF_DISTURBED);
    }
    assert_int_equal(row("irq:25"), 3);
}

static void lose_a_row(void)
{
    made_root_put("/proc/interrupts", "      CPU0 CPU900\n LOC: 5 20 x\n");
}

static void lose_the_column(void)
{
    made_root_put("/proc/interrupts", "      CPU0\n 24: 100 x\n LOC: 5 x\n");
    made_root_put("/proc/softirqs", "      CPU0\n TIMER: 9\n NET_RX: 3\n");
}

static void lose_interrupts(void)
{
    ae_root_remove("/proc/interrupts");
}

static void lose_softirqs(void)
{
    ae_root_remove("/proc/softirqs");
}

static void lose_schedstat(void)
{
    ae_root_remove("/proc/schedstat");
}

static void lose_status(void)
{
    ae_root_remove("/proc/4321/status");
}

static void lose_stat(void)
{
    ae_root_remove("/proc/4321/stat");
}

static void lose_the_worker(void)
{
    lose_status();
    lose_stat();
    ae_root_remove("/proc/4321/sched");
}

/* Whatever is missing in the end, it is said, and the verdict is not "quiet". */
static void missing_evidence_is_named(void **state)
{
    static const struct {
        void (*lose)(void);
        const char *what;
    } cases[] = {
        {lose_a_row, "irq:24"},
        {lose_the_column, "/proc/interrupts"},
        {lose_the_column, "/proc/softirqs"},
        {lose_interrupts, "/proc/interrupts"},
        {lose_softirqs, "/proc/softirqs"},
        {lose_schedstat, "/proc/schedstat"},
        {lose_status, "context switches"},
        {lose_stat, "page faults"},
        {lose_the_worker, "it is gone"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        between = cases[i].lose;
        assert_int_equal(prove(&still, &still), AE_PROOF_INCOMPLETE);
        if (!told_says("not_seen", cases[i].what))
            fail_msg("case %zu: %s", i, told);
    }
}

static void a_proof_that_never_ended_is_none(void **state)
{
    struct ae_proof *proof;

    (void)state;
    put_machine(&still);
    assert_int_equal(ae_proof_prepare(&proof, 900, &err), 0);
    assert_int_equal(ae_proof_end(proof, &err), -EINVAL);
    assert_int_equal(ae_proof_begin(proof, 999, &err), -ESRCH);
    assert_non_null(strstr(err.text, "999"));
    assert_int_equal(ae_proof_end(proof, &err), -EINVAL);
    assert_int_equal(ae_proof_begin(proof, PID, &err), 0);
    assert_int_equal(told_finish(proof), AE_PROOF_INCOMPLETE);
    assert_true(told_says("not_seen", "everything"));
    ae_proof_destroy(NULL);
}

static void a_caller_on_the_cpu_is_refused(void **state)
{
    struct ae_proof *proof = NULL;

    (void)state;
    assert_int_equal(ae_proof_prepare(&proof, sched_getcpu(), &err), -EINVAL);
    assert_non_null(strstr(err.text, "may run there itself"));
    assert_int_equal(ae_proof_prepare(&proof, -1, &err), -EINVAL);
    assert_int_equal(ae_proof_prepare(&proof, 1 << 20, &err), -EINVAL);
    assert_null(proof);
}

/* What cannot be switched on is no evidence, even where there is a tracefs. */
static void a_broken_tracefs_is_no_evidence(void **state)
{
    (void)state;
    put_tracefs();
    assert_int_equal(prove(&still, &still), AE_PROOF_INCOMPLETE);
    assert_true(told_says("not_seen", "system calls"));
}

static void numbers_of_a_task_are_found(void **state)
{
    struct ae_task_counters counters = {0};

    (void)state;
    ae_task_counters_parse_status(&counters, "Name:\tvoluntary_ctxt_switches:\t9\n");
    assert_false(counters.seen[0]);
    ae_task_counters_parse_status(&counters, "x\nvoluntary_ctxt_switches:\t12\n");
    assert_true(counters.seen[0] && !counters.seen[1]);
    assert_int_equal(counters.value[0], 12);
    ae_task_counters_parse_stat(&counters, "1 (a) b 2 3) R 1 2 3 4 5 6 77 8 99");
    assert_int_equal(counters.value[2], 77);
    assert_int_equal(counters.value[3], 99);
    memset(&counters, 0, sizeof(counters));
    ae_task_counters_parse_stat(&counters, "1 (a) R 1 2 3");
    ae_task_counters_parse_stat(&counters, "");
    ae_task_counters_parse_stat(&counters, "1 (a)");
    ae_task_counters_parse_sched(&counters, "se.nr_migrations");
    ae_task_counters_parse_sched(&counters, "se.nr_migrations : x");
    for (unsigned i = 0; i < AE_TASK_COUNTERS; i++)
        assert_false(counters.seen[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_trace_nothing_is_proven), TEST(every_row_that_grows_is_named),
        TEST(a_row_that_comes_meanwhile_counts), TEST(missing_evidence_is_named),
        TEST(a_proof_that_never_ended_is_none),  TEST(a_caller_on_the_cpu_is_refused),
        TEST(a_broken_tracefs_is_no_evidence),   TEST(numbers_of_a_task_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
