/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "machine/isolation.h"
#include "partition/boot/boot.h"
#include "partition/task.h"

static void answer(struct ae_boot_result *result, enum ae_boot_answer what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void answer(struct ae_boot_result *result, enum ae_boot_answer what, const char *format, ...)
{
    va_list args;

    result->answer = what;
    va_start(args, format);
    vsnprintf(result->reason, sizeof(result->reason), format, args);
    va_end(args);
}

/* The list of isolcpus=, nohz_full= and the like, flags aside, as the kernel reads it. */
static void understand(const char *parameter, const char *value, struct ae_cpus *cpus)
{
    struct ae_isolation isolation;
    char *line;

    ae_cpus_clear(cpus);
    if (asprintf(&line, "%s=%s", parameter, value) < 0)
        return;
    ae_isolation_parse(&isolation, line, ae_isolation_last());
    free(line);
    for (unsigned kind = 0; kind < AE_ISOLATION_KINDS; kind++)
        ae_cpus_join(cpus, &isolation.cpus[kind]);
}

static void compare_list(const struct ae_cpus *wanted, const char *path,
                         struct ae_boot_result *result)
{
    struct ae_cpus have;
    char text[128];
    int rc = ae_cpus_read(&have, path);

    if (rc == -ENOENT)
        answer(result, AE_BOOT_PRINTED, "this kernel has no %s: it was built without it", path);
    else if (rc)
        answer(result, AE_BOOT_UNSEEN, "%s: %s", path, strerror(-rc));
    else if (ae_cpus_within(wanted, &have))
        answer(result, AE_BOOT_TAKEN, "%s has them all", path);
    else
        answer(result, AE_BOOT_PRINTED, "%s is \"%s\"", path,
               ae_cpus_show(&have, text, sizeof(text)));
}

static void check_nohz_full(const char *value, struct ae_boot_result *result)
{
    struct ae_cpus wanted;

    understand("nohz_full", value, &wanted);
    compare_list(&wanted, "/sys/devices/system/cpu/nohz_full", result);
}

static void check_isolcpus(const char *value, struct ae_boot_result *result)
{
    struct ae_cpus wanted;

    understand("isolcpus", value, &wanted);
    compare_list(&wanted, "/sys/devices/system/cpu/isolated", result);
}

struct offloaded {
    struct ae_cpus cpus;
    bool kernel_seen; /* kernel threads can be seen at all, which a PID namespace hides */
};

static int find_offloader(const struct ae_task *task, void *context)
{
    struct offloaded *offloaded = context;
    unsigned cpu;

    offloaded->kernel_seen |= task->kernel;
    if (ae_task_offloads(task, &cpu))
        ae_cpus_add(&offloaded->cpus, cpu);
    return 0;
}

static void check_rcu_nocbs(const char *value, struct ae_boot_result *result)
{
    struct offloaded offloaded = {0};
    struct ae_cpus wanted;

    ae_task_each(find_offloader, &offloaded);
    understand("rcu_nocbs", value, &wanted);
    if (!offloaded.kernel_seen)
        answer(result, AE_BOOT_UNSEEN, "kernel threads cannot be seen from here");
    else if (ae_cpus_within(&wanted, &offloaded.cpus))
        answer(result, AE_BOOT_TAKEN, "each CPU has its rcuo thread");
    else
        answer(result, AE_BOOT_PRINTED,
               "a CPU of them has no rcuo thread, so nothing is offloaded");
}

static void check_irqaffinity(const char *value, struct ae_boot_result *result)
{
    static const char path[] = "/proc/irq/default_smp_affinity";
    struct ae_cpus wanted, have;
    char text[128], *mask;
    ssize_t length = ae_root_read_all(path, &mask);

    if (length < 0) {
        answer(result, AE_BOOT_UNSEEN, "%s: %s", path, strerror((int)-length));
        return;
    }
    mask[strcspn(mask, "\n")] = '\0';
    understand("irqaffinity", value, &wanted);
    if (ae_cpus_parse_mask(&have, mask))
        answer(result, AE_BOOT_UNSEEN, "%s is \"%.100s\"", path, mask);
    else
        answer(result, ae_cpus_equal(&wanted, &have) ? AE_BOOT_TAKEN : AE_BOOT_PRINTED,
               "%s is CPUs %s%s", path, ae_cpus_show(&have, text, sizeof(text)),
               ae_cpus_equal(&wanted, &have) ? "" : ": not taken, or changed since");
    free(mask);
}

static void expect_file(const char *path, const char *expected, struct ae_boot_result *result)
{
    char text[128];
    ssize_t length = ae_root_read(path, text, sizeof(text));

    if (length < 0)
        answer(result, AE_BOOT_UNSEEN, "%s: %s", path, strerror((int)-length));
    else
        answer(result, strcmp(text, expected) == 0 ? AE_BOOT_TAKEN : AE_BOOT_PRINTED,
               "%s is \"%s\"", path, text);
}

static void check_tsc(const char *value, struct ae_boot_result *result)
{
    (void)value;
    expect_file("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc", result);
}

static void check_nowatchdog(const char *value, struct ae_boot_result *result)
{
    (void)value;
    expect_file("/proc/sys/kernel/watchdog", "0", result);
    if (result->answer == AE_BOOT_UNSEEN)
        answer(result, AE_BOOT_TAKEN, "this kernel has no lockup detector");
}

static void check_iommu_on(const char *value, struct ae_boot_result *result)
{
    (void)value;
    answer(result, ae_root_exists("/sys/kernel/iommu_groups/0") ? AE_BOOT_TAKEN : AE_BOOT_PRINTED,
           ae_root_exists("/sys/kernel/iommu_groups/0")
               ? "devices are in IOMMU groups"
               : "no IOMMU group exists: is VT-d off in the firmware?");
}

static void check_iommu_pt(const char *value, struct ae_boot_result *result)
{
    char type[32];

    if (strcmp(value, "pt") != 0 ||
        ae_root_read("/sys/kernel/iommu_groups/0/type", type, sizeof(type)) < 0)
        answer(result, AE_BOOT_UNSEEN, "the kernel does not show it here");
    else
        answer(result, strcmp(type, "identity") == 0 ? AE_BOOT_TAKEN : AE_BOOT_PRINTED,
               "IOMMU group 0 is of type %s", type);
}

static void page_directory(unsigned long long bytes, char *path, size_t length)
{
    snprintf(path, length, "/sys/kernel/mm/hugepages/hugepages-%llukB", bytes >> 10);
}

/* hugepagesz= without a number. */
static void check_hugepagesz(const char *value, struct ae_boot_result *result)
{
    struct ae_cmdline_units units;
    struct ae_cmdline_word unit;
    char path[96], *line;

    if (asprintf(&line, "hugepagesz=%s hugepages=0", value) < 0)
        return;
    ae_cmdline_units_begin(&units, line);
    ae_cmdline_next_unit(&units, &unit);
    free(line);
    page_directory(unit.page_size, path, sizeof(path));
    answer(result, ae_root_exists(path) ? AE_BOOT_TAKEN : AE_BOOT_PRINTED, "%s is %s", path,
           ae_root_exists(path) ? "there" : "not there");
}

static void check_hugepages(unsigned long long size, const char *value,
                            struct ae_boot_result *result)
{
    char directory[96], path[128];
    uint64_t pages;

    page_directory(size, directory, sizeof(directory));
    snprintf(path, sizeof(path), "%s/nr_hugepages", directory);
    if (ae_root_read_u64(path, &pages))
        answer(result, AE_BOOT_PRINTED, "%s is not there: no pages of that size", path);
    else
        answer(result, pages >= strtoull(value, NULL, 10) ? AE_BOOT_TAKEN : AE_BOOT_PRINTED,
               "%s is %llu", path, (unsigned long long)pages);
}

static const struct checker {
    const char *name;
    void (*check)(const char *value, struct ae_boot_result *result);
} checkers[] = {
    {"nohz_full", check_nohz_full},
    {"rcu_nocbs", check_rcu_nocbs},
    {"isolcpus", check_isolcpus},
    {"irqaffinity", check_irqaffinity},
    {"tsc", check_tsc},
    {"nowatchdog", check_nowatchdog},
    {"intel_iommu", check_iommu_on},
    {"iommu", check_iommu_pt},
    {"hugepagesz", check_hugepagesz},
};

/* MODULE.PARAMETER=VALUE shows in sysfs, if it shows at all. Booleans show as Y and N. */
static bool check_module(const char *name, const char *value, struct ae_boot_result *result)
{
    char path[256], text[128];
    const char *dot = strchr(name, '.');
    bool same;

    if (!dot)
        return false;
    snprintf(path, sizeof(path), "/sys/module/%.*s/parameters/%s", (int)(dot - name), name,
             dot + 1);
    for (char *c = path; *c; c++)
        *c = *c == '-' ? '_' : *c;
    if (ae_root_read(path, text, sizeof(text)) < 0)
        return false;
    same = strcmp(text, value) == 0 || (strcmp(text, "Y") == 0 && strchr("1yY", value[0])) ||
           (strcmp(text, "N") == 0 && strchr("0nN", value[0]));
    answer(result, same ? AE_BOOT_TAKEN : AE_BOOT_PRINTED, "%s is \"%s\"", path, text);
    return true;
}

static void check_effect(const char *name, const char *value, unsigned long long page_size,
                         struct ae_boot_result *result)
{
    if (strcmp(name, "hugepages") == 0) {
        check_hugepages(page_size, value, result);
        return;
    }
    for (size_t i = 0; i < sizeof(checkers) / sizeof(checkers[0]); i++)
        if (strcmp(name, checkers[i].name) == 0) {
            checkers[i].check(value, result);
            return;
        }
    if (!check_module(name, value, result))
        answer(result, AE_BOOT_UNSEEN,
               "on the command line; the kernel shows nowhere if it heeded it");
}

static void take(char *out, size_t size, const char *text, size_t length)
{
    snprintf(out, size, "%.*s", (int)length, text ? text : "");
}

const char *ae_boot_answer_name(enum ae_boot_answer what)
{
    static const char *const names[] = {"taken", "printed", "pending", "unseen"};

    return names[what];
}

int ae_boot_check(const char *parameters,
                  void (*each)(const struct ae_boot_result *result, void *context), void *context,
                  struct ae_error *err)
{
    char name[128], value[AE_CMDLINE_SIZE], *cmdline;
    ssize_t length = ae_root_read_all("/proc/cmdline", &cmdline);
    struct ae_cmdline_units units;
    struct ae_cmdline_word word;

    if (length < 0)
        return ae_error_set(err, (int)length, "checking boot parameters: /proc/cmdline: %s",
                            strerror((int)-length));
    ae_cmdline_units_begin(&units, parameters);
    while (ae_cmdline_next_unit(&units, &word)) {
        struct ae_boot_result result = {0};

        take(result.parameter, sizeof(result.parameter), word.text, word.length);
        take(name, sizeof(name), word.name, word.name_length);
        take(value, sizeof(value), word.value, word.value_length);
        if (!ae_cmdline_has(cmdline, result.parameter))
            answer(&result, AE_BOOT_PENDING,
                   "not on this boot's command line: reboot, or look why the loader left it out");
        else
            check_effect(name, value, word.page_size, &result);
        each(&result, context);
    }
    free(cmdline);
    return 0;
}
