/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aether/clock.h>

#include "measure/gap.h"
#include "measure/gap_summary.h"
#include "proof/gap_trace.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int calibrate(void **state)
{
    (void)state;
    return ae_clock_calibrate(NULL);
}

/* What the loop's process and the one that stops it share. */
struct injection {
    uint32_t running;
    struct ae_gap_record record;
    struct ae_gap items[4096];
};

static _Noreturn void be_stopped(struct injection *shared)
{
    uint64_t now = ae_clock_ticks();

    shared->record.items = shared->items;
    __atomic_store_n(&shared->running, 1, __ATOMIC_RELEASE);
    ae_gap_loop(&shared->record, now, ae_clock_from_ns(100000), now + ae_clock_from_ns(200000000),
                COUNT(shared->items));
    _exit(0);
}

/* The kernel itself takes the CPU away: a handler of our own may be put off, by a sanitizer say. */
static void the_loop_sees_an_injected_gap(void **state)
{
    struct injection *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct ae_gap_record *record = &shared->record;
    uint64_t from, to;
    bool seen = false;
    int status;
    pid_t child;

    (void)state;
    assert_ptr_not_equal(shared, MAP_FAILED);
    child = fork();
    if (child == 0)
        be_stopped(shared);
    while (!__atomic_load_n(&shared->running, __ATOMIC_ACQUIRE))
        sched_yield();
    usleep(20000);
    assert_int_equal(kill(child, SIGSTOP), 0);
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
    from = ae_clock_ticks();
    usleep(2000);
    to = ae_clock_ticks();
    kill(child, SIGCONT);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    for (uint32_t i = 0; i < record->kept; i++)
        if (shared->items[i].start <= from && shared->items[i].end >= to)
            seen = true;
    assert_true(seen);
    assert_true(record->longest >= ae_clock_from_ns(2000000));
    assert_true(record->shortest < record->longest);
    assert_int_equal(record->gaps, record->kept + record->overflow);
    munmap(shared, sizeof(*shared));
}

static void gaps_beyond_the_capacity_are_counted(void **state)
{
    struct ae_gap items[3];
    struct ae_gap_record record = {.items = items};
    uint64_t now = ae_clock_ticks();

    (void)state;
    /* Every pair of readings is further apart than nothing, or the counter stands still. */
    ae_gap_loop(&record, now, 0, now + ae_clock_from_ns(1000000), COUNT(items));
    assert_int_equal(record.kept, COUNT(items));
    assert_true(record.overflow > 0);
    assert_int_equal(record.gaps, record.kept + record.overflow);
    assert_int_equal(record.lengths.count, record.gaps);
}

static void coming_late_is_a_gap(void **state)
{
    struct ae_gap items[16];
    struct ae_gap_record record = {.items = items};
    uint64_t now = ae_clock_ticks(), late = ae_clock_from_ns(5000000);

    (void)state;
    ae_gap_loop(&record, now - late, late / 2, now + late, COUNT(items));
    assert_true(record.gaps >= 1);
    assert_int_equal(items[0].start, now - late);
    assert_true(items[0].end >= now);
}

static void lengths_are_counted_by_powers_of_two(void **state)
{
    static const struct {
        uint64_t ns;
        unsigned power;
    } cases[] = {{1, 0},
                 {2, 1},
                 {1023, 9},
                 {1024, 10},
                 {2047, 10},
                 {2048, 11},
                 {5000000, 22},
                 {AE_HISTOGRAM_MAX, 33},
                 {UINT64_MAX / 2, 33}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ae_gap_record record = {.items = NULL};

        ae_histogram_clear(&record.lengths);
        ae_histogram_record(&record.lengths, cases[i].ns);
        for (unsigned power = 0; power < AE_GAP_POWERS; power++)
            assert_int_equal(ae_gap_count_power(&record, power), power == cases[i].power);
    }
}

static struct ae_gap_options on_this_cpu(void)
{
    struct ae_gap_options options = {
        .duration_ns = 50000000, .threshold_ns = 1000, .capacity = 1000};

    ae_cpus_add(&options.cpus, (unsigned)sched_getcpu());
    return options;
}

static void a_process_measures_and_ends_by_itself(void **state)
{
    struct ae_gap_options options = on_this_cpu();
    struct ae_gap_run run;
    struct ae_error err;

    (void)state;
    assert_int_equal(ae_gap_run(&run, &options, &err), 0);
    assert_int_equal(run.count, 1);
    assert_int_equal(run.records[0].cpu_end, run.records[0].cpu);
    assert_true(run.records[0].end - run.records[0].start >= ae_clock_from_ns(50000000));
    assert_true(run.records[0].readings > 0);
    assert_int_equal(run.records[0].voluntary, 0);
    ae_gap_run_free(&run);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

static void bad_options_are_refused(void **state)
{
    struct ae_gap_options options = on_this_cpu(), bad[5];
    struct ae_gap_run run;
    struct ae_error err;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        bad[i] = options;
    ae_cpus_clear(&bad[0].cpus);
    ae_cpus_add(&bad[1].cpus, AE_CPUS_MAX - 1);
    bad[2].duration_ns = 0;
    bad[3].capacity = 0;
    bad[4].duration_ns = UINT64_MAX;
    for (size_t i = 0; i < COUNT(bad); i++) {
        err.text[0] = '\0';
        assert_int_equal(ae_gap_run(&run, &bad[i], &err), -EINVAL);
        assert_non_null(strstr(err.text, "measuring gaps"));
    }
}

static void trace_lines_are_split(void **state)
{
    static const struct {
        const char *line, *name, *detail;
        uint64_t ticks;
    } cases[] = {
        {"          <idle>-0       [001] d.h1. 123456789012: local_timer_entry: vector=236",
         "local_timer_entry", "vector=236", 123456789012},
        {" odd [name] 1: x-77    [000] .....   99: sys_enter: NR 24 (0, 1, 2)", "sys_enter",
         "NR 24 (0, 1, 2)", 99},
        {"  a[003]-9 [12] d..2.  7: tick_stop:", "tick_stop", "", 7},
    };
    static const char *const none[] = {"# tracer: nop",
                                       "",
                                       "CPU:1 [LOST 12 EVENTS]",
                                       "a-1 [001] d... x: y: z",
                                       "a-1 [001] d... 12: y",
                                       "a-1 [001]",
                                       "a-1 [001] ",
                                       "[",
                                       "a-1 [0] d 99999999999999999999: a: b"};
    struct ae_attribution_event event;
    char line[128];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        strcpy(line, cases[i].line);
        assert_int_equal(ae_gap_trace_parse_line(line, &event), 0);
        assert_string_equal(event.name, cases[i].name);
        assert_string_equal(event.detail, cases[i].detail);
        assert_int_equal(event.ticks, cases[i].ticks);
    }
    for (size_t i = 0; i < COUNT(none); i++) {
        strcpy(line, none[i]);
        assert_int_equal(ae_gap_trace_parse_line(line, &event), -EINVAL);
    }
}

static void causes_are_put_into_words(void **state)
{
    static const struct {
        struct ae_attribution_event event;
        const char *cause;
    } cases[] = {
        {{0, "local_timer_entry", "vector=236"}, "local_timer"},
        {{0, "local_timer_exit", "vector=236"}, ""},
        {{0, "softirq_entry", "vec=1 [action=TIMER]"}, "softirq TIMER"},
        {{0, "irq_handler_entry", "irq=24 name=eth0-rx-1"}, "irq 24 eth0-rx-1"},
        {{0, "sched_switch",
          "prev_comm=a prev_pid=1 prev_prio=120 prev_state=R ==> "
          "next_comm=my task next_pid=2 next_prio=120"},
         "switch to my task"},
        {{0, "sys_enter", "NR 24 (0, 0)"}, "syscall 24"},
        {{0, "page_fault_user", "address=0x1 ip=0x2 error_code=0x6"}, "page fault"},
        {{0, "tick_stop", "success=0 dependency=SCHED"}, "tick kept by SCHED"},
        {{0, "tick_stop", "success=1 dependency=NONE"}, ""},
        {{0, "hrtimer_expire_entry", "hrtimer=0x1 function=tick_nohz_handler now=5"},
         "hrtimer tick_nohz_handler"},
        {{0, "nmi_handler", "perf_event_nmi_handler() delta_ns: 1 handled: 1"},
         "nmi perf_event_nmi_handler"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char name[96];

        ae_attribution_name(&cases[i].event, name, sizeof(name));
        assert_string_equal(name, cases[i].cause);
    }
}

static const struct ae_attribution_event events[] = {
    {100, "local_timer_entry", "vector=236"},
    {110, "softirq_entry", "vec=1 [action=TIMER]"},
    {500, "reschedule_entry", "vector=253"},
    {510, "sched_switch",
     "prev_comm=worker prev_pid=7 prev_state=R ==> next_comm=kworker/1:1 "
     "next_pid=9 next_prio=120"},
    {515, "sys_enter", "NR 1 (0)"},
    {516, "page_fault_user", "address=0x1"},
    {520, "local_timer_entry", "vector=236"},
    {525, "local_timer_entry", "vector=236"},
    {530, "sched_switch",
     "prev_comm=kworker/1:1 prev_pid=9 prev_state=I ==> next_comm=worker "
     "next_pid=7 next_prio=120"},
    {700, "sys_enter", "NR 24 (0)"},
    {900, "call_function_entry", "vector=251"},
};

static void gaps_are_matched_with_events(void **state)
{
    const struct ae_attribution_trace trace = {events, COUNT(events), 50, UINT64_MAX};
    static const struct {
        uint64_t start, end;
        enum ae_attribution attribution;
        const char *cause;
    } cases[] = {
        {90, 120, AE_ATTRIBUTED, "local_timer, softirq TIMER"},
        {490, 540, AE_ATTRIBUTED, "reschedule, switch to kworker/1:1, local_timer"},
        {200, 400, AE_UNATTRIBUTED, ""},
        {690, 710, AE_ATTRIBUTED, "syscall 24"},    /* the measured task's own */
        {905, 950, AE_ATTRIBUTED, "call_function"}, /* within the slack */
        {907, 950, AE_UNATTRIBUTED, ""},
        {10, 80, AE_UNTRACED, ""}, /* from before the first event that was not lost */
        {0, UINT64_MAX, AE_ATTRIBUTED,
         "local_timer, softirq TIMER, reschedule, switch to kworker/1:1, syscall 24, "
         "call_function"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char cause[AE_CAUSE_TEXT];

        assert_int_equal(ae_attribute(&trace, cases[i].start, cases[i].end, 6, cause),
                         cases[i].attribution);
        assert_string_equal(cause, cases[i].cause);
    }
}

static void a_cause_too_long_is_cut_at_a_whole_one(void **state)
{
    struct ae_attribution_event many[40];
    char names[COUNT(many)][24], cause[AE_CAUSE_TEXT];
    const struct ae_attribution_trace trace = {many, COUNT(many), 0, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT(many); i++) {
        snprintf(names[i], sizeof(names[i]), "event_number_%02zu", i);
        many[i] = (struct ae_attribution_event){i, names[i], ""};
    }
    assert_int_equal(ae_attribute(&trace, 0, 100, 0, cause), AE_ATTRIBUTED);
    assert_true(strlen(cause) < AE_CAUSE_TEXT);
    assert_true(strlen(cause) % 17 == 15); /* whole names, two bytes between */
}

static void a_summary_adds_up(void **state)
{
    struct ae_gap items[] = {{90, 120}, {200, 400}, {495, 540}, {95, 115}, {10, 80}};
    struct ae_gap_record record = {
        .items = items, .kept = COUNT(items), .gaps = COUNT(items) + 2, .overflow = 2};
    const struct ae_attribution_trace trace = {events, COUNT(events), 85, UINT64_MAX};
    struct ae_gap_summary summary;

    (void)state;
    assert_int_equal(ae_gap_summarise(&summary, &record, &trace, 0, 2), 0);
    /* The slack of 100 ns is many ticks here, so only the sums are looked at. */
    assert_int_equal(summary.attributed + summary.unattributed + summary.untraced, record.gaps);
    assert_int_equal(summary.worst_count, 2);
    assert_int_equal(summary.worst[0].gap.start, 200);
    assert_int_equal(summary.worst[1].gap.start, 10);
    for (unsigned i = 0; i < summary.cause_count; i++)
        assert_true(summary.causes[i].gaps <= COUNT(items)); /* a gap counts once in each */
    ae_gap_summary_free(&summary);
    assert_int_equal(ae_gap_summarise(&summary, &record, NULL, 0, 0), 0);
    assert_int_equal(summary.untraced, record.gaps);
    assert_int_equal(summary.cause_count, 1);
    assert_int_equal(summary.causes[0].gaps, COUNT(items));
    ae_gap_summary_free(&summary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loop_sees_an_injected_gap),
        cmocka_unit_test(gaps_beyond_the_capacity_are_counted),
        cmocka_unit_test(coming_late_is_a_gap),
        cmocka_unit_test(lengths_are_counted_by_powers_of_two),
        cmocka_unit_test(a_process_measures_and_ends_by_itself),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(trace_lines_are_split),
        cmocka_unit_test(causes_are_put_into_words),
        cmocka_unit_test(gaps_are_matched_with_events),
        cmocka_unit_test(a_cause_too_long_is_cut_at_a_whole_one),
        cmocka_unit_test(a_summary_adds_up),
    };

    return cmocka_run_group_tests(tests, calibrate, NULL);
}
