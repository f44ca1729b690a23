/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "partition/evidence.h"
#include "partition/knobs/rows.h"
#include "partition/plan.h"
#include "partition/task.h"

const struct ae_knob ae_knob_cpus = {
    .name = "cpus",
    .what = "nothing; says that the quiet CPUs are switched on",
    .risk = "none",
    .essential = true,
    .needs = "CPUs cannot be switched off and on here (CONFIG_HOTPLUG_CPU)",
    .files =
        (const struct ae_knob_file[]){{AE_SETTING_TEXT, "/sys/devices/system/cpu/cpu%/online", "1"},
                                      {0}},
    .unseen = "being online is not counted",
};

static bool switches_off(const struct ae_partition *partition)
{
    return partition->smt_policy == AE_SMT_OFFLINE;
}

static int expand_smt(const struct ae_partition *partition, struct ae_plan *plan,
                      struct ae_error *err)
{
    int rc = 0;

    (void)err;
    for (int cpu = ae_cpus_next(&partition->offline, 0); !rc && cpu >= 0;
         cpu = ae_cpus_next(&partition->offline, (unsigned)cpu + 1)) {
        char path[64];

        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
        rc = ae_plan_add(plan, AE_SETTING_TEXT, path, "0");
    }
    return rc;
}

const struct ae_knob ae_knob_smt = {
    .name = "smt",
    .what = "other threads of the quiet cores, which share their execution units and caches",
    .risk = "the siblings are lost to the host",
    .asked = switches_off,
    .expand = expand_smt,
    .unseen = "a CPU that is off has no counters",
};

static int expand_tasks(const struct ae_partition *partition, struct ae_plan *plan,
                        struct ae_error *err)
{
    (void)err;
    return ae_plan_add_tasks(plan, partition);
}

struct strangers {
    const struct ae_partition *partition;
    unsigned count, pinned;
    char first[64];
};

static int count_stranger(const struct ae_task *task, void *context)
{
    struct strangers *strangers = context;

    if (!ae_cpus_intersect(&task->allowed, &strangers->partition->quiet) ||
        ae_task_in_partition(task->id, strangers->partition->name))
        return 0;
    if (task->immovable) {
        strangers->pinned++;
        return 0;
    }
    if (strangers->count++ == 0)
        snprintf(strangers->first, sizeof(strangers->first), "%.40s (%d)", task->name, task->id);
    return 0;
}

static void tasks_effective(const struct ae_partition *partition, struct ae_evidence *evidence)
{
    struct strangers strangers = {.partition = partition};
    int rc = ae_task_each(count_stranger, &strangers);

    if (rc)
        ae_evidence_set(evidence, AE_ANSWER_UNSEEN, "reading /proc failed: %s", strerror(-rc));
    else if (strangers.count)
        ae_evidence_set(evidence, AE_ANSWER_NO, "%u task%s may run on quiet CPUs, %s among them",
                        strangers.count, strangers.count == 1 ? "" : "s", strangers.first);
    else
        ae_evidence_set(evidence, AE_ANSWER_YES, "no task but %u the kernel pinned there",
                        strangers.pinned);
}

const struct ae_knob ae_knob_tasks = {
    .name = "tasks",
    .what = "tasks and kernel threads that may run anywhere",
    .risk = "the host's tasks share fewer CPUs",
    .undo = "each task gets its old affinity back; children of such a task get their parent's",
    .essential = true,
    .expand = expand_tasks,
    .effective = tasks_effective,
    .counters = "sched:slices irq:RES",
};

const struct ae_knob ae_knob_workqueues = {
    .name = "workqueues",
    .what = "work that the kernel puts off to any CPU",
    .risk = "work bound to a CPU by its driver stays",
    .needs = "no workqueue is in sysfs",
    .files =
        (const struct ae_knob_file[]){
            {AE_SETTING_MASK, "/sys/devices/virtual/workqueue/cpumask", AE_WITHOUT_QUIET},
            {AE_SETTING_MASK, "/sys/devices/virtual/workqueue/*/cpumask", AE_WITHOUT_QUIET},
            {0}},
    .counters = "sched:slices",
};

const struct ae_knob ae_knob_watchdog_cpus = {
    .name = "watchdog-cpus",
    .what = "the soft-lockup watchdog's timer and thread",
    .risk = "a kernel that hangs on a quiet CPU is not noticed",
    .needs = "this kernel has no lockup detector (CONFIG_LOCKUP_DETECTOR)",
    .files =
        (const struct ae_knob_file[]){
            {AE_SETTING_LIST, "/proc/sys/kernel/watchdog_cpumask", AE_WITHOUT_QUIET}, {0}},
    .counters = "softirq:HRTIMER",
};

const struct ae_knob ae_knob_nmi_watchdog = {
    .name = "nmi-watchdog",
    .what = "the hard-lockup watchdog's non-maskable interrupts",
    .risk = "hard lockups are not noticed on any CPU",
    .needs = "this kernel has no lockup detector (CONFIG_LOCKUP_DETECTOR)",
    .files =
        (const struct ae_knob_file[]){{AE_SETTING_TEXT, "/proc/sys/kernel/nmi_watchdog", "0"}, {0}},
    .counters = "irq:NMI irq:PMI",
};

const struct ae_knob ae_knob_timer_migration = {
    .name = "timer-migration",
    .what = "timers armed on a quiet CPU while it idles",
    .risk = "timers fire on a CPU that is awake rather than on their own",
    .needs = "this kernel has no timer migration (CONFIG_NO_HZ_COMMON)",
    .files =
        (const struct ae_knob_file[]){{AE_SETTING_TEXT, "/proc/sys/kernel/timer_migration", "1"},
                                      {0}},
    .counters = "softirq:TIMER",
};

const struct ae_knob ae_knob_rt_throttle = {
    .name = "rt-throttle",
    .what = "the 50 ms in each second that real-time tasks must give away",
    .risk = "a real-time task that never sleeps starves kernel threads of its CPU",
    .needs = "no /proc/sys/kernel/sched_rt_runtime_us",
    .files =
        (const struct ae_knob_file[]){
            {AE_SETTING_TEXT, "/proc/sys/kernel/sched_rt_runtime_us", "-1"}, {0}},
    .unseen = "it shows as 50 ms gaps of a real-time task, not in a counter",
};

const struct ae_knob ae_knob_rcu_normal = {
    .name = "rcu-normal",
    .what = "interrupts to all CPUs when somebody waits impatiently for RCU (expedited)",
    .risk = "on the host, loading modules, unmounting and the like take some milliseconds longer",
    .needs = "RCU cannot be asked for patience here (no /sys/kernel/rcu_normal)",
    .files = (const struct ae_knob_file[]){{AE_SETTING_TEXT, "/sys/kernel/rcu_normal", "1"}, {0}},
    .counters = "irq:CAL",
};

/*
 * Off unless asked for: restoring the old runtime while an ordinary task waits on the CPU upsets
 * the kernel's own bookkeeping (6.12.117: WARNING in task_non_contending, from
 * sched_fair_server_write), which panic_on_warn turns into a crash.
 */
const struct ae_knob ae_knob_fair_server = {
    .name = "fair-server",
    .what = "the deadline server, which starts the tick for waiting ordinary tasks (Linux 6.12)",
    .risk = "ordinary tasks can starve there; Linux 6.12 may print a WARNING when it is restored",
    .off = true,
    .needs = "no deadline server in debugfs (Linux before 6.12, no debugfs, or lockdown)",
    .files =
        (const struct ae_knob_file[]){
            {AE_SETTING_TEXT, "/sys/kernel/debug/sched/fair_server/cpu%/runtime", "0"}, {0}},
    .unseen = "its timer is one among the local timer interrupts, see knob tick",
};

static int expand_timestamping(const struct ae_partition *partition, struct ae_plan *plan,
                               struct ae_error *err)
{
    char target[64];

    (void)err;
    snprintf(target, sizeof(target), "%s timestamping", partition->name);
    return ae_plan_add(plan, AE_SETTING_HOLD, target, "held");
}

const struct ae_knob ae_knob_timestamping = {
    .name = "timestamping",
    .what = "interrupts to all CPUs when the host's first socket asks for time stamps",
    .risk = "every packet of the host gets a receive time stamp; one small process",
    .undo = "the process that holds the socket ends",
    .expand = expand_timestamping,
    .counters = "irq:CAL",
};

const struct ae_knob ae_knob_machine_check = {
    .name = "machine-check",
    .what = "the timer that looks for corrected hardware errors",
    .risk = "corrected memory errors are counted late or never, on all CPUs",
    .needs = "no machine-check polling here",
    .files =
        (const struct ae_knob_file[]){
            {AE_SETTING_TEXT, "/sys/devices/system/machinecheck/machinecheck0/check_interval", "0"},
            {0}},
    .counters = "irq:MCP",
};
