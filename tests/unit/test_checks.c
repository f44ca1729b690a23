/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/root.h"
#include "machine/check.h"
#include "machine/kernel.h"
#include "machine/pci_config.h"
#include "made_root.h"
#include "partition/checks.h"
#include "port/check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define CPU     "/sys/devices/system/cpu"
#define SOURCE  "/sys/devices/system/clocksource/clocksource0/current_clocksource"
#define HUGE    "/sys/kernel/mm/hugepages/hugepages-2048kB"
#define THP     "/sys/kernel/mm/transparent_hugepage/enabled"
#define LOCK    "/sys/kernel/security/lockdown"
#define RELEASE "/proc/sys/kernel/osrelease"
#define CONFIG  "/boot/config-6.1.0-t"
#define SERVER  "/sys/kernel/debug/sched/fair_server"
#define CLOCKS  "/sys/kernel/tracing/trace_clock"
#define FLAGS   "processor\t: 0\nflags\t\t: fpu constant_tsc nonstop_tsc"

struct file {
    const char *path, *text;
};

/* One check on one made-up machine. */
static const struct trial {
    const char *check;
    struct file files[4];
    const char *word, *reason; /* the answer, and a part of its reason */
} trials[] = {
    {"cpus", {{CPU "/online", "0-3\n"}}, "ok", "4 CPUs"},
    {"cpus", {{CPU "/online", "0\n"}}, "missing", "1 CPU online"},
    {"cpus", {{0}}, "unseen", "online"},

    {"counter", {{SOURCE, "tsc\n"}, {"/proc/cpuinfo", FLAGS " lm\n"}}, "ok", "tsc"},
    {"counter", {{SOURCE, "arch_sys_counter\n"}}, "ok", "arch_sys_counter"},
    {"counter", {{SOURCE, "hpet\n"}, {"/proc/cpuinfo", FLAGS "\n"}}, "missing", "hpet"},
    {"counter",
     {{SOURCE, "tsc\n"}, {"/proc/cpuinfo", "processor: 0\nflags: constant_tsc\n"}},
     "missing",
     "nonstop_tsc"},
    {"counter", {{0}}, "unseen", SOURCE},

    {"iommu",
     {{"/sys/class/iommu/dmar0", NULL}, {"/sys/kernel/iommu_groups/0", NULL}},
     "ok",
     "1 IOMMU"},
    {"iommu", {{"/sys/class/iommu/dmar0", NULL}}, "missing", "no device is behind it"},
    {"iommu", {{"/sys/class/iommu", NULL}}, "missing", "no IOMMU"},
    {"iommu",
     {{RELEASE, "6.1.0-t\n"}, {CONFIG, "CONFIG_PCI=y\n"}},
     "missing",
     "CONFIG_IOMMU_SUPPORT"},

    {"interrupt-remapping", {{"/proc/interrupts", "  24:  0  IR-PCI-MSI 1-edge eth0\n"}}, "ok", ""},
    {"interrupt-remapping", {{"/proc/interrupts", "  24:  0  ITS-MSI 1 Edge eth0\n"}}, "ok", "ITS"},
    {"interrupt-remapping",
     {{"/proc/interrupts", "  24:  0  PCI-MSI 1-edge eth0\n"}},
     "missing",
     "refuse"},
    {"interrupt-remapping",
     {{"/proc/interrupts", "  24:  0  PCI-MSI 1-edge eth0\n"},
      {"/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n"}},
     "missing",
     "forge"},
    {"interrupt-remapping", {{0}}, "unseen", "/proc/interrupts"},

    {"vfio", {{"/dev/vfio/vfio", ""}, {"/sys/bus/pci/drivers/vfio-pci", NULL}}, "ok", "no iommufd"},
    {"vfio",
     {{"/dev/iommu", ""}, {"/dev/vfio/vfio", ""}, {"/sys/bus/pci/drivers/vfio-pci", NULL}},
     "ok",
     "/dev/vfio/vfio opens, vfio-pci is loaded, iommufd is there, too"},
    {"vfio",
     {{"/dev/iommu", ""}, {"/sys/bus/pci/drivers/vfio-pci", NULL}},
     "ok",
     "/dev/iommu opens, vfio-pci is loaded, no container"},
    {"vfio", {{"/dev/vfio/vfio", ""}}, "missing", "not loaded"},
    {"vfio", {{0}}, "missing", "/dev/vfio/vfio"},
    {"vfio", {{RELEASE, "6.1.0-t\n"}, {CONFIG, "CONFIG_PCI=y\n"}}, "missing", "CONFIG_VFIO"},
    {"vfio", {{RELEASE, "6.1.0-t\n"}, {CONFIG, "CONFIG_VFIO=m\n"}}, "missing", "/dev/vfio/vfio"},

    {"huge-pages",
     {{HUGE "/nr_hugepages", "8\n"}, {HUGE "/free_hugepages", "3\n"}},
     "ok",
     "3 of 8 free of 2048kB"},
    {"huge-pages",
     {{HUGE "/nr_hugepages", "8\n"}, {HUGE "/free_hugepages", "0\n"}},
     "missing",
     "0 of 8"},
    {"huge-pages", {{0}}, "unseen", "hugepages"},

    {"memlock", {{"/proc/self/status", "Name:\tx\nCapEff:\t0000000000004000\n"}}, "ok", "no limit"},
    {"memlock",
     {{"/proc/self/status", "CapEff:\t0000000000000000\n"},
      {"/proc/self/limits", "Limit\nMax locked memory         unlimited   unlimited  bytes\n"}},
     "ok",
     "unlimited"},
    {"memlock",
     {{"/proc/self/limits", "Max locked memory         8388608     8388608    bytes\n"}},
     "missing",
     "8388608"},
    {"memlock", {{0}}, "unseen", "limits"},
    {"ptrace", {{0}}, "ok", "nothing forbids"},
    {"ptrace", {{"/proc/sys/kernel/yama/ptrace_scope", "1\n"}}, "ok", "ptrace_scope 1"},
    {"ptrace", {{"/proc/sys/kernel/yama/ptrace_scope", "3\n"}}, "missing", "nobody may trace"},
    {"descendants",
     {{"/proc/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"}},
     "ok",
     "at /sys/fs/cgroup"},
    {"descendants",
     {{"/proc/mounts", "cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n"}},
     "optional",
     "by its parents"},
    {"descendants", {{0}}, "unseen", "/proc/mounts"},

#ifdef __x86_64__
    {"quiet-calls", {{RELEASE, "6.1.0-t\n"}}, "ok", "enforce"},
    {"quiet-calls", {{RELEASE, "5.10.0-t\n"}}, "optional", "not there"},
#endif

    {"nohz-full", {{CPU "/nohz_full", "2-3\n"}}, "ok", "2-3"},
    {"cpus",
     {{CPU "/online", "0-3\n"}, {"/sys/devices/cpu_atom/cpus", "2-3\n"}},
     "ok",
     "slower cores: 2-3"},
    {"tuned", {{"/etc/tuned/active_profile", "balanced\n"}}, "ok", "balanced isolates no CPU"},
    {"tuned", {{"/proc/cmdline", "quiet\n"}}, "ok", "no profile"},
    {"tuned",
     {{"/etc/tuned/active_profile", "cpu-partitioning\n"},
      {"/etc/tuned/bootcmdline",
       "A=1\nTUNED_BOOT_CMDLINE=\"skew_tick=1 nohz_full=2-3 isolcpus=managed_irq,domain,2,3\"\n"}},
     "optional",
     "cpu-partitioning) puts isolation of CPUs 2-3"},
    {"isolated",
     {{CPU "/isolated", "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33,35,37,39,41,43,45,47,49,51,"
                        "53,55,57,59,61,63,65,67,69,"
                        "71,73,75,77,79,81,83,85,87,89,91,93,95,97,99,101,103,105,107,109,111,113,"
                        "115,117,119,121,123,125,127\n"}},
     "ok",
     "... (64 CPUs)"},
    {"rcu-offload",
     {{"/proc/cmdline", "rcu_nocbs=all\n"}, {CPU "/possible", "0-3\n"}},
     "ok",
     "rcu_nocbs=0-3"},
    {"nohz-full", {{CPU "/nohz_full", "(null)\n"}}, "optional", "without nohz_full="},
    {"nohz-full",
     {{CPU "/nohz_full", "\n"}, {"/proc/cmdline", "ro nohz_full=2\n"}},
     "optional",
     "did not take it"},
    {"nohz-full", {{"/proc/cmdline", "ro nohz_full=2\n"}}, "optional", "ignores the nohz_full="},
    {"nohz-full",
     {{RELEASE, "6.1.0-t\n"}, {CONFIG, "CONFIG_NO_HZ_FULL=y\n"}},
     "unseen",
     "not there"},

    {"isolated", {{CPU "/isolated", "1\n"}}, "ok", "CPUs 1"},
    {"isolated", {{CPU "/isolated", "\n"}}, "optional", "isolcpus="},
    {"isolated", {{0}}, "unseen", "isolated"},

    {"rcu-offload", {{"/proc/cmdline", "rcu_nocbs=1-3\n"}}, "ok", "1-3"},
    {"rcu-offload", {{CPU "/nohz_full", "2\n"}}, "ok", "nohz_full"},
    {"rcu-offload",
     {{"/proc/cmdline", "quiet\n"}, {CPU "/nohz_full", "(null)\n"}},
     "optional",
     "without rcu_nocbs="},
    {"rcu-offload",
     {{RELEASE, "6.1.0-t\n"}, {CONFIG, "CONFIG_PCI=y\n"}},
     "optional",
     "CONFIG_RCU_NOCB_CPU"},

    {"smt", {{CPU "/smt/active", "0\n"}}, "ok", "one thread"},
    {"smt", {{CPU "/smt/active", "1\n"}}, "optional", "sibling"},
    {"smt", {{0}}, "unseen", "smt"},

    {"governor",
     {{CPU "/online", "0\n"}, {CPU "/cpu0/cpufreq/scaling_governor", "performance\n"}},
     "ok",
     "performance"},
    {"governor",
     {{CPU "/online", "0-1\n"},
      {CPU "/cpu0/cpufreq/scaling_governor", "performance\n"},
      {CPU "/cpu1/cpufreq/scaling_governor", "powersave\n"}},
     "optional",
     "1 of 2 CPUs have governor powersave"},
    {"governor", {{CPU "/online", "0\n"}}, "unseen", "cpufreq"},

    {"thp", {{THP, "always [madvise] never\n"}}, "ok", "madvise"},
    {"thp", {{THP, "[always] madvise never\n"}}, "optional", "always"},
    {"thp", {{0}}, "ok", "none"},

    {"watchdog", {{"/proc/sys/kernel/watchdog", "0\n"}}, "ok", "off"},
    {"watchdog", {{"/proc/sys/kernel/watchdog", "1\n"}}, "optional", "timer"},
    {"watchdog",
     {{"/proc/sys/kernel/watchdog", "1\n"}, {"/proc/sys/kernel/nmi_watchdog", "1\n"}},
     "optional",
     "hard-lockup"},
    {"watchdog", {{0}}, "ok", "none"},

    {"lockdown", {{LOCK, "[none] integrity confidentiality\n"}}, "ok", "none"},
    {"lockdown", {{LOCK, "none [integrity] confidentiality\n"}}, "optional", "debugfs"},
    {"lockdown", {{LOCK, "none integrity [confidentiality]\n"}}, "optional", "no tracing"},
    {"lockdown", {{0}}, "unseen", "securityfs"},

    {"deadline-server", {{SERVER "/cpu0/runtime", "0\n"}}, "ok", "0 of 1"},
    {"deadline-server",
     {{SERVER "/cpu0/runtime", "50000000\n"}, {SERVER "/cpu1/runtime", "0\n"}},
     "optional",
     "1 of 2"},
    {"deadline-server", {{RELEASE, "6.1.0-t\n"}}, "ok", "6.12"},
    {"deadline-server", {{RELEASE, "6.12.3\n"}}, "unseen", "cannot be read"},

    {"rt-throttling", {{"/proc/sys/kernel/sched_rt_runtime_us", "-1\n"}}, "ok", "-1"},
    {"rt-throttling", {{"/proc/sys/kernel/sched_rt_runtime_us", "950000\n"}}, "optional", "950000"},
    {"rt-throttling", {{0}}, "unseen", "sched_rt_runtime_us"},

    {"tracing", {{CLOCKS, "[local] global x86-tsc\n"}}, "ok", "/sys/kernel/tracing"},
    {"tracing", {{"/sys/kernel/debug/tracing/trace_clock", "[local] x86-tsc\n"}}, "ok", "debug"},
    {"tracing", {{CLOCKS, "[local] global\n"}}, "optional", "without the TSC"},
    {"tracing", {{0}}, "unseen", "not mounted"},

    {"hypervisor", {{"/proc/cpuinfo", FLAGS "\n"}}, "ok", "bare metal"},
    {"hypervisor",
     {{"/proc/cpuinfo", FLAGS " hypervisor\n"}, {"/proc/stat", "cpu  1 2 3 4 5 6 7 88 9 10\n"}},
     "optional",
     "88 clock ticks"},
    {"hypervisor", {{0}}, "unseen", "cpuinfo"},

    {"cpusets",
     {{"/proc/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"},
      {"/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io\n"}},
     "ok",
     "v2"},
    {"cpusets",
     {{"/proc/mounts", "cg /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n"}},
     "optional",
     "v1"},
    {"cpusets", {{"/proc/mounts", "proc /proc proc rw 0 0\n"}}, "optional", "no cgroup"},
};

static const struct ae_check *find(const char *name)
{
    const struct ae_check *tables[] = {ae_machine_checks, ae_partition_checks};

    for (size_t i = 0; i < COUNT(tables); i++)
        for (const struct ae_check *check = tables[i]; check->name; check++)
            if (strcmp(check->name, name) == 0)
                return check;
    fail_msg("no check is called %s", name);
    return NULL;
}

static void run_trial(const struct trial *trial)
{
    const struct ae_check *check = find(trial->check);
    struct ae_finding finding;

    assert_int_equal(made_root_begin(NULL), 0);
    for (size_t i = 0; i < COUNT(trial->files) && trial->files[i].path; i++)
        made_root_put(trial->files[i].path, trial->files[i].text);
    ae_check_run(check, &finding);
    if (strcmp(ae_check_word(check, &finding), trial->word) != 0 ||
        !strstr(finding.reason, trial->reason))
        fail_msg("%s: wanted %s (%s), is %s (%s)", trial->check, trial->word, trial->reason,
                 ae_check_word(check, &finding), finding.reason);
    assert_true(finding.answer == AE_CHECK_OK || finding.remedy[0]);
    assert_int_equal(made_root_end(NULL), 0);
}

static void every_check_answers_every_way(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(trials); i++)
        run_trial(&trials[i]);
}

static void every_machine_check_has_a_trial(void **state)
{
    (void)state;
    for (const struct ae_check *check = ae_machine_checks; check->name; check++) {
        bool has_ok = false, has_other = false;

        for (size_t i = 0; i < COUNT(trials); i++) {
            if (strcmp(trials[i].check, check->name) != 0)
                continue;
            has_ok |= strcmp(trials[i].word, "ok") == 0;
            has_other |= strcmp(trials[i].word, "ok") != 0;
        }
        if (!has_ok || !has_other)
            fail_msg("%s is not tried both ways", check->name);
    }
}

static void irqbalance_is_found_by_its_name(void **state)
{
    static const char stat[] = "77 (irqbalance) S 1 77 77 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 50 "
                               "1 1 1";
    struct ae_finding finding;

    (void)state;
    made_root_begin(NULL);
    made_root_put("/proc/77/stat", stat);
    made_root_put("/proc/77/status", "Name:\tirqbalance\nTgid:\t77\nCpus_allowed_list:\t0-3\n");
    made_root_put("/proc/77/task/77/stat", stat);
    made_root_put("/proc/77/task/77/status",
                  "Name:\tirqbalance\nTgid:\t77\nCpus_allowed_list:\t0-3\n");
    ae_check_run(find("irqbalance"), &finding);
    assert_int_equal(finding.answer, AE_CHECK_LACKS);
    assert_non_null(strstr(finding.reason, "77"));
    made_root_end(NULL);
    made_root_begin(NULL);
    made_root_put("/proc", NULL);
    ae_check_run(find("irqbalance"), &finding);
    assert_int_equal(finding.answer, AE_CHECK_OK);
    made_root_end(NULL);
}

static void put_card(const char *address, const char *vendor, const char *device)
{
    char path[128];
    const struct file files[] = {{"vendor", vendor},
                                 {"device", device},
                                 {"class", "0x020000\n"},
                                 {"subsystem_vendor", "0x0000\n"},
                                 {"subsystem_device", "0x0000\n"},
                                 {"revision", "0x00\n"}};

    for (size_t i = 0; i < COUNT(files); i++) {
        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", address, files[i].path);
        made_root_put(path, files[i].text);
    }
}

struct cards {
    unsigned seen;
    struct ae_finding last, all;
};

static void note_card(const struct ae_pci *pci, const struct ae_finding *finding, void *context)
{
    struct cards *cards = context;

    cards->seen += pci != NULL;
    *(pci ? &cards->last : &cards->all) = *finding;
}

/* A capability of a made-up configuration space, and what is behind its two first bytes. */
struct capability {
    uint8_t id;
    uint8_t body[6]; /* from offset 2 on */
};

/* clang-format off */
#define MSIX       {0x11, {0}}
#define MSI        {0x05, {0}}
#define POWER      {0x01, {0}}
#define COMMON_CFG {0x09, {16, 1, 4}}
#define NOTIFY_CFG {0x09, {20, 2, 4}}
#define DEVICE_CFG {0x09, {16, 4, 4}}
#define NOT_IN_BAR {0x09, {16, 1, 6}}
#define MODERN     {MSIX, COMMON_CFG, NOTIFY_CFG, DEVICE_CFG}
/* clang-format on */

static void put_config(const char *address, const struct capability *list, size_t length)
{
    uint8_t bytes[256] = {0xf4, 0x1a};
    unsigned at = 0x40, link = 0x34;
    char path[128], full[512];
    FILE *file;

    bytes[0x06] = 0x10; /* there is a list */
    for (; list->id; list++, at += 24) {
        bytes[link] = (uint8_t)at;
        bytes[at] = list->id;
        memcpy(bytes + at + 2, list->body, sizeof(list->body));
        link = at + 1;
    }
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", address);
    made_root_put(path, "");
    assert_int_equal(ae_root_path(full, sizeof(full), path), 0);
    file = fopen(full, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

/* The kernel prints a digit for each feature; 0: not this one. */
static void put_features(const char *address, unsigned count, unsigned on, unsigned on_too)
{
    char path[128], text[160];

    memset(text, '0', count);
    if (on)
        text[on] = '1';
    if (on_too)
        text[on_too] = '1';
    strcpy(text + count, "\n");
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/virtio3/features", address);
    made_root_put(path, text);
}

static void a_card_that_no_driver_can_run_is_named(void **state)
{
    static const struct {
        const char *vendor, *device;
        struct capability capabilities[6];
        size_t length;
        unsigned features, version, platform; /* how many digits; the bits */
        const char *says;                     /* NULL: it can be run */
    } cases[] = {
        {"0x8086", "0x1533", {MSIX}, 256, 0, 0, 0, "no driver"},
        {"0x1af4", "0x1042", {MSIX}, 256, 0, 0, 0, "no driver"},
        {"0x8086", "0x10d3", {MSIX}, 256, 0, 0, 0, NULL},
        {"0x8086", "0x10d3", {MSI}, 256, 0, 0, 0, NULL},
        {"0x8086", "0x10d3", {{0}}, 256, 0, 0, 0, "no message-signalled interrupts"},
        {"0x8086", "0x10d3", {POWER, POWER}, 256, 0, 0, 0, "no message-signalled interrupts"},
        /* What an ordinary user sees. */
        {"0x8086", "0x10d3", {{0}}, 64, 0, 0, 0, NULL},
        {"0x1af4", "0x1000", {{0}}, 64, 0, 0, 0, NULL},
        {"0x1af4", "0x1041", MODERN, 256, 0, 0, 0, NULL},
        {"0x1af4", "0x1000", {DEVICE_CFG, NOTIFY_CFG, COMMON_CFG, MSIX}, 256, 0, 0, 0, NULL},
        {"0x1af4", "0x1000", {MSIX}, 256, 0, 0, 0, "no modern interface"},
        {"0x1af4", "0x1041", {MSIX, COMMON_CFG, NOTIFY_CFG}, 256, 0, 0, 0, "no modern interface"},
        {"0x1af4", "0x1041", {MSIX, NOT_IN_BAR, NOTIFY_CFG, DEVICE_CFG}, 256, 0, 0, 0, "no modern"},
        {"0x1af4", "0x1041", {COMMON_CFG, NOTIFY_CFG, DEVICE_CFG}, 256, 0, 0, 0, "no MSI-X"},
        {"0x1af4", "0x1041", {MSI, COMMON_CFG, NOTIFY_CFG, DEVICE_CFG}, 256, 0, 0, 0, "no MSI-X"},
        {"0x1af4", "0x1041", MODERN, 256, 64, 32, 33, NULL},
        {"0x1af4", "0x1041", MODERN, 256, 128, 32, 33, NULL},
        {"0x1af4", "0x1041", MODERN, 256, 64, 32, 0, "bypass the IOMMU"},
        {"0x1af4", "0x1041", MODERN, 256, 128, 32, 5, "bypass the IOMMU"},
        /* No driver has asked yet. */
        {"0x1af4", "0x1041", MODERN, 256, 64, 0, 0, NULL},
    };
    const char *const address = "0000:00:03.0";

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ae_error err = {.text = ""};
        struct ae_pci pci;
        int rc;

        made_root_begin(NULL);
        put_card(address, cases[i].vendor, cases[i].device);
        put_config(address, cases[i].capabilities, cases[i].length);
        if (cases[i].features)
            put_features(address, cases[i].features, cases[i].version, cases[i].platform);
        assert_int_equal(ae_pci_read(&pci, address, &err), 0);
        rc = ae_port_check_function(&pci, &err);
        if (cases[i].says ? !rc || !strstr(err.text, cases[i].says) : rc)
            fail_msg("case %zu: %d, '%s'", i, rc, err.text);
        made_root_end(NULL);
    }
}

/* The second names the first. */
static void a_list_that_is_a_loop_ends(void **state)
{
    struct ae_pci_config config = {.known = true, .bytes = {[6] = 0x10, [0x34] = 0x40}};

    struct ae_pci_walk walk = {0};
    unsigned seen = 0;

    (void)state;
    memcpy(config.bytes + 0x40, "\x09\x50", 2);
    memcpy(config.bytes + 0x50, "\x01\x40", 2);
    for (int at; (at = ae_pci_config_next(&config, 0x09, &walk)) > 0; seen++)
        assert_int_equal(at, 0x40);
    assert_int_equal(seen, AE_PCI_CAPABILITIES / 2);
    assert_int_equal(ae_pci_config_next(&config, 0x11, &(struct ae_pci_walk){0}), -ENOENT);
    assert_int_equal(ae_pci_config_msix(&config), 0);
    config.bytes[0x51] = 0xff; /* the last place that there is */
    config.bytes[0xfc] = 0x11;
    assert_int_equal(ae_pci_config_next(&config, 0x11, &(struct ae_pci_walk){0}), 0xfc);
    config.bytes[0xfd] = 0x3f; /* before the first that there may be */
    assert_int_equal(ae_pci_config_next(&config, 0x12, &(struct ae_pci_walk){0}), -ENOENT);
}

static void cards_without_a_driver_or_an_iommu_are_named(void **state)
{
    struct cards cards = {0};

    (void)state;
    made_root_begin(NULL);
    ae_port_check_cards(note_card, &cards);
    assert_int_equal(cards.seen, 0);
    assert_int_equal(cards.all.answer, AE_CHECK_LACKS);
    put_card("0000:00:03.0", "0xabcd\n", "0x0001\n");
    ae_port_check_cards(note_card, &cards);
    assert_int_equal(cards.seen, 1);
    assert_non_null(strstr(cards.last.reason, "no driver"));
    put_card("0000:00:03.0", "0x8086\n", "0x10d3\n");
    ae_port_check_cards(note_card, &cards);
    assert_int_equal(cards.last.answer, AE_CHECK_LACKS);
    assert_non_null(strstr(cards.last.remedy, "IOMMU"));
    assert_int_equal(cards.all.answer, AE_CHECK_LACKS);
    made_root_put("/sys/kernel/iommu_groups/4/devices", NULL);
    made_root_link("/sys/bus/pci/devices/0000:00:03.0/iommu_group", "../../kernel/iommu_groups/4");
    ae_port_check_cards(note_card, &cards);
    assert_int_equal(cards.last.answer, AE_CHECK_OK);
    assert_int_equal(cards.all.answer, AE_CHECK_OK);
    made_root_put("/proc/meminfo", "MemTotal: 1 kB\nHugepagesize: 2048 kB\n");
    made_root_put(HUGE "/nr_hugepages", "8\n");
    made_root_put(HUGE "/free_hugepages", "8\n");
    made_root_put(HUGE "/resv_hugepages", "0\n");
    ae_port_check_cards(note_card, &cards);
    assert_int_equal(cards.last.answer, AE_CHECK_OK);
    assert_non_null(strstr(cards.last.reason, "; one queue takes 3 pages of 2048 kB"));
    made_root_put(HUGE "/free_hugepages", "1\n");
    ae_port_check_cards(note_card, &cards);
    assert_int_equal(cards.last.answer, AE_CHECK_LACKS);
    assert_non_null(strstr(cards.last.remedy, "2 are missing; add them: echo 10 > " HUGE));
    made_root_end(NULL);
}

static void options_of_a_configuration_are_told_apart(void **state)
{
    static const char text[] = "# CONFIG_A is not set\nCONFIG_AB=y\nCONFIG_C=m\nCONFIG_D=\"x\"\n";

    (void)state;
    assert_int_equal(ae_kernel_option_in(text, "CONFIG_A"), 'n');
    assert_int_equal(ae_kernel_option_in(text, "CONFIG_AB"), 'y');
    assert_int_equal(ae_kernel_option_in(text, "CONFIG_C"), 'm');
    assert_int_equal(ae_kernel_option_in(text, "CONFIG_D"), 'y');
    assert_int_equal(ae_kernel_option_in("", "CONFIG_A"), 'n');
    made_root_begin(NULL);
    assert_int_equal(ae_kernel_option("CONFIG_A"), -ENOENT);
    made_root_end(NULL);
}

static void versions_are_compared_as_numbers(void **state)
{
    (void)state;
    made_root_begin(NULL);
    assert_false(ae_kernel_at_least(1, 0));
    made_root_put(RELEASE, "6.9.1-x\n");
    assert_true(ae_kernel_at_least(6, 9));
    assert_true(ae_kernel_at_least(5, 19));
    assert_false(ae_kernel_at_least(6, 12));
    assert_false(ae_kernel_at_least(7, 0));
    made_root_end(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_check_answers_every_way),
        cmocka_unit_test(every_machine_check_has_a_trial),
        cmocka_unit_test(irqbalance_is_found_by_its_name),
        cmocka_unit_test(a_card_that_no_driver_can_run_is_named),
        cmocka_unit_test(a_list_that_is_a_loop_ends),
        cmocka_unit_test(cards_without_a_driver_or_an_iommu_are_named),
        cmocka_unit_test(options_of_a_configuration_are_told_apart),
        cmocka_unit_test(versions_are_compared_as_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
