/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/root.h"
#include "partition/knobs.h"
#include "partition/task.h"

/*
 * The value of the last PARAMETER= on the command line, in a new string; NULL: there is none. The
 * last one is what counts for those that matter here.
 */
static char *parameter(const char *name)
{
    char *text, *next, *word, *value = NULL;
    size_t length = strlen(name);

    if (ae_root_read_all("/proc/cmdline", &text) < 0)
        return NULL;
    next = text;
    while ((word = strsep(&next, " \t\n"))) {
        if (strncmp(word, name, length) != 0 || word[length] != '=')
            continue;
        free(value);
        value = strdup(word + length + 1);
    }
    free(text);
    return value;
}

/* Behind the flags of isolcpus=managed_irq,domain,2-5. */
static const char *behind_flags(const char *value)
{
    while ((*value < '0' || *value > '9') && strchr(value, ','))
        value = strchr(value, ',') + 1;
    return value;
}

static void parameter_covers(const struct ae_partition *partition, const char *name,
                             struct ae_evidence *evidence)
{
    char *value = parameter(name);
    struct ae_cpus cpus;

    if (!value)
        ae_evidence_set(evidence, AE_ANSWER_NO, "the kernel was started without %s=", name);
    else if (ae_cpus_parse(&cpus, behind_flags(value)))
        ae_evidence_set(evidence, AE_ANSWER_UNSEEN, "%s=%.100s is in a form not understood here",
                        name, value);
    else
        ae_evidence_set(evidence,
                        ae_cpus_within(&partition->quiet, &cpus) ? AE_ANSWER_YES : AE_ANSWER_NO,
                        "the kernel was started with %s=%.100s", name, value);
    free(value);
}

static void file_covers(const struct ae_partition *partition, const char *path,
                        struct ae_evidence *evidence)
{
    char text[160];
    struct ae_cpus cpus;

    if (ae_root_read(path, text, sizeof(text)) < 0 || ae_cpus_read(&cpus, path))
        ae_evidence_set(evidence, AE_ANSWER_NO, "this kernel has no %s", path);
    else
        ae_evidence_set(evidence,
                        ae_cpus_within(&partition->quiet, &cpus) ? AE_ANSWER_YES : AE_ANSWER_NO,
                        "%s is \"%s\"", path, text);
}

static void tick_accepted(const struct ae_partition *partition, struct ae_evidence *evidence)
{
    parameter_covers(partition, "nohz_full", evidence);
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
    parameter_covers(partition, "rcu_nocbs", evidence);
    if (evidence->answer != AE_ANSWER_YES)
        parameter_covers(partition, "nohz_full", evidence); /* implies it */
}

/* A CPU whose callbacks are offloaded has a thread named after it: rcuop/3, rcuos/3 or rcuob/3. */
static int find_offloader(const struct ae_task *task, void *context)
{
    struct ae_cpus *found = context;
    unsigned cpu;

    if (task->kernel && sscanf(task->name, "rcuo%*[a-z]/%5u", &cpu) == 1)
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
    parameter_covers(partition, "isolcpus", evidence);
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
    char *value;

    parameter_covers(partition, "isolcpus", evidence);
    if (evidence->answer != AE_ANSWER_YES)
        return;
    value = parameter("isolcpus");
    if (!value || !strstr(value, "managed_irq"))
        ae_evidence_set(evidence, AE_ANSWER_NO, "isolcpus= lacks managed_irq");
    free(value);
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
