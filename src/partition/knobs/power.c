/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <fcntl.h>

#include "base/error.h"
#include "base/root.h"
#include "partition/evidence.h"
#include "partition/knobs/rows.h"
#include "partition/plan.h"

#include <errno.h>

/* "n/a" is the kernel's word for a latency of zero; "0" means that nobody cares
 * (Documentation/ABI/testing/sysfs-devices-power). */
const struct ae_knob ae_knob_cpu_latency = {
    .name = "cpu-latency",
    .what = "idle states that take long to wake from",
    .risk = "quiet CPUs that idle draw full power",
    .needs = "no per-CPU latency limits (CONFIG_CPU_IDLE, CONFIG_PM)",
    .power = true,
    .files =
        (const struct ae_knob_file[]){
            {AE_SETTING_TEXT, "/sys/devices/system/cpu/cpu%/power/pm_qos_resume_latency_us", "n/a"},
            {0}},
    .unseen = "idle states do not interrupt; they show as latency",
};

static int expand_dma_latency(const struct ae_partition *partition, struct ae_plan *plan,
                              struct ae_error *err)
{
    char target[64];

    if (!ae_root_exists("/dev/cpu_dma_latency"))
        return ae_error_set(err, -ENOENT, "no /dev/cpu_dma_latency");
    snprintf(target, sizeof(target), "%s cpu_dma_latency", partition->name);
    return ae_plan_add(plan, AE_SETTING_HOLD, target, "held");
}

/* Reading the device gives the limit in force, in microseconds, as four bytes. */
static void dma_latency_effective(const struct ae_partition *partition,
                                  struct ae_evidence *evidence)
{
    int32_t limit = -1;
    int fd = ae_root_open("/dev/cpu_dma_latency", O_RDONLY);
    bool seen = fd >= 0 && read(fd, &limit, sizeof(limit)) == sizeof(limit);

    (void)partition;
    if (fd >= 0)
        close(fd);
    if (!seen)
        ae_evidence_set(evidence, AE_ANSWER_UNSEEN, "/dev/cpu_dma_latency cannot be read");
    else
        ae_evidence_set(evidence, limit == 0 ? AE_ANSWER_YES : AE_ANSWER_NO,
                        "the limit in force is %d us", limit);
}

const struct ae_knob ae_knob_cpu_dma_latency = {
    .name = "cpu-dma-latency",
    .what = "deep idle states of every CPU, which slow shared caches and memory down",
    .risk = "the whole machine draws full power",
    .undo = "the process that holds the request ends",
    .off = true,
    .power = true,
    .expand = expand_dma_latency,
    .effective = dma_latency_effective,
    .unseen = "idle states do not interrupt; they show as latency",
};

const struct ae_knob ae_knob_energy_preference = {
    .name = "energy-preference",
    .what = "clock changes that the processor decides on by itself",
    .risk = "quiet CPUs draw more power",
    .needs = "the frequency driver has no energy preference",
    .power = true,
    .files =
        (const struct ae_knob_file[]){
            {AE_SETTING_TEXT, "/sys/devices/system/cpu/cpu%/cpufreq/energy_performance_preference",
             "performance"},
            {0}},
    .unseen = "clock changes show as latency",
};

const struct ae_knob ae_knob_energy_bias = {
    .name = "energy-bias",
    .what = "the processor's leaning towards saving energy",
    .risk = "quiet CPUs draw more power",
    .needs = "the processor has no energy bias",
    .power = true,
    .files =
        (const struct ae_knob_file[]){
            {AE_SETTING_TEXT, "/sys/devices/system/cpu/cpu%/power/energy_perf_bias", "0"}, {0}},
    .unseen = "clock changes show as latency",
};

const struct ae_knob ae_knob_governor = {
    .name = "governor",
    .what = "clock changes that the kernel decides on",
    .risk = "quiet CPUs draw more power",
    .needs = "no frequency scaling here",
    .power = true,
    .files = (const struct ae_knob_file[]){{AE_SETTING_TEXT,
                                            "/sys/devices/system/cpu/cpu%/cpufreq/scaling_governor",
                                            "performance"},
                                           {0}},
    .unseen = "clock changes show as latency",
};
