/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/root.h"
#include "made_up.h"
#include "partition/cgroup.h"
#include "partition/counters.h"
#include "partition/irqbalance.h"
#include "partition/knobs/knob.h"
#include "partition/setting.h"
#include "partition/task.h"

#define CPU2   "/sys/devices/system/cpu/cpu2/"
#define CGROUP "/sys/fs/cgroup/aether-fast/"
#define NODE0  "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages"

/* A file of each knob, what apply makes of it, and something else, which must be noticed. */
static const struct {
    const char *knob, *path, *wanted, *other;
} knobs[] = {
    {"cpus", CPU2 "online", "1", "0"},
    {"cpuset", CGROUP "cpuset.cpus", "2-3", "2"},
    {"cpuset", CGROUP "cpuset.mems", "0", "1"},
    {"cpuset", CGROUP "cpuset.cpus.partition", "isolated", "isolated invalid (why)"},
    {"cpuset", CGROUP "cgroup.subtree_control", "cpuset memory", "memory"},
    {"workqueues", "/sys/devices/virtual/workqueue/cpumask", "000000f3", "ff"},
    {"workqueues", "/sys/devices/virtual/workqueue/writeback/cpumask", "000000f3", "4"},
    {"default-irqs", "/proc/irq/default_smp_affinity", "000000f3", "ff"},
    {"irqs", "/proc/irq/24/smp_affinity_list", "0-1,4-7", "0-7"},
    {"irqs", "/proc/irq/25/smp_affinity_list", "0-1,4-7", "3"},
    {"nic-queues", "/made-up/queues", "6", "8"},
    {"rps", "/sys/class/net/eth0/queues/rx-1/rps_cpus", "000000f3", "0c"},
    {"xps", "/sys/class/net/eth0/queues/tx-0/xps_cpus", "000000f3", "ff"},
    {"watchdog-cpus", "/proc/sys/kernel/watchdog_cpumask", "0-1,4-7", "0-7"},
    {"nmi-watchdog", "/proc/sys/kernel/nmi_watchdog", "0", "1"},
    {"timer-migration", "/proc/sys/kernel/timer_migration", "1", "0"},
    {"rt-throttle", "/proc/sys/kernel/sched_rt_runtime_us", "-1", "950000"},
    {"rcu-normal", "/sys/kernel/rcu_normal", "1", "0"},
    {"fair-server", "/sys/kernel/debug/sched/fair_server/cpu3/runtime", "0", "50000000"},
    {"machine-check", "/sys/devices/system/machinecheck/machinecheck0/check_interval", "0", "12c"},
    {"vmstat", "/proc/sys/vm/stat_interval", "120", "1"},
    {"thp", "/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]",
     "always [madvise] never"},
    {"thp", "/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled",
     "always inherit madvise [never]", "[always] inherit madvise never"},
    {"compaction", "/proc/sys/vm/compaction_proactiveness", "0", "20"},
    {"compaction", "/proc/sys/vm/compact_unevictable_allowed", "0", "1"},
    {"ksm", "/sys/kernel/mm/ksm/run", "0", "1"},
    {"numa-balancing", "/proc/sys/kernel/numa_balancing", "0", "1"},
    {"writeback", "/proc/sys/vm/dirty_ratio", "10", "20"},
    {"writeback", "/proc/sys/vm/dirty_background_ratio", "3", "10"},
    {"hugepages", NODE0, "64", "63"},
    {"cache-ways", "/sys/fs/resctrl/schemata", "    MB:0=100;1=100\n    L3:0=0ff;1=fff",
     "    MB:0=100;1=100\n    L3:0=fff;1=fff"},
    {"cache-ways", "/sys/fs/resctrl/aether-fast/cpus_list", "2-3", "2"},
    {"cpu-latency", CPU2 "power/pm_qos_resume_latency_us", "n/a", "0"},
    {"energy-preference", CPU2 "cpufreq/energy_performance_preference", "performance", "power"},
    {"energy-bias", CPU2 "power/energy_perf_bias", "0", "6"},
    {"governor", CPU2 "cpufreq/scaling_governor", "performance", "powersave"},
};

static struct ae_error error;

static int begin(void **state)
{
    int rc = made_up_begin(state);

    made_up_config("fast", "[partition]\ncpus = 2-3\n[memory]\nhugepages-2M = 64\n"
                           "[cache]\nl3-ways = 4\n[knobs]\ncpu-dma-latency = on\n"
                           "nic-queues = on\nfair-server = on\n");
    return rc;
}

static void must(int rc)
{
    if (rc)
        fail_msg("%d: %s", rc, error.text);
}

static struct ae_partition *load(void)
{
    struct ae_partition *partition;

    must(ae_partition_load(&partition, "fast", &error));
    return partition;
}

static void apply(void)
{
    const struct ae_apply_options options = {.drain_ms = 10};
    struct ae_partition *partition = load();

    must(ae_partition_apply(partition, &options, NULL, NULL, NULL, &error));
    ae_partition_free(partition);
}

static void revert(void)
{
    const struct ae_revert_options options = {.force = true};

    must(ae_partition_revert("fast", &options, NULL, NULL, NULL, &error));
}

struct wanted {
    const char *knob;
    struct ae_knob_evidence found;
};

static void find(const struct ae_knob_evidence *evidence, void *context)
{
    struct wanted *wanted = context;

    if (strcmp(evidence->knob, wanted->knob) == 0)
        wanted->found = *evidence;
}

static struct ae_knob_evidence verify(const char *knob, unsigned window_ms)
{
    struct ae_partition *partition = load();
    struct wanted wanted = {.knob = knob};
    bool quiet;

    must(ae_partition_verify(partition, window_ms, find, &wanted, &quiet, &error));
    ae_partition_free(partition);
    return wanted.found;
}

static void expect(enum ae_answer found, enum ae_answer wanted, const char *what)
{
    if (found != wanted)
        fail_msg("%s: \"%s\", not \"%s\"", what, ae_answer_name(found), ae_answer_name(wanted));
}

static void every_knob_is_set_and_missed_when_it_changes(void **state)
{
    (void)state;
    apply();
    for (size_t i = 0; i < sizeof(knobs) / sizeof(knobs[0]); i++) {
        char before[512];

        if (strcmp(made_up_get(knobs[i].path), knobs[i].wanted) != 0)
            fail_msg("%s is \"%s\"", knobs[i].path, made_up_get(knobs[i].path));
        expect(verify(knobs[i].knob, 1).accepted.answer, AE_ANSWER_YES, knobs[i].knob);
        strcpy(before, made_up_get(knobs[i].path));
        made_up_put(knobs[i].path, knobs[i].other);
        expect(verify(knobs[i].knob, 1).accepted.answer, AE_ANSWER_NO, knobs[i].knob);
        made_up_put(knobs[i].path, before);
    }
    revert();
}

/* The file, and the same file of the other quiet CPU. */
static void remove_file(const char *path)
{
    char other[128];

    made_up_remove(path);
    snprintf(other, sizeof(other), "%s", path);
    if (strstr(other, "cpu2/"))
        *(strstr(other, "cpu2/") + 3) = '3';
    else if (strstr(other, "cpu3/"))
        *(strstr(other, "cpu3/") + 3) = '2';
    made_up_remove(other);
}

static void a_knob_this_kernel_lacks_is_absent(void **state)
{
    static const char *const optional[] = {
        "fair-server", "machine-check", "ksm",          "numa-balancing", "vmstat",
        "thp",         "xps",           "nmi-watchdog", "watchdog-cpus",  "energy-bias",
        "governor",    "compaction",    "rcu-normal"};

    (void)state;
    for (size_t j = 0; j < sizeof(optional) / sizeof(optional[0]); j++) {
        struct ae_knob_evidence found;

        for (size_t i = 0; i < sizeof(knobs) / sizeof(knobs[0]); i++)
            if (strcmp(knobs[i].knob, optional[j]) == 0)
                remove_file(knobs[i].path);
        found = verify(optional[j], 1);
        expect(found.accepted.answer, AE_ANSWER_ABSENT, optional[j]);
        expect(found.effective.answer, AE_ANSWER_ABSENT, optional[j]);
        expect(found.quiet.answer, AE_ANSWER_ABSENT, optional[j]);
    }
}

static void a_knob_switched_off_is_left_alone(void **state)
{
    (void)state;
    made_up_config("fast", "[partition]\ncpus = 2-3\npower = keep\n[knobs]\nksm = off\n");
    apply();
    assert_string_equal(made_up_get("/sys/kernel/mm/ksm/run"), "1");
    assert_string_equal(made_up_get(CPU2 "cpufreq/scaling_governor"), "powersave");
    expect(verify("ksm", 1).accepted.answer, AE_ANSWER_OFF, "ksm");
    expect(verify("governor", 1).accepted.answer, AE_ANSWER_OFF, "governor");
    expect(verify("cpu-dma-latency", 1).accepted.answer, AE_ANSWER_OFF, "cpu-dma-latency");
    expect(verify("hugepages", 1).accepted.answer, AE_ANSWER_OFF, "hugepages");
    revert();
}

static void limits_in_bytes_are_left_alone(void **state)
{
    (void)state;
    made_up_put("/proc/sys/vm/dirty_bytes", "1000000");
    made_up_put("/proc/sys/vm/dirty_ratio", "0");
    apply();
    assert_string_equal(made_up_get("/proc/sys/vm/dirty_ratio"), "0");
    revert();
}

static void enough_huge_pages_are_left_alone(void **state)
{
    (void)state;
    made_up_put(NODE0, "500");
    apply();
    assert_string_equal(made_up_get(NODE0), "500");
    revert();
}

static void the_effect_is_looked_at_and_not_the_write(void **state)
{
    (void)state;
    apply();
    expect(verify("cpuset", 1).effective.answer, AE_ANSWER_YES, "cpuset");
    expect(verify("irqs", 1).effective.answer, AE_ANSWER_YES, "irqs");
    expect(verify("tasks", 1).effective.answer, AE_ANSWER_YES, "tasks");
    made_up_put(CGROUP "cpuset.cpus.effective", "2");
    made_up_put("/proc/irq/24/effective_affinity_list", "3");
    made_up_task(400, 1, "late", 0, "0-7");
    expect(verify("cpuset", 1).effective.answer, AE_ANSWER_NO, "cpuset");
    expect(verify("irqs", 1).effective.answer, AE_ANSWER_NO, "irqs");
    expect(verify("irqs", 1).accepted.answer, AE_ANSWER_YES, "irqs");
    expect(verify("tasks", 1).effective.answer, AE_ANSWER_NO, "tasks");
    revert();
}

static void cpu_sets_of_v1_are_looked_at_too(void **state)
{
    (void)state;
    made_up_cgroup_v1();
    apply();
    expect(verify("cpuset", 1).effective.answer, AE_ANSWER_YES, "cpuset");
    made_up_put("/sys/fs/cgroup/cpuset/docker/cpuset.cpus", "0-1");
    made_up_put("/sys/fs/cgroup/cpuset/docker/cpuset.sched_load_balance", "1");
    made_up_put("/sys/fs/cgroup/cpuset/docker/deep/cpuset.cpus", "0-7");
    expect(verify("cpuset", 1).effective.answer, AE_ANSWER_YES, "cpuset");
    made_up_put("/sys/fs/cgroup/cpuset/docker/deep/cpuset.sched_load_balance", "1");
    expect(verify("cpuset", 1).effective.answer, AE_ANSWER_NO, "cpuset");
    revert();
}

/* A container's set would balance load over the quiet CPUs and give them to its newcomers. */
static char planned[4096];

static void note_target(const struct ae_partition_line *line, void *context)
{
    (void)context;
    if (strcmp(line->knob, "cpuset") == 0 && line->target)
        snprintf(planned + strlen(planned), sizeof(planned) - strlen(planned), "%s ", line->target);
}

/* Mounted as the file system "cpuset" once was. */
static void cpu_sets_without_a_prefix_are_known(void **state)
{
    struct ae_partition *partition;

    (void)state;
    made_up_put("/proc/mounts",
                "proc /proc proc rw 0 0\n"
                "cpuset /dev/cpuset cgroup rw,cpuset,noprefix,release_agent=/x 0 0\n");
    made_up_put("/dev/cpuset/cpus", "0-7\n");
    made_up_put("/dev/cpuset/mems", "0-1\n");
    made_up_put("/dev/cpuset/sched_load_balance", "1\n");
    made_up_put("/dev/cpuset/docker/cpus", "0-7\n");
    made_up_put("/dev/cpuset/docker/sched_load_balance", "1\n");
    partition = load();
    planned[0] = '\0';
    must(ae_partition_plan(partition, note_target, NULL, NULL, &error));
    ae_partition_free(partition);
    assert_string_equal(planned,
                        "/dev/cpuset/aether-host /dev/cpuset/aether-host/cpus "
                        "/dev/cpuset/aether-host/mems /dev/cpuset/aether-host/sched_load_balance "
                        "/dev/cpuset/aether-fast /dev/cpuset/aether-fast/cpus "
                        "/dev/cpuset/aether-fast/mems /dev/cpuset/aether-fast/sched_load_balance "
                        "/dev/cpuset/docker/cpus /dev/cpuset/sched_load_balance ");
    expect(verify("cpuset", 1).effective.answer, AE_ANSWER_NO, "cpuset"); /* docker balances */
}

static void other_cpu_sets_of_v1_lose_the_quiet_cpus(void **state)
{
    (void)state;
    made_up_cgroup_v1();
    made_up_put("/sys/fs/cgroup/cpuset/docker/cpuset.cpus", "0-7");
    made_up_put("/sys/fs/cgroup/cpuset/docker/cpuset.sched_load_balance", "1");
    made_up_put("/sys/fs/cgroup/cpuset/docker/deep/cpuset.cpus", "2,6");
    made_up_put("/sys/fs/cgroup/cpuset/docker/deep/cpuset.sched_load_balance", "1");
    apply();
    assert_string_equal(made_up_get("/sys/fs/cgroup/cpuset/docker/cpuset.cpus"), "0-1,4-7");
    assert_string_equal(made_up_get("/sys/fs/cgroup/cpuset/docker/deep/cpuset.cpus"), "6");
    expect(verify("cpuset", 1).effective.answer, AE_ANSWER_YES, "cpuset");
    revert();
    assert_string_equal(made_up_get("/sys/fs/cgroup/cpuset/docker/cpuset.cpus"), "0-7");
    assert_string_equal(made_up_get("/sys/fs/cgroup/cpuset/docker/deep/cpuset.cpus"), "2,6");
}

static void an_invalid_set_names_who_has_its_cpus(void **state)
{
    struct ae_knob_evidence found;

    (void)state;
    apply();
    made_up_put("/sys/fs/cgroup/system.slice/cpuset.cpus", "");
    made_up_put("/sys/fs/cgroup/system.slice/db/cpuset.cpus", "3");
    made_up_put(CGROUP "cpuset.cpus.partition", "isolated invalid (Cpu list not exclusive)");
    found = verify("cpuset", 1);
    expect(found.effective.answer, AE_ANSWER_NO, "cpuset");
    assert_non_null(strstr(found.effective.detail, "/sys/fs/cgroup/system.slice/db has quiet"));
    revert();
}

static void a_held_request_ends_with_the_partition(void **state)
{
    char *value;

    (void)state;
    apply();
    must(ae_setting_read(AE_SETTING_HOLD, "fast cpu_dma_latency", &value));
    assert_string_equal(value, "held");
    free(value);
    expect(verify("timestamping", 1).accepted.answer, AE_ANSWER_YES, "timestamping");
    must(ae_setting_write(AE_SETTING_HOLD, "fast timestamping", "free"));
    expect(verify("timestamping", 1).accepted.answer, AE_ANSWER_NO, "timestamping");
    revert();
    must(ae_setting_read(AE_SETTING_HOLD, "fast cpu_dma_latency", &value));
    assert_string_equal(value, "free");
    free(value);
}

#define RESCTRL "/sys/fs/resctrl"

static char ways[512];

static void note_ways(const struct ae_partition_line *line, void *context)
{
    (void)context;
    if (strcmp(line->knob, "cache-ways") != 0)
        return;
    if (!line->target)
        snprintf(ways + strlen(ways), sizeof(ways) - strlen(ways), "(%s)", line->note);
    else if (strstr(line->target, "schemata"))
        snprintf(ways + strlen(ways), sizeof(ways) - strlen(ways), "%s%s=%s", ways[0] ? " " : "",
                 line->target + strlen(RESCTRL "/"), line->new_value);
}

/* The masks that a partition of two ways would have on this machine, or why it has none. */
static const char *plan_ways(const char *file)
{
    struct ae_partition *partition;
    int rc;

    ways[0] = '\0';
    made_up_config("fast", file);
    must(ae_partition_load(&partition, "fast", &error));
    rc = ae_partition_plan(partition, note_ways, NULL, NULL, &error);
    ae_partition_free(partition);
    return rc ? error.text : ways;
}

static void expect_ways(const char *file, const char *says)
{
    const char *got = plan_ways(file);

    if (!strstr(got, says))
        fail_msg("%s does not say %s", got, says);
}

static void a_cache_is_divided_with_what_is_there(void **state)
{
    static const char two[] = "[partition]\ncpus = 2-3\n[cache]\nl3-ways = 2\n";
    static const char both[] = "[partition]\ncpus = 2-5\nnode = 0\n[cache]\nl3-ways = 8\n";

    (void)state;
    expect_ways(two, "schemata L3:0=3ff aether-fast/schemata L3:0=c00");
    /* Quiet CPUs on two caches: both are divided. */
    assert_string_equal(plan_ways(both), "schemata L3:0=f aether-fast/schemata L3:0=ff0 "
                                         "schemata L3:1=f aether-fast/schemata L3:1=ff0");
    /* Devices write to the upper ways: those last. */
    made_up_put(RESCTRL "/info/L3/shareable_bits", "c00\n");
    expect_ways(two, "schemata L3:0=ffc aether-fast/schemata L3:0=3");
    made_up_put(RESCTRL "/info/L3/shareable_bits", "003\n");
    expect_ways(two, "schemata L3:0=3ff aether-fast/schemata L3:0=c00");
    made_up_put(RESCTRL "/info/L3/shareable_bits",
                "fff\n"); /* all of them: then it cannot matter */
    expect_ways(two, "schemata L3:0=3ff aether-fast/schemata L3:0=c00");
    made_up_put(RESCTRL "/info/L3/shareable_bits", "0\n");
    /* Somebody else's group has the upper ways, alone or with the host. */
    made_up_put(RESCTRL "/guaranteed/schemata", "    MB:0=100;1=100\n    L3:0=f00;1=fff\n");
    made_up_put(RESCTRL "/guaranteed/mode", "exclusive\n");
    expect_ways(two, "schemata L3:0=3f aether-fast/schemata L3:0=c0");
    made_up_put(RESCTRL "/guaranteed/mode", "shareable\n");
    expect_ways(two, "schemata L3:0=ffc aether-fast/schemata L3:0=3");
    expect_ways(
        both, "fast.conf:5: cache 1 has no 8 ways side by side that no other group of resctrl has, "
              "such as guaranteed");
    made_up_put(RESCTRL "/guaranteed/schemata", "L3:0=0f0;1=fff\n");
    expect_ways(two, "aether-fast/schemata L3:0=c00");
    made_up_put(RESCTRL "/guaranteed/schemata", "L3:0=ffe;1=1\n");
    expect_ways(two, "cache 0 has no 2 ways");
    made_up_put(RESCTRL "/guaranteed/schemata", "L3:0=0;1=1\n");
    /* The processor wants several at a time. */
    made_up_put(RESCTRL "/info/L3/min_cbm_bits", "3\n");
    expect_ways(two, "fast.conf:4: l3-ways = 2, and this processor gives no fewer than 3");
    made_up_put(RESCTRL "/info/L3/min_cbm_bits", "2\n");
    expect_ways(two, "L3:0=c00");
    made_up_remove(RESCTRL "/info/L3/cbm_mask");
    made_up_put(RESCTRL "/info/L3CODE/cbm_mask", "fff\n");
    expect_ways(two, "without the option cdp");
}

/* What apply made is what the next plan wants. */
static void a_divided_cache_stays_divided(void **state)
{
    static const char *const shareable[] = {"0", "c00", "003", "fff"};

    (void)state;
    for (size_t i = 0; i < sizeof(shareable) / sizeof(shareable[0]); i++) {
        made_up_put(RESCTRL "/info/L3/shareable_bits", shareable[i]);
        made_up_put(RESCTRL "/guaranteed/schemata", i % 2 ? "L3:0=0f0;1=1\n" : "L3:0=1;1=1\n");
        apply();
        expect(verify("cache-ways", 1).accepted.answer, AE_ANSWER_YES, "cache-ways");
        apply();
        expect(verify("cache-ways", 1).accepted.answer, AE_ANSWER_YES, "cache-ways");
        revert();
        assert_string_equal(made_up_get(RESCTRL "/schemata"),
                            "    MB:0=100;1=100\n    L3:0=fff;1=fff");
    }
}

static void parameters_that_the_kernel_ignored_are_noticed(void **state)
{
    struct ae_knob_evidence tick;

    (void)state;
    made_up_put("/proc/cmdline", "quiet nohz_full=2-3 isolcpus=managed_irq,domain,2-3");
    tick = verify("tick", 1);
    expect(tick.accepted.answer, AE_ANSWER_YES, "tick");
    expect(tick.effective.answer, AE_ANSWER_NO, "tick"); /* no such file: not built in */
    made_up_put("/sys/devices/system/cpu/nohz_full", "(null)");
    expect(verify("tick", 1).effective.answer, AE_ANSWER_NO, "tick");
    made_up_put("/sys/devices/system/cpu/nohz_full", "2-3");
    expect(verify("tick", 1).effective.answer, AE_ANSWER_YES, "tick");
    expect(verify("boot-domains", 1).accepted.answer, AE_ANSWER_YES, "boot-domains");
    expect(verify("boot-domains", 1).effective.answer, AE_ANSWER_NO, "boot-domains");
    expect(verify("managed-irqs", 1).accepted.answer, AE_ANSWER_YES, "managed-irqs");
    expect(verify("rcu-callbacks", 1).effective.answer, AE_ANSWER_NO, "rcu-callbacks");
    made_up_task(50, 2, "rcuop/2", 0x00200000, "0");
    made_up_task(51, 2, "rcuob/3", 0x00200000, "0");
    expect(verify("rcu-callbacks", 1).effective.answer, AE_ANSWER_YES, "rcu-callbacks");
}

static void both_tiers_together_are_the_boot_tier(void **state)
{
    struct ae_partition *partition;
    enum ae_level level;

    (void)state;
    made_up_put("/sys/devices/system/cpu/nohz_full", "2-3");
    made_up_put("/sys/devices/system/cpu/isolated", "2-3");
    apply();
    assert_string_equal(made_up_get(CGROUP "cpuset.cpus.partition"), "member");
    expect(verify("cpuset", 1).effective.answer, AE_ANSWER_YES, "cpuset");
    partition = load();
    must(ae_partition_level(partition, &level, &error));
    assert_int_equal(level, AE_LEVEL_BOOT);
    ae_partition_free(partition);
    revert();
}

static void counting(const char *timer, unsigned local, unsigned device)
{
    char text[256];

    snprintf(text, sizeof(text),
             "            CPU0       CPU2       CPU3\n  24: 5 %u 0 PCI-MSI eth0\n"
             " LOC: 9 %u 1 local\n ERR: 0\n",
             device, local);
    made_up_put("/proc/interrupts", text);
    snprintf(text, sizeof(text), "                    CPU0       CPU2       CPU3\n TIMER: 1 %s 0\n",
             timer);
    made_up_put("/proc/softirqs", text);
}

static atomic_bool over;

/* The counters move all the time, whenever the window is. */
static void *tick_on(void *nothing)
{
    const struct timespec pause = {.tv_nsec = 1000 * 1000};

    for (unsigned count = 10; !over; count++) {
        counting("5", count, count);
        nanosleep(&pause, NULL);
    }
    return nothing;
}

static void a_counter_that_moves_is_not_quiet(void **state)
{
    pthread_t thread;

    (void)state;
    counting("5", 10, 7);
    expect(verify("tick", 1).quiet.answer, AE_ANSWER_YES, "tick");
    expect(verify("irqs", 1).quiet.answer, AE_ANSWER_YES, "irqs");
    expect(verify("ksm", 1).quiet.answer, AE_ANSWER_UNSEEN, "ksm");
    over = false;
    assert_int_equal(pthread_create(&thread, NULL, tick_on, NULL), 0);
    expect(verify("tick", 200).quiet.answer, AE_ANSWER_NO, "tick");
    expect(verify("irqs", 200).quiet.answer, AE_ANSWER_NO, "irqs");
    over = true;
    pthread_join(thread, NULL);
}

/* arm64's table: the tick is a device interrupt, and other CPUs' interrupts are numbered. */
static void rows_of_arm_have_their_names(void **state)
{
    static const char table[] =
        "           CPU0       CPU1       CPU2       CPU3\n"
        " 11:       7155       8882        100       7791     GICv3  30 Level     arch_timer\n"
        " 12:          0          0          5          0     GICv3  27 Level     arch_timer\n"
        " 14:          1          1          1          1     GICv3  23 Level     arm-pmu\n"
        "161:          0          0          3          0  48059000.gpio  25 Edge      button S2\n"
        "IPI0:        10         20         30         40       Rescheduling interrupts\n"
        "IPI1:        10         20         31         40       Function call interrupts\n"
        "IPI2:         0          0          0          0       CPU stop interrupts\n"
        "IPI5:         0          0          7          0       IRQ work interrupts\n"
        "Err:          0\n";
    static const struct {
        const char *name;
        uint64_t value;
    } expected[] = {{"irq:LOC", 105}, {"irq:14", 1},   {"irq:161", 3}, {"irq:RES", 30},
                    {"irq:CAL", 31},  {"irq:IPI2", 0}, {"irq:IWI", 7}};
    struct ae_counters counters = {0};
    struct ae_cpus cpus;

    (void)state;
    ae_cpus_parse(&cpus, "2");
    assert_int_equal(ae_counters_parse_table(&counters, "irq", table, &cpus), 0);
    assert_int_equal(counters.count, sizeof(expected) / sizeof(expected[0]));
    for (size_t i = 0; i < counters.count; i++) {
        assert_non_null(ae_counters_find(&counters, expected[i].name));
        assert_int_equal(ae_counters_find(&counters, expected[i].name)->value, expected[i].value);
    }
    ae_counters_free(&counters);
}

static void counters_are_summed_over_the_cpus_asked_for(void **state)
{
    struct ae_counters counters = {0};
    struct ae_cpus cpus;

    (void)state;
    ae_cpus_parse(&cpus, "2-3");
    assert_int_equal(ae_counters_parse_table(&counters, "irq",
                                             "     CPU0  CPU2  CPU3\n 1: 9 1 2 x\nLOC: 9 3 4\n"
                                             "ERR: 7\nBAD 1 2 3\n",
                                             &cpus),
                     0);
    assert_int_equal(ae_counters_find(&counters, "irq:1")->value, 3);
    assert_int_equal(ae_counters_find(&counters, "irq:LOC")->value, 7);
    assert_null(ae_counters_find(&counters, "irq:ERR"));
    assert_int_equal(ae_counters_parse_schedstat(&counters,
                                                 "version 15\ncpu0 0 0 0 0 0 0 1 2 9\n"
                                                 "domain0 3 1\ncpu2 0 0 0 0 0 0 1 2 5\n"
                                                 "cpu3 0 0 0 0 0 0 1 2 6\n",
                                                 &cpus),
                     0);
    assert_int_equal(ae_counters_find(&counters, "sched:slices")->value, 11);
    ae_counters_free(&counters);
}

static void tasks_are_read_whatever_their_name(void **state)
{
    struct ae_task task;

    (void)state;
    assert_int_equal(ae_task_parse_stat(&task,
                                        "7 (a) b) S 3 1 1 0 -1 2097152 0 0 0 0 0 0 0 0 20 0 1 0 "
                                        "99 0 0"),
                     0);
    assert_string_equal(task.name, "a) b");
    assert_int_equal(task.parent, 3);
    assert_int_equal(task.start, 99);
    assert_true(task.kernel);
    /* Its owner chose the name. */
    assert_int_equal(
        ae_task_parse_stat(&task, "7 (\x1b[2J\n\xc2\x9bx) S 3 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 "
                                  "1 0 99 0 0"),
        0);
    assert_string_equal(task.name, "?[2J ?x");
    assert_int_equal(ae_task_parse_stat(&task, "7 (a S 3"), -EINVAL);
    assert_int_equal(ae_task_parse_status(&task, "Name:\tx\n"), -EINVAL);
}

static void answer(int peer, unsigned interrupts, const char *banned)
{
    dprintf(peer, "SLEEP 10 ");
    for (unsigned i = 0; i < interrupts; i++)
        dprintf(peer, "IRQ %u LOAD 1234567 DIFF 1000 CLASS 5 ", 24 + i);
    dprintf(peer, "BANNED %s", banned);
}

/* Stands in for irqbalance: answers "setup", obeys "settings cpus". */
static void serve(int listener, unsigned interrupts)
{
    char banned[64] = "00000000";

    for (;;) {
        char text[256];
        int peer = accept(listener, NULL, NULL);
        ssize_t got = recv(peer, text, sizeof(text) - 1, 0);

        if (got <= 0)
            _exit(1);
        text[got] = '\0';
        if (strncmp(text, "setup", 5) == 0)
            answer(peer, interrupts, banned);
        else if (strcmp(text, "settings cpus 2-3") == 0)
            strcpy(banned, "0000000c");
        else if (strcmp(text, "settings cpus NULL") == 0)
            strcpy(banned, "00000000");
        close(peer);
    }
}

static void tell_irqbalance(unsigned interrupts)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    pid_t child;

    must(ae_root_make_directory("/run/irqbalance"));
    must(ae_root_path(address.sun_path, sizeof(address.sun_path),
                      "/run/irqbalance/irqbalance9.sock"));
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 5), 0);
    child = fork();
    if (child == 0)
        serve(listener, interrupts);
    close(listener);
    expect(verify("irqbalance", 1).accepted.answer, AE_ANSWER_NO, "irqbalance");
    apply();
    expect(verify("irqbalance", 1).accepted.answer, AE_ANSWER_YES, "irqbalance");
    revert();
    expect(verify("irqbalance", 1).accepted.answer, AE_ANSWER_NO, "irqbalance");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    expect(verify("irqbalance", 1).accepted.answer, AE_ANSWER_ABSENT, "irqbalance");
    apply(); /* its dead socket is no hindrance */
    revert();
    unlink(address.sun_path);
}

static void irqbalance_is_told(void **state)
{
    (void)state;
    tell_irqbalance(1);
    tell_irqbalance(400); /* a server with one banned by hand for each queue */
}

/* The daemon reads so much of a command, and would obey a part of it. */
static void irqbalance_is_told_no_half_of_a_list(void **state)
{
    char list[1024] = "1";

    (void)state;
    for (unsigned cpu = 3; cpu < 300; cpu += 2)
        snprintf(list + strlen(list), sizeof(list) - strlen(list), ",%u", cpu);
    assert_int_equal(ae_irqbalance_write("/run/irqbalance/none.sock", list), -E2BIG);
    assert_non_null(strstr(ae_setting_reason(AE_SETTING_IRQBALANCE, -E2BIG), "500 bytes"));
    assert_int_equal(ae_irqbalance_write("/run/irqbalance/none.sock", "1-299"), -ENOENT);
}

static void an_irqbalance_that_cannot_be_told_is_named(void **state)
{
    struct ae_knob_evidence found;

    (void)state;
    made_up_task(77, 1, "irqbalance", 0, "0-7");
    found = verify("irqbalance", 1);
    expect(found.accepted.answer, AE_ANSWER_ABSENT, "irqbalance");
    assert_non_null(strstr(found.accepted.detail, "irqbalance runs (process 77)"));
}

static int offers(const char *path)
{
    return strcmp(path, "/sys/fs/cgroup") == 0;
}

static void cpu_sets_are_found_where_they_are(void **state)
{
    struct ae_cgroup cgroup;

    (void)state;
    assert_int_equal(ae_cgroup_parse_mounts(&cgroup,
                                            "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
                                            "c /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n",
                                            offers),
                     0);
    assert_int_equal(cgroup.version, 1);
    assert_string_equal(cgroup.path, "/sys/fs/cgroup/cpuset");
    assert_int_equal(ae_cgroup_parse_mounts(&cgroup, "c /sys/fs/cgroup cgroup2 rw 0 0\n", offers),
                     0);
    assert_int_equal(cgroup.version, 2);
    assert_int_equal(ae_cgroup_parse_mounts(&cgroup, "x\n\nc / cgroup rw,cpu 0 0", offers),
                     -ENOENT);
}

static void every_row_says_what_it_is(void **state)
{
    struct ae_knob_info info;
    const struct ae_knob *row;

    (void)state;
    for (size_t i = 0; (row = ae_knob_row(i)); i++) {
        must(ae_knob_describe(i, &info));
        assert_non_null(info.what);
        assert_non_null(info.undo);
        assert_non_null(info.risk);
        assert_ptr_equal(ae_knob_find(info.name), row);
        assert_true(strlen(info.name) < sizeof(((struct ae_partition_choice *)0)->knob));
        if (!row->counters && !row->unseen)
            fail_msg("%s says neither what counts nor why nothing does", info.name);
        assert_true(row->boot ? row->accepted && row->effective : row->files || row->expand);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, made_up_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_knob_is_set_and_missed_when_it_changes),
        TEST(a_knob_this_kernel_lacks_is_absent),
        TEST(a_knob_switched_off_is_left_alone),
        TEST(limits_in_bytes_are_left_alone),
        TEST(enough_huge_pages_are_left_alone),
        TEST(the_effect_is_looked_at_and_not_the_write),
        TEST(cpu_sets_of_v1_are_looked_at_too),
        TEST(cpu_sets_without_a_prefix_are_known),
        TEST(other_cpu_sets_of_v1_lose_the_quiet_cpus),
        TEST(an_invalid_set_names_who_has_its_cpus),
        TEST(a_held_request_ends_with_the_partition),
        TEST(parameters_that_the_kernel_ignored_are_noticed),
        TEST(both_tiers_together_are_the_boot_tier),
        TEST(a_counter_that_moves_is_not_quiet),
        TEST(counters_are_summed_over_the_cpus_asked_for),
        TEST(tasks_are_read_whatever_their_name),
        TEST(a_cache_is_divided_with_what_is_there),
        TEST(a_divided_cache_stays_divided),
        TEST(irqbalance_is_told),
        TEST(rows_of_arm_have_their_names),
        TEST(irqbalance_is_told_no_half_of_a_list),
        TEST(an_irqbalance_that_cannot_be_told_is_named),
        TEST(cpu_sets_are_found_where_they_are),
        TEST(every_row_says_what_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
