/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpus.h"
#include "base/root.h"
#include "machine/check.h"
#include "machine/topology.h"

#define CLOCKSOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

void ae_check_cpus(struct ae_finding *finding)
{
    struct ae_cpus online, slow;
    unsigned count;
    char list[128];

    if (ae_topology_online(&online)) {
        ae_finding_set(finding, AE_CHECK_UNSEEN, "/sys/devices/system/cpu/online cannot be read");
        return;
    }
    count = ae_cpus_count(&online);
    ae_topology_slow(&slow);
    ae_finding_set(finding, count > 1 ? AE_CHECK_OK : AE_CHECK_LACKS, "%u CPU%s online%s%s", count,
                   count == 1 ? "" : "s", ae_cpus_count(&slow) ? "; slower cores: " : "",
                   ae_cpus_show(&slow, list, sizeof(list)));
}

/* Does the first "flags" line of /proc/cpuinfo have this word? -1: there is none (not x86). */
static int has_flag(const char *flag)
{
    char *text, *line, *next, *word;
    int found = -1;

    if (ae_root_read_all("/proc/cpuinfo", &text) < 0)
        return -1;
    line = strstr(text, "\nflags");
    if (line) {
        line = strchrnul(line + 1, ':');
        line += *line == ':';
        line[strcspn(line, "\n")] = '\0';
        found = 0;
        for (next = line; (word = strsep(&next, " \t"));)
            if (strcmp(word, flag) == 0)
                found = 1;
    }
    free(text);
    return found;
}

/* On arm64 the architected counter is invariant by definition, and there are no such flags. */
void ae_check_counter(struct ae_finding *finding)
{
    char source[64];
    int constant = has_flag("constant_tsc"), nonstop = has_flag("nonstop_tsc");

    if (ae_root_read(CLOCKSOURCE, source, sizeof(source)) < 0)
        ae_finding_set(finding, AE_CHECK_UNSEEN, "%s cannot be read", CLOCKSOURCE);
    else if (strcmp(source, "tsc") != 0 && strcmp(source, "arch_sys_counter") != 0)
        ae_finding_set(finding, AE_CHECK_LACKS, "the kernel's clocksource is %s, not the counter",
                       source);
    else if (constant == 0 || nonstop == 0)
        ae_finding_set(finding, AE_CHECK_LACKS,
                       "clocksource %s, but the CPU does not promise %s: its rate may change",
                       source, constant == 0 ? "constant_tsc" : "nonstop_tsc");
    else
        ae_finding_set(finding, AE_CHECK_OK, "clocksource %s", source);
}

void ae_check_smt(struct ae_finding *finding)
{
    uint64_t active;

    if (ae_root_read_u64("/sys/devices/system/cpu/smt/active", &active))
        ae_finding_set(finding, AE_CHECK_UNSEEN, "/sys/devices/system/cpu/smt is not there");
    else if (active)
        ae_finding_set(finding, AE_CHECK_LACKS,
                       "SMT is on: a quiet CPU's sibling takes turns with it in the same core");
    else
        ae_finding_set(finding, AE_CHECK_OK, "one thread per core");
}

void ae_check_governor(struct ae_finding *finding)
{
    char path[96], governor[32] = "";
    struct ae_cpus online;
    unsigned seen = 0, slow = 0;

    if (ae_topology_online(&online))
        ae_cpus_clear(&online);
    for (int cpu = ae_cpus_next(&online, 0); cpu >= 0;
         cpu = ae_cpus_next(&online, (unsigned)cpu + 1)) {
        char text[32];

        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu);
        if (ae_root_read(path, text, sizeof(text)) < 0)
            continue;
        seen++;
        if (strcmp(text, "performance") != 0) {
            slow++;
            strcpy(governor, text);
        }
    }
    if (seen == 0)
        ae_finding_set(finding, AE_CHECK_UNSEEN,
                       "this kernel does not set the clock rate here (no cpufreq)");
    else if (slow)
        ae_finding_set(finding, AE_CHECK_LACKS, "%u of %u CPUs have governor %s", slow, seen,
                       governor);
    else
        ae_finding_set(finding, AE_CHECK_OK, "governor performance on %u CPUs", seen);
}

/* Stolen ticks of all CPUs: the eighth number of the first line of /proc/stat (proc(5)). */
static unsigned long long stolen(void)
{
    char *text;
    unsigned long long steal = 0;

    if (ae_root_read_all("/proc/stat", &text) < 0)
        return 0;
    if (sscanf(text, "cpu %*s %*s %*s %*s %*s %*s %*s %llu", &steal) != 1)
        steal = 0;
    free(text);
    return steal;
}

void ae_check_hypervisor(struct ae_finding *finding)
{
    char type[64];
    int guest = has_flag("hypervisor");

    if (guest < 0 && ae_root_read("/sys/hypervisor/type", type, sizeof(type)) > 0)
        guest = 1;
    if (guest < 0)
        ae_finding_set(finding, AE_CHECK_UNSEEN, "/proc/cpuinfo does not tell");
    else if (guest)
        ae_finding_set(finding, AE_CHECK_LACKS,
                       "a virtual machine, %llu clock ticks stolen since boot; gaps that the "
                       "hypervisor makes have no cause that this kernel could name",
                       stolen());
    else
        ae_finding_set(finding, AE_CHECK_OK, "bare metal, as far as the CPU tells");
}
