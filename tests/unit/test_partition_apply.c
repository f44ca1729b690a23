/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/root.h"
#include "made_up.h"
#include "partition/journal.h"
#include "partition/kernel.h"
#include "partition/partition.h"

#define JOURNAL "/run/aether/partitions/fast/journal"

static const char everything[] =
    "[partition]\ncpus = 2-3\n[memory]\nhugepages-2M = 64\n[cache]\nl3-ways = 4\n"
    "[devices]\ndevice = 0000:01:00.0\n"
    "[knobs]\ncpu-dma-latency = on\nnic-queues = on\n"
    "fair-server = on\n";

static struct ae_partition_summary summary;
static struct ae_error error;

static int begin(void **state)
{
    int rc = made_up_begin(state);

    made_up_config("fast", everything);
    memset(&summary, 0, sizeof(summary));
    error.text[0] = '\0';
    return rc;
}

static int apply_named(const char *name, bool partial, bool force)
{
    const struct ae_apply_options options = {.partial = partial, .force = force, .drain_ms = 10};
    struct ae_partition *partition;
    int rc = ae_partition_load(&partition, name, &error);

    if (rc)
        fail_msg("%s", error.text);
    rc = ae_partition_apply(partition, &options, NULL, NULL, &summary, &error);
    ae_partition_free(partition);
    return rc;
}

static int apply(void)
{
    return apply_named("fast", false, false);
}

static int revert_with(bool force, bool leave)
{
    const struct ae_revert_options options = {.force = force, .leave = leave};

    return ae_partition_revert("fast", &options, NULL, NULL, &summary, &error);
}

static int revert(void)
{
    return revert_with(false, false);
}

static void must(int rc)
{
    if (rc)
        fail_msg("%d: %s", rc, error.text);
}

/* The state of one target as status sees it. */
struct wanted_line {
    const char *target;
    enum ae_line_state state;
    bool seen;
    char note[128];
};

static void find_line(const struct ae_partition_line *line, void *context)
{
    struct wanted_line *wanted = context;

    if (line->target && strcmp(line->target, wanted->target) == 0) {
        wanted->state = line->state;
        wanted->seen = true;
        snprintf(wanted->note, sizeof(wanted->note), "%s", line->note ? line->note : "");
    }
}

static enum ae_line_state state_of(const char *target)
{
    struct wanted_line wanted = {.target = target};
    struct ae_partition *partition;

    must(ae_partition_load(&partition, "fast", &error));
    must(ae_partition_status(partition, find_line, &wanted, &summary, &error));
    ae_partition_free(partition);
    return wanted.seen ? wanted.state : AE_LINE_STATES;
}

static enum ae_line_state plan_state_of(const char *target)
{
    struct wanted_line wanted = {.target = target};
    struct ae_partition *partition;

    must(ae_partition_load(&partition, "fast", &error));
    must(ae_partition_plan(partition, find_line, &wanted, NULL, &error));
    ae_partition_free(partition);
    return wanted.seen ? wanted.state : AE_LINE_STATES;
}

static struct ae_knob_evidence irqs;

static void note_irqs(const struct ae_knob_evidence *evidence, void *context)
{
    (void)context;
    if (strcmp(evidence->knob, "irqs") == 0)
        irqs = *evidence;
}

static enum ae_level level(void)
{
    struct ae_partition *partition;
    enum ae_level found;

    must(ae_partition_load(&partition, "fast", &error));
    must(ae_partition_level(partition, &found, &error));
    ae_partition_free(partition);
    return found;
}

static void same_as(const char *before, const char *what, int step)
{
    char *after = made_up_dump();

    if (strcmp(before, after) != 0) {
        size_t at = 0;

        while (before[at] == after[at])
            at++;
        while (at > 0 && before[at - 1] != '\n')
            at--;
        fail_msg("%s %d: \"%.*s\" became \"%.*s\"", what, step, (int)strcspn(before + at, "\n"),
                 before + at, (int)strcspn(after + at, "\n"), after + at);
    }
    free(after);
}

static void applying_sets_what_the_file_asks_for(void **state)
{
    (void)state;
    must(apply());
    assert_string_equal(made_up_get("/proc/irq/24/smp_affinity_list"), "0-1,4-7");
    assert_string_equal(made_up_get("/proc/irq/25/smp_affinity_list"), "0-1,4-7");
    assert_string_equal(made_up_get("/proc/irq/26/smp_affinity_list"), "0");
    assert_string_equal(made_up_get("/proc/irq/default_smp_affinity"), "000000f3");
    assert_string_equal(made_up_get("/sys/fs/cgroup/aether-fast/cpuset.cpus"), "2-3");
    assert_string_equal(made_up_get("/sys/fs/cgroup/aether-fast/cpuset.cpus.partition"),
                        "isolated");
    assert_string_equal(made_up_get("/sys/fs/resctrl/schemata"),
                        "    MB:0=100;1=100\n    L3:0=0ff;1=fff");
    assert_string_equal(made_up_get("/sys/fs/resctrl/aether-fast/schemata"), "    L3:0=f00;1=fff");
    assert_string_equal(
        made_up_get("/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages"),
        "64");
    assert_string_equal(made_up_task_cpus(1), "0-1,4-7");
    assert_string_equal(made_up_task_cpus(31), "0-1,4-7");
    assert_string_equal(made_up_task_cpus(30), "2");  /* the kernel pinned it */
    assert_string_equal(made_up_task_cpus(100), "0"); /* the CPU set's coming must not widen it */
    assert_string_equal(made_up_task_cpus(101), "0-1,4-7");
    assert_int_equal(level(), AE_LEVEL_RUN_TIME);
    must(revert());
}

static void reverting_leaves_no_trace(void **state)
{
    char *before = made_up_dump();

    (void)state;
    must(apply());
    must(revert());
    same_as(before, "after revert", 0);
    assert_false(ae_root_exists("/run/aether/partitions/fast"));
    assert_int_equal(level(), AE_LEVEL_NONE);
    assert_int_equal(revert(), -ENOENT);
    free(before);
}

static void planning_and_status_change_nothing(void **state)
{
    struct ae_partition *partition;
    char *before = made_up_dump();

    (void)state;
    must(ae_partition_load(&partition, "fast", &error));
    must(ae_partition_plan(partition, NULL, NULL, &summary, &error));
    assert_true(summary.count[AE_LINE_CHANGE] > 20);
    must(ae_partition_status(partition, NULL, NULL, &summary, &error));
    ae_partition_free(partition);
    same_as(before, "after plan", 0);
    free(before);
}

static void applying_twice_changes_nothing(void **state)
{
    struct stat first, second;
    char full[PATH_MAX], *before;

    (void)state;
    must(apply());
    before = made_up_dump();
    ae_root_path(full, sizeof(full), JOURNAL);
    assert_int_equal(stat(full, &first), 0);
    must(apply());
    assert_int_equal(summary.count[AE_LINE_SET], 0);
    assert_int_equal(stat(full, &second), 0);
    assert_true(second.st_size - first.st_size < 100); /* "begin" and "complete", no intent */
    same_as(before, "after the second apply", 0);
    must(revert());
    free(before);
}

/* The number of the step to die at, and whether to tear the newest record first. */
static int steps_left;
static int torn_bytes;
static off_t journal_size;

static off_t size_of_journal(void)
{
    char full[PATH_MAX];
    struct stat status;

    ae_root_path(full, sizeof(full), JOURNAL);
    return stat(full, &status) ? 0 : status.st_size;
}

static void die_at_step(void)
{
    if (--steps_left == 0)
        raise(SIGKILL);
}

/* Dies just after a record was written and before anything was done, having lost its end. */
static void tear_at_record(void)
{
    off_t size = size_of_journal();
    char full[PATH_MAX];

    if (size > journal_size && --steps_left == 0) {
        off_t keep = torn_bytes < size - journal_size ? torn_bytes : size - journal_size - 1;

        ae_root_path(full, sizeof(full), JOURNAL);
        if (truncate(full, journal_size + keep) == 0)
            raise(SIGKILL);
    }
    journal_size = size;
}

/* Runs in a child that dies at a step. True while there was such a step. */
static bool dies(int (*verb)(void), void (*hook)(void), int step)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        steps_left = step;
        journal_size = 0;
        ae_journal_step = hook;
        _exit(verb() ? 2 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status))
        fail_msg("the verb failed before step %d", step);
    return WIFSIGNALED(status);
}

static void a_kill_at_any_step_of_apply_can_be_reverted(void **state)
{
    char *before = made_up_dump();
    int step = 1;

    (void)state;
    for (; dies(apply, die_at_step, step); step++) {
        int rc = revert();

        if (rc && rc != -ENOENT)
            fail_msg("step %d: %s", step, error.text);
        same_as(before, "killed at step", step);
    }
    assert_true(step > 150);
    must(revert());
    same_as(before, "not killed", step);
    free(before);
}

static void a_kill_at_any_step_of_a_second_apply_can_be_reverted(void **state)
{
    char *before = made_up_dump();
    int step = 1;

    (void)state;
    for (bool alive = true; alive; step++) {
        must(apply());
        made_up_put("/proc/sys/vm/stat_interval", "120");
        made_up_put("/proc/irq/27/smp_affinity_list", "0-7");
        alive = dies(apply, die_at_step, step);
        must(revert());
        assert_string_equal(made_up_get("/proc/irq/27/smp_affinity_list"), "0-7");
        made_up_remove("/proc/irq/27/smp_affinity_list");
        made_up_remove("/proc/irq/27");
        same_as(before, "killed at step", step);
    }
    free(before);
}

static void a_kill_at_any_step_of_revert_can_be_reverted(void **state)
{
    char *before = made_up_dump();

    (void)state;
    for (int step = 1;; step++) {
        bool died;
        int rc;

        must(apply());
        died = dies(revert, die_at_step, step);
        rc = revert();
        if (rc && rc != -ENOENT)
            fail_msg("step %d: %s", step, error.text);
        same_as(before, "killed at step", step);
        if (!died)
            break;
    }
    free(before);
}

static void a_record_torn_anywhere_is_no_harm(void **state)
{
    static const int torn[] = {0, 1, 7, 40, INT_MAX};
    char *before = made_up_dump();

    (void)state;
    for (size_t i = 0; i < sizeof(torn) / sizeof(torn[0]); i++) {
        torn_bytes = torn[i];
        for (int record = 1; dies(apply, tear_at_record, record); record += i ? 7 : 1) {
            int rc = revert();

            if (rc && rc != -ENOENT)
                fail_msg("record %d torn at %d: %s", record, torn[i], error.text);
            same_as(before, "torn record", record);
        }
        must(revert());
    }
    free(before);
}

static void an_interrupted_apply_is_finished_by_the_next(void **state)
{
    char *before = made_up_dump();

    (void)state;
    for (int step = 5; dies(apply, die_at_step, step); step += 3) {
        must(apply());
        assert_int_equal(level(), AE_LEVEL_RUN_TIME);
        must(revert());
        same_as(before, "applied again after step", step);
    }
    must(revert());
    free(before);
}

static void what_somebody_else_changed_is_not_written_over(void **state)
{
    (void)state;
    must(apply());
    made_up_put("/proc/sys/vm/stat_interval", "7");
    assert_int_equal(state_of("/proc/sys/vm/stat_interval"), AE_LINE_DRIFT);
    assert_int_equal(apply(), -EEXIST);
    assert_int_equal(summary.count[AE_LINE_CONFLICT], 1);
    assert_string_equal(made_up_get("/proc/sys/vm/stat_interval"), "7");
    must(apply_named("fast", false, true));
    assert_string_equal(made_up_get("/proc/sys/vm/stat_interval"), "120");
    must(revert());
    assert_string_equal(made_up_get("/proc/sys/vm/stat_interval"), "1");
}

static void revert_leaves_what_somebody_else_changed(void **state)
{
    (void)state;
    must(apply());
    made_up_put("/proc/sys/vm/stat_interval", "7");
    assert_int_equal(revert(), -EEXIST);
    assert_int_equal(summary.count[AE_LINE_CONFLICT], 1);
    assert_string_equal(made_up_get("/proc/sys/vm/stat_interval"), "7");
    assert_string_equal(made_up_get("/sys/kernel/mm/ksm/run"), "1");
    assert_int_equal(apply(), -ESTALE);
    must(revert_with(false, true));
    assert_string_equal(made_up_get("/proc/sys/vm/stat_interval"), "7");
    assert_false(ae_root_exists(JOURNAL));
}

static void revert_restores_it_when_forced(void **state)
{
    char *before = made_up_dump();

    (void)state;
    must(apply());
    made_up_put("/proc/sys/vm/stat_interval", "7");
    made_up_task(102, 1, "server", 0, "5");
    assert_int_equal(revert(), -EEXIST);
    assert_string_equal(made_up_task_cpus(102), "0-7"); /* Linux 6.1 does that to it, not we */
    must(revert_with(true, false));
    same_as(before, "forced", 0);
    free(before);
}

static void a_dry_revert_changes_nothing(void **state)
{
    const struct ae_revert_options options = {.dry_run = true};
    char *before;

    (void)state;
    must(apply());
    before = made_up_dump();
    must(ae_partition_revert("fast", &options, NULL, NULL, &summary, &error));
    assert_true(summary.count[AE_LINE_CHANGE] > 20);
    same_as(before, "dry revert", 0);
    assert_int_equal(level(), AE_LEVEL_RUN_TIME);
    must(revert());
    free(before);
}

/* What an errno means here, and whose interrupt it is. */
static void a_refused_interrupt_undoes_everything(void **state)
{
    static const struct {
        const char *code, *says;
    } refusals[] = {
        {"30", "interrupt 25 (eth0-rx-3): /proc is mounted read-only here"},
        {"28", "interrupt 25 (eth0-rx-3): the host CPUs have no interrupt vector left"},
        {"13", "interrupt 25 (eth0-rx-3): not allowed"},
        {"12", "interrupt 25 (eth0-rx-3): Cannot allocate memory"},
    };
    char *before;

    (void)state;
    made_up_put("/sys/kernel/irq/25/actions", "eth0-rx-3\n");
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        made_up_put("/proc/irq/25/refuses", refusals[i].code);
        before = made_up_dump();
        assert_int_equal(apply(), -EPERM);
        if (!strstr(error.text, refusals[i].says))
            fail_msg("%s does not say %s", error.text, refusals[i].says);
        assert_non_null(
            strstr(error.text, "everything was undone; --partial keeps what can be done"));
        same_as(before, "refused", 0);
        assert_false(ae_root_exists(JOURNAL));
        free(before);
    }
}

static void a_refused_interrupt_is_named_when_told_to_go_on(void **state)
{
    (void)state;
    made_up_put("/proc/irq/25/refuses", "28");
    must(apply_named("fast", true, false));
    assert_int_equal(summary.count[AE_LINE_REFUSED], 1);
    assert_int_equal(level(), AE_LEVEL_PARTIAL);
    must(revert());
}

static bool verified(void)
{
    struct ae_partition *partition;
    bool quiet;

    must(ae_partition_load(&partition, "fast", &error));
    must(ae_partition_verify(partition, 1, note_irqs, NULL, &quiet, &error));
    ae_partition_free(partition);
    return irqs.accepted.answer == AE_ANSWER_YES && irqs.effective.answer == AE_ANSWER_YES;
}

/* An ordinary disk has one for each CPU. debugfs tells, or the kernel's refusal does. */
static void an_interrupt_that_the_kernel_manages_is_no_failure(void **state)
{
    (void)state;
    made_up_put("/sys/kernel/irq/25/actions", "nvme0q3\n");
    made_up_put("/proc/irq/25/refuses", "5");
    made_up_put("/proc/irq/25/smp_affinity_list", "2");
    made_up_put("/proc/irq/25/effective_affinity_list", "2");
    for (int told = 0; told < 2; told++) {
        if (told)
            made_up_put("/sys/kernel/debug/irq/irqs/25",
                        "handler:  handle_edge_irq\ndstate:   0x3740a200\n            "
                        "IRQD_AFFINITY_MANAGED\n");
        assert_int_equal(plan_state_of("/proc/irq/25/smp_affinity_list"),
                         told ? AE_LINE_IMMOVABLE : AE_LINE_CHANGE);
        must(apply());
        assert_int_equal(summary.count[AE_LINE_IMMOVABLE], 1);
        assert_int_equal(summary.count[AE_LINE_DEFERRED], 0);
        assert_int_equal(level(), AE_LEVEL_RUN_TIME);
        assert_int_equal(state_of("/proc/irq/25/smp_affinity_list"), AE_LINE_IMMOVABLE);
        assert_true(verified());
        assert_non_null(strstr(irqs.effective.detail, "interrupt 25 (nvme0q3)"));
        must(apply());
        must(revert());
    }
    /* One that is not managed, and was moved back: that is no excuse. */
    made_up_put("/proc/irq/25/refuses", "");
    made_up_remove("/sys/kernel/debug/irq/irqs/25");
    must(apply());
    made_up_put("/proc/irq/25/effective_affinity_list", "2");
    assert_false(verified());
    must(revert());
}

static void a_managed_interrupt_that_goes_elsewhere_is_no_failure(void **state)
{
    (void)state;
    made_up_put("/proc/irq/24/refuses", "5");
    made_up_put("/proc/irq/24/effective_affinity_list", "0");
    must(apply());
    assert_int_equal(summary.count[AE_LINE_IMMOVABLE], 1);
    assert_int_equal(state_of("/proc/irq/24/smp_affinity_list"), AE_LINE_IMMOVABLE);
    must(revert());
}

static void a_deferred_interrupt_is_named(void **state)
{
    (void)state;
    made_up_put("/proc/irq/24/lazy", "");
    must(apply());
    assert_int_equal(summary.count[AE_LINE_DEFERRED], 1);
    assert_int_equal(state_of("/proc/irq/24/smp_affinity_list"), AE_LINE_DEFERRED);
    made_up_put("/proc/irq/24/effective_affinity_list", "0");
    assert_int_equal(state_of("/proc/irq/24/smp_affinity_list"), AE_LINE_OK);
    must(revert());
}

static void an_invalid_cpu_set_is_no_success(void **state)
{
    char *before;

    (void)state;
    made_up_put("/made-up/invalid", "");
    before = made_up_dump();
    assert_int_equal(apply(), -EPERM);
    assert_non_null(
        strstr(error.text, "cpuset.cpus.partition: it reads \"isolated invalid (Cpu list"));
    same_as(before, "invalid", 0);
    free(before);
}

static void a_cpu_set_that_turns_invalid_is_drift(void **state)
{
    (void)state;
    must(apply());
    made_up_put("/sys/fs/cgroup/aether-fast/cpuset.cpus.partition", "isolated invalid (why)");
    assert_int_equal(state_of("/sys/fs/cgroup/aether-fast/cpuset.cpus.partition"), AE_LINE_DRIFT);
    assert_int_equal(level(), AE_LEVEL_PARTIAL);
    must(revert_with(true, false));
}

static void too_few_huge_pages_are_no_success(void **state)
{
    (void)state;
    made_up_put("/made-up/pages", "40");
    must(apply_named("fast", true, false));
    assert_int_equal(summary.count[AE_LINE_SHORT], 1);
    assert_int_equal(level(), AE_LEVEL_PARTIAL);
    must(revert());
}

static void a_cpu_going_offline_is_drift(void **state)
{
    (void)state;
    must(apply());
    made_up_put("/sys/devices/system/cpu/cpu2/online", "0");
    made_up_put("/sys/devices/system/cpu/online", "0-1,3-7");
    made_up_put("/sys/devices/system/node/node0/cpulist", "0-1,3");
    assert_int_equal(state_of("/sys/devices/system/cpu/cpu2/online"), AE_LINE_DRIFT);
    made_up_put("/sys/devices/system/cpu/cpu2/online", "1");
    must(revert());
}

static void a_new_interrupt_and_a_moved_one_are_drift(void **state)
{
    (void)state;
    must(apply());
    made_up_put("/proc/irq/40/smp_affinity_list", "0-7");
    made_up_put("/proc/irq/24/smp_affinity_list", "2"); /* irqbalance's work */
    assert_int_equal(state_of("/proc/irq/40/smp_affinity_list"), AE_LINE_DRIFT);
    assert_int_equal(state_of("/proc/irq/24/smp_affinity_list"), AE_LINE_DRIFT);
    must(apply_named("fast", false, true));
    assert_string_equal(made_up_get("/proc/irq/40/smp_affinity_list"), "0-1,4-7");
    must(revert());
    assert_string_equal(made_up_get("/proc/irq/40/smp_affinity_list"), "0-7");
}

static void a_process_id_used_again_is_left_alone(void **state)
{
    (void)state;
    must(apply());
    made_up_task(102, 1, "another", 0, "4-5");
    made_up_put("/proc/102/stat", "102 (another) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 77 0 0\n");
    must(revert());
    assert_string_equal(made_up_task_cpus(102), "4-5");
}

static void a_task_born_meanwhile_gets_its_parents_affinity(void **state)
{
    (void)state;
    must(apply());
    made_up_task(199, 100, "child of the pinned one", 0, "0");
    made_up_task(200, 102, "child", 0, "0-1,4-7");
    made_up_task(201, 200, "grandchild", 0, "0-1,4-7");
    made_up_task(202, 200, "pinned by its owner", 0, "5");
    must(revert());
    assert_string_equal(made_up_task_cpus(199), "0"); /* though the CPU set's going gave it all */
    assert_string_equal(made_up_task_cpus(200), "0-7");
    assert_string_equal(made_up_task_cpus(201), "0-7");
    assert_string_equal(made_up_task_cpus(202), "5");
}

static void a_thread_born_by_the_revert_is_not_left_narrow(void **state)
{
    (void)state;
    made_up_config("fast", "[partition]\ncpus = 2-3\n[knobs]\ncpuset = off\n");
    made_up_put("/made-up/khugepaged", "");
    must(apply());
    must(revert());
    assert_string_equal(made_up_task_cpus(600), "0-7");
}

static void a_task_that_was_narrow_before_stays_so(void **state)
{
    char *before;

    (void)state;
    made_up_task(600, 2, "narrow", 0x00200000, "0-1,4-7"); /* as its parent will be */
    before = made_up_dump();
    for (int step = 1; dies(apply, die_at_step, step) && step < 40; step++) {
        int rc = revert();

        if (rc && rc != -ENOENT)
            fail_msg("step %d: %s", step, error.text);
        same_as(before, "killed at step", step);
    }
    revert();
    free(before);
}

static void the_partitions_own_tasks_stay(void **state)
{
    (void)state;
    must(apply());
    made_up_task(300, 1, "worker", 0, "2-3");
    made_up_put("/proc/300/cgroup", "0::/aether-fast\n");
    must(apply());
    assert_string_equal(made_up_task_cpus(300), "2-3");
    must(revert());
}

static void a_partition_in_use_is_not_reverted(void **state)
{
    (void)state;
    must(apply());
    must(ae_partition_enter("fast", 300, &error));
    assert_string_equal(made_up_get("/sys/fs/cgroup/aether-fast/cgroup.procs"), "300");
    assert_int_equal(revert(), -EBUSY);
    assert_non_null(strstr(error.text, "process 300"));
    made_up_put("/sys/fs/cgroup/aether-fast/cgroup.procs", "");
    must(revert());
    assert_int_equal(ae_partition_enter("fast", 300, &error), -ENOENT);
}

static void partitions_share_what_both_need(void **state)
{
    char *before;

    (void)state;
    made_up_config("slow", "[partition]\ncpus = 6-7\n[memory]\nhugepages-2M = 8\n");
    before = made_up_dump();
    must(apply());
    must(apply_named("slow", false, false));
    must(revert());
    assert_string_equal(made_up_get("/proc/sys/vm/stat_interval"), "120");
    assert_string_equal(made_up_get("/proc/irq/24/smp_affinity_list"), "0-1,4-5");
    must(ae_partition_revert("slow", NULL, NULL, NULL, &summary, &error));
    same_as(before, "both reverted", 0);
    must(apply_named("slow", false, false));
    must(apply());
    must(revert());
    must(ae_partition_revert("slow", NULL, NULL, NULL, &summary, &error));
    same_as(before, "both reverted", 1);
    free(before);
}

static void a_reboot_forgets_the_journal(void **state)
{
    (void)state;
    must(apply());
    made_up_put("/proc/sys/kernel/random/boot_id", "99999999-2222-3333-4444-555555555555");
    assert_int_equal(revert(), -ENOENT);
    assert_int_equal(level(), AE_LEVEL_NONE);
    made_up_put("/proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555");
    must(revert());
}

static void a_damaged_journal_is_refused(void **state)
{
    char text[65536], *middle;

    (void)state;
    must(apply());
    assert_true(ae_root_read(JOURNAL, text, sizeof(text) - 2) > 0);
    strcat(text, "\n");
    middle = strstr(text, "stat_interval");
    assert_non_null(middle);
    *middle = 'X';
    made_up_put(JOURNAL, text);
    assert_int_equal(revert(), -EBADMSG);
    assert_int_equal(apply(), -EBADMSG);
    *middle = 's';
    made_up_put(JOURNAL, text);
    must(revert());
}

static void other_cpus_in_the_file_need_a_revert_first(void **state)
{
    (void)state;
    must(apply());
    made_up_config("fast", "[partition]\ncpus = 4-5\n");
    assert_int_equal(apply(), -ESTALE);
    assert_non_null(strstr(error.text, "is applied to CPUs 2-3 and its file says 4-5 now"));
    must(revert());
}

static void two_applies_at_once_are_refused(void **state)
{
    int lock = ae_journal_lock(&error);

    (void)state;
    assert_true(lock >= 0);
    assert_int_equal(apply(), -EBUSY);
    close(lock);
    must(apply());
    must(revert());
}

static void without_cpu_sets_only_a_partial_apply_is_possible(void **state)
{
    char *before;

    (void)state;
    made_up_put("/proc/mounts", "proc /proc proc rw 0 0\n");
    before = made_up_dump();
    assert_int_equal(apply(), -ENOTSUP);
    assert_non_null(strstr(error.text, "knob cpuset is absent here"));
    same_as(before, "refused", 0);
    must(apply_named("fast", true, false));
    assert_int_equal(level(), AE_LEVEL_PARTIAL);
    must(revert());
    same_as(before, "reverted", 0);
    free(before);
}

static void cgroup_v1_does_too(void **state)
{
    char *before;

    (void)state;
    made_up_cgroup_v1();
    before = made_up_dump();
    must(apply());
    assert_string_equal(made_up_get("/sys/fs/cgroup/cpuset/cpuset.sched_load_balance"), "0");
    assert_string_equal(made_up_get("/sys/fs/cgroup/cpuset/aether-host/cpuset.cpus"), "0-1,4-7");
    assert_int_equal(level(), AE_LEVEL_RUN_TIME);
    must(revert());
    same_as(before, "reverted", 0);
    free(before);
}

static void siblings_are_switched_off(void **state)
{
    char *before = made_up_dump();

    (void)state;
    made_up_config("fast", "[partition]\ncpus = 2\nsmt = offline\n");
    must(apply());
    assert_string_equal(made_up_get("/sys/devices/system/cpu/cpu3/online"), "0");
    must(revert());
    same_as(before, "reverted", 0);
    free(before);
}

/* Hundreds of children die here, and each fork copies what the address sanitizer holds back: by
 * default 256 MB of freed memory. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=1:thread_local_quarantine_size_kb=64";
}

static void a_card_is_taken_and_given_back(void **state)
{
    char driver[32];

    (void)state;
    must(apply());
    must(ae_root_link_name("/sys/bus/pci/devices/0000:01:00.0/driver", driver, sizeof(driver)));
    assert_string_equal(driver, "vfio-pci");
    assert_int_equal(state_of("0000:01:00.0"), AE_LINE_OK);
    must(ae_kernel.give_card("0000:01:00.0", &error));
    assert_int_equal(state_of("0000:01:00.0"), AE_LINE_DRIFT);
    must(ae_kernel.take_card("0000:01:00.0", &error));
    must(revert());
    must(ae_root_link_name("/sys/bus/pci/devices/0000:01:00.0/driver", driver, sizeof(driver)));
    assert_string_equal(driver, "e1000e");
}

static void irqbalance_is_named_where_it_undoes_our_work(void **state)
{
    struct wanted_line wanted = {.target = "/proc/irq/24/smp_affinity_list"};
    struct ae_partition *partition;

    (void)state;
    must(apply());
    made_up_task(77, 1, "irqbalance", 0, "0-1,4-7");
    made_up_put("/proc/irq/24/smp_affinity_list", "2");
    must(ae_partition_load(&partition, "fast", &error));
    must(ae_partition_status(partition, find_line, &wanted, &summary, &error));
    ae_partition_free(partition);
    assert_int_equal(wanted.state, AE_LINE_DRIFT);
    assert_non_null(strstr(wanted.note, "irqbalance runs (process 77)"));
    must(revert_with(true, false));
}

/* Killed between unbinding and binding, the card is with no driver and has a record. */
static void a_card_taken_half_is_given_back(void **state)
{
    char *before = made_up_dump();

    (void)state;
    must(apply());
    made_up_remove("/sys/bus/pci/devices/0000:01:00.0/driver");
    must(revert_with(true, false));
    same_as(before, "half taken", 0);
    free(before);
}

static void a_card_that_does_not_come_undoes_everything(void **state)
{
    char *before = made_up_dump();

    (void)state;
    made_up_put("/made-up/stubborn", "");
    assert_int_equal(apply(), -EPERM);
    assert_non_null(strstr(error.text, "devices: 0000:01:00.0: 0000:01:00.0 does not let go"));
    made_up_remove("/made-up/stubborn");
    same_as(before, "stubborn", 0);
    free(before);
}

static void the_hosts_own_card_is_not_taken(void **state)
{
    char *before = made_up_dump();

    (void)state;
    made_up_config("fast", "[partition]\ncpus = 2-3\n[devices]\ndevice = 0000:01:00.0\n"
                           "device = 0000:02:00.0\n");
    assert_int_equal(apply(), -ENOTSUP);
    assert_non_null(strstr(error.text, "devices is absent here: 0000:02:00.0 carries the default"));
    same_as(before, "refused", 0);
    must(apply_named("fast", true, false));
    assert_int_equal(level(), AE_LEVEL_PARTIAL);
    must(revert());
    same_as(before, "partial", 0);
    free(before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, made_up_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(applying_sets_what_the_file_asks_for),
        TEST(reverting_leaves_no_trace),
        TEST(planning_and_status_change_nothing),
        TEST(applying_twice_changes_nothing),
        TEST(a_kill_at_any_step_of_apply_can_be_reverted),
        TEST(a_kill_at_any_step_of_a_second_apply_can_be_reverted),
        TEST(a_kill_at_any_step_of_revert_can_be_reverted),
        TEST(a_record_torn_anywhere_is_no_harm),
        TEST(an_interrupted_apply_is_finished_by_the_next),
        TEST(what_somebody_else_changed_is_not_written_over),
        TEST(revert_leaves_what_somebody_else_changed),
        TEST(revert_restores_it_when_forced),
        TEST(a_dry_revert_changes_nothing),
        TEST(a_refused_interrupt_undoes_everything),
        TEST(a_refused_interrupt_is_named_when_told_to_go_on),
        TEST(an_interrupt_that_the_kernel_manages_is_no_failure),
        TEST(a_managed_interrupt_that_goes_elsewhere_is_no_failure),
        TEST(a_deferred_interrupt_is_named),
        TEST(an_invalid_cpu_set_is_no_success),
        TEST(a_cpu_set_that_turns_invalid_is_drift),
        TEST(too_few_huge_pages_are_no_success),
        TEST(a_cpu_going_offline_is_drift),
        TEST(a_new_interrupt_and_a_moved_one_are_drift),
        TEST(a_process_id_used_again_is_left_alone),
        TEST(a_task_born_meanwhile_gets_its_parents_affinity),
        TEST(a_thread_born_by_the_revert_is_not_left_narrow),
        TEST(a_task_that_was_narrow_before_stays_so),
        TEST(the_partitions_own_tasks_stay),
        TEST(a_partition_in_use_is_not_reverted),
        TEST(partitions_share_what_both_need),
        TEST(a_reboot_forgets_the_journal),
        TEST(a_damaged_journal_is_refused),
        TEST(other_cpus_in_the_file_need_a_revert_first),
        TEST(two_applies_at_once_are_refused),
        TEST(without_cpu_sets_only_a_partial_apply_is_possible),
        TEST(cgroup_v1_does_too),
        TEST(siblings_are_switched_off),
        TEST(irqbalance_is_named_where_it_undoes_our_work),
        TEST(a_card_is_taken_and_given_back),
        TEST(a_card_taken_half_is_given_back),
        TEST(a_card_that_does_not_come_undoes_everything),
        TEST(the_hosts_own_card_is_not_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
