/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "machine/isolation.h"
#include "partition/evidence.h"
#include "partition/knobs/rows.h"
#include "partition/task.h"

static void parameter_covers(const struct ae_partition *partition, const char *name,
                             enum ae_isolation_kind kind, struct ae_evidence *evidence)
{
    struct ae_isolation isolation;
    const struct ae_cpus *cpus = &isolation.cpus[kind];
    char text[128];

    if (ae_isolation_read(&isolation))
        ae_evidence_set(evidence, AE_ANSWER_UNSEEN, "/proc/cmdline cannot be read");
    else if (isolation.named & (1u << kind))
        ae_evidence_set(
            evidence, ae_cpus_within(&partition->quiet, cpus) ? AE_ANSWER_YES : AE_ANSWER_NO,
            "the kernel was started with %s%s%s", name, ae_cpus_show(cpus, text, sizeof(text)),
            isolation.refused & (1u << kind) ? ", and again with other CPUs, which it threw away"
                                             : "");
    else if (isolation.strange & (1u << kind))
        ae_evidence_set(evidence, AE_ANSWER_NO,
                        "the kernel was started with %s and a list that it does not understand",
                        name);
    else
        ae_evidence_set(evidence, AE_ANSWER_NO, "the kernel was started without %s", name);
}

static void file_covers(const struct ae_partition *partition, const char *path,
                        struct ae_evidence *evidence)
{
    struct ae_cpus cpus;
    char text[128];
    int rc = ae_cpus_read(&cpus, path);

    if (rc == -ENOENT)
        ae_evidence_set(evidence, AE_ANSWER_NO, "this kernel has no %s", path);
    else if (rc)
        ae_evidence_set(evidence, AE_ANSWER_UNSEEN, "%s: %s", path, strerror(-rc));
    else
        ae_evidence_set(evidence,
                        ae_cpus_within(&partition->quiet, &cpus) ? AE_ANSWER_YES : AE_ANSWER_NO,
                        "%s is \"%s\"", path, ae_cpus_show(&cpus, text, sizeof(text)));
}

static void tick_accepted(const struct ae_partition *partition, struct ae_evidence *evidence)
{
    parameter_covers(partition, "nohz_full=", AE_ISOLATION_NOHZ_FULL, evidence);
}

static void tick_effective(const struct ae_partition *partition, struct ae_evidence *evidence)
{
    file_covers(partition, "/sys/devices/system/cpu/nohz_full", evidence);
}

const struct ae_knob ae_knob_tick = {
    .name = "tick",
    .what = "the scheduler's tick (nohz_full=)",
    .risk = "entering the kernel costs more; one task per CPU only",
    .boot = true,
    .accepted = tick_accepted,
    .effective = tick_effective,
    .counters = "irq:LOC",
};

static void rcu_accepted(const struct ae_partition *partition, struct ae_evidence *evidence)
{
    parameter_covers(partition, "rcu_nocbs=", AE_ISOLATION_RCU_NOCBS, evidence);
    if (evidence->answer != AE_ANSWER_YES)
        parameter_covers(partition, "nohz_full=", AE_ISOLATION_NOHZ_FULL,
                         evidence); /* implies it */
}

static int find_offloader(const struct ae_task *task, void *context)
{
    struct ae_cpus *found = context;
    unsigned cpu;

    if (ae_task_offloads(task, &cpu))
        ae_cpus_add(found, cpu);
    return 0;
}

static void rcu_effective(const struct ae_partition *partition, struct ae_evidence *evidence)
{
    struct ae_cpus found;
    bool covered;

    ae_cpus_clear(&found);
    ae_task_each(find_offloader, &found);
    covered = ae_cpus_within(&partition->quiet, &found);
    ae_evidence_set(evidence, covered ? AE_ANSWER_YES : AE_ANSWER_NO,
                    covered ? "each quiet CPU has its rcuo thread"
                            : "a quiet CPU has no rcuo thread, so its callbacks run on it");
}

const struct ae_knob ae_knob_rcu_callbacks = {
    .name = "rcu-callbacks",
    .what = "RCU callbacks (rcu_nocbs=)",
    .risk = "they run in threads on the host's CPUs",
    .boot = true,
    .accepted = rcu_accepted,
    .effective = rcu_effective,
    .counters = "softirq:RCU",
};

static void domains_accepted(const struct ae_partition *partition, struct ae_evidence *evidence)
{
    parameter_covers(partition, "isolcpus=", AE_ISOLATION_DOMAIN, evidence);
}

static void domains_effective(const struct ae_partition *partition, struct ae_evidence *evidence)
{
    file_covers(partition, "/sys/devices/system/cpu/isolated", evidence);
}

const struct ae_knob ae_knob_boot_domains = {
    .name = "boot-domains",
    .what = "tasks and load balancing, from the first moment on (isolcpus=domain,)",
    .risk = "the host never gets these CPUs back without a reboot",
    .boot = true,
    .accepted = domains_accepted,
    .effective = domains_effective,
    .counters = "softirq:SCHED",
};

static void managed_accepted(const struct ae_partition *partition, struct ae_evidence *evidence)
{
    parameter_covers(partition, "isolcpus=managed_irq,", AE_ISOLATION_MANAGED_IRQ, evidence);
}

static void managed_effective(const struct ae_partition *partition, struct ae_evidence *evidence)
{
    (void)partition;
    ae_evidence_set(evidence, AE_ANSWER_UNSEEN,
                    "the kernel does not show which interrupts it manages");
}

const struct ae_knob ae_knob_managed_irqs = {
    .name = "managed-irqs",
    .what = "interrupts that the kernel itself spreads (isolcpus=managed_irq,)",
    .risk = "none",
    .boot = true,
    .accepted = managed_accepted,
    .effective = managed_effective,
    .counters = "irq:#",
};
