/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "machine/topology.h"
#include "partition/boot/boot.h"

struct line {
    char *text;
    size_t size, used;
    bool full;
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct line *line, const char *format, ...)
{
    char word[AE_CMDLINE_SIZE];
    va_list args;
    int length;

    va_start(args, format);
    vsnprintf(word, sizeof(word), format, args);
    va_end(args);
    length = snprintf(line->text + line->used, line->size - line->used, "%s%s",
                      line->used ? " " : "", word);
    if (length < 0 || (size_t)length >= line->size - line->used)
        line->full = true;
    else
        line->used += (size_t)length;
}

static bool cpuinfo_has(const char *word)
{
    char *text;
    bool found;

    if (ae_root_read_all("/proc/cpuinfo", &text) < 0)
        return false;
    found = strstr(text, word) != NULL;
    free(text);
    return found;
}

/*
 * tsc=reliable stops the clocksource watchdog, whose timer visits every CPU in turn. It is safe to
 * ask for only where the TSC keeps its rate and the kernel trusts it already.
 */
static bool tsc_is_reliable(void)
{
    char source[32];

    return ae_root_read("/sys/devices/system/clocksource/clocksource0/current_clocksource", source,
                        sizeof(source)) > 0 &&
           strcmp(source, "tsc") == 0 && cpuinfo_has("constant_tsc") && cpuinfo_has("nonstop_tsc");
}

static int settle_cpus(const struct ae_boot_wish *wish, struct ae_cpus *host, struct ae_error *err)
{
    if (ae_topology_online(host))
        return ae_error_set(err, -EIO, "boot parameters: /sys/devices/system/cpu cannot be read");
    if (ae_cpus_count(&wish->quiet) == 0)
        return ae_error_set(err, -EINVAL, "boot parameters: no quiet CPU is named");
    if (ae_cpus_has(&wish->quiet, 0))
        return ae_error_set(
            err, -EINVAL,
            "boot parameters: CPU 0 cannot be quiet: it boots the machine and keeps "
            "its time; choose others");
    for (int cpu = ae_cpus_next(&wish->quiet, 0); cpu >= 0;
         cpu = ae_cpus_next(&wish->quiet, (unsigned)cpu + 1)) {
        if (!ae_cpus_has(host, (unsigned)cpu))
            return ae_error_set(err, -EINVAL, "boot parameters: CPU %d is not online", cpu);
        ae_cpus_remove(host, (unsigned)cpu);
    }
    return 0;
}

int ae_boot_parameters(const struct ae_boot_wish *wish, char *text, size_t size,
                       struct ae_error *err)
{
    struct line line = {text, size, 0, false};
    char quiet[AE_CPUS_TEXT], others[AE_CPUS_TEXT];
    struct ae_cpus host;
    int rc = settle_cpus(wish, &host, err);

    if (rc)
        return rc;
    text[0] = '\0';
    if (ae_cpus_format(&wish->quiet, quiet, sizeof(quiet)) < 0 ||
        ae_cpus_format(&host, others, sizeof(others)) < 0)
        return ae_error_set(err, -ENOSPC, "boot parameters: the lists of CPUs are too long");
    add(&line, "nohz_full=%s", quiet);
    add(&line, "rcu_nocbs=%s", quiet);
    add(&line, "isolcpus=managed_irq,domain,%s", quiet);
    add(&line, "irqaffinity=%s", others);
    add(&line, "skew_tick=1");
    add(&line, "nowatchdog");
    if (tsc_is_reliable())
        add(&line, "tsc=reliable");
    if (wish->iommu && cpuinfo_has("GenuineIntel"))
        add(&line, "intel_iommu=on");
    if (wish->iommu)
        add(&line, "iommu=pt");
    if (wish->pages_1g)
        add(&line, "hugepagesz=1G hugepages=%llu", wish->pages_1g);
    if (wish->pages_2m)
        add(&line, "hugepagesz=2M hugepages=%llu", wish->pages_2m);
    if (wish->extra && *wish->extra)
        add(&line, "%s", wish->extra);
    if (line.full)
        return ae_error_set(err, -ENOSPC, "boot parameters: they do not fit into %zu bytes", size);
    return ae_cmdline_check(text, err);
}
