/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/irq.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/root.h"
#include "base/text.h"
#include "partition/journal.h"
#include "partition/partition.h"

static bool number_of(const char *target, unsigned *number)
{
    int end = 0;

    return sscanf(target, "/proc/irq/%9u/smp_affinity_list%n", number, &end) == 1 && end &&
           !target[end];
}

bool ae_irq_is_target(const char *target)
{
    unsigned number;

    return number_of(target, &number);
}

/* Where it really goes. */
static bool effective_cpus(const char *target, struct ae_cpus *cpus)
{
    unsigned number;
    char path[64];

    if (!number_of(target, &number))
        return false;
    snprintf(path, sizeof(path), "/proc/irq/%u/effective_affinity_list", number);
    return ae_cpus_read(cpus, path) == 0;
}

static bool is_elsewhere(const char *target, const struct ae_cpus *quiet)
{
    struct ae_cpus cpus;

    return effective_cpus(target, &cpus) && !ae_cpus_intersect(&cpus, quiet);
}

bool ae_irq_is_here(const char *target, const struct ae_cpus *quiet)
{
    struct ae_cpus cpus;

    return effective_cpus(target, &cpus) && ae_cpus_intersect(&cpus, quiet);
}

bool ae_irq_is_managed(const char *target)
{
    unsigned number;
    char path[64], *text;
    bool managed;

    if (!number_of(target, &number))
        return false;
    snprintf(path, sizeof(path), "/sys/kernel/debug/irq/irqs/%u", number);
    if (ae_root_read_all(path, &text) < 0)
        return false;
    managed = strstr(text, "IRQD_AFFINITY_MANAGED") != NULL;
    free(text);
    return managed;
}

static int is_left(const char *name, void *context)
{
    struct ae_journal journal;
    const struct ae_journal_entry *entry;
    bool left = false;

    if (ae_journal_read(&journal, name, NULL) == 0) {
        entry = ae_journal_find(&journal, AE_SETTING_LIST, context);
        left = entry && entry->left;
    }
    ae_journal_close(&journal);
    return left;
}

bool ae_irq_is_immovable(const char *target)
{
    return ae_irq_is_managed(target) ||
           ae_partition_each_name(is_left, (void *)(size_t)target) == 1;
}

const char *ae_irq_describe(const char *target, char *text, size_t size)
{
    char path[64], actions[96];
    unsigned number;

    if (!number_of(target, &number))
        return ae_text_shown(text, size, target);
    snprintf(path, sizeof(path), "/sys/kernel/irq/%u/actions", number);
    if (ae_root_read(path, actions, sizeof(actions)) <= 0)
        snprintf(text, size, "interrupt %u", number);
    else
        snprintf(text, size, "interrupt %u (%s)", number, actions);
    return ae_text_shown(text, size, text);
}

const char *ae_irq_immovable(const char *target, const struct ae_cpus *quiet,
                             char text[AE_IRQ_NOTE])
{
    char name[128];

    snprintf(text, AE_IRQ_NOTE, "%s %s%s", ae_irq_describe(target, name, sizeof(name)),
             ae_irq_is_managed(target)
                 ? "is managed by the kernel, which lets nobody move it"
                 : "cannot be moved: the kernel manages it, or its chip cannot",
             is_elsewhere(target, quiet)
                 ? "; it goes to a host CPU"
                 : "; it is silent until that CPU submits I/O, and verify counts it");
    return text;
}

const char *ae_irq_reason(int rc)
{
    static const struct {
        int code;
        const char *meaning;
    } reasons[] = {
        {EIO, "the kernel manages it itself, or its chip cannot move it"},
        {EROFS, "/proc is mounted read-only here; run this outside of the container"},
        {ENOSPC,
         "the host CPUs have no interrupt vector left; give the host more CPUs, or its cards and "
         "disks fewer queues (knob nic-queues, ethtool -L)"},
        {EINVAL, "none of the host CPUs is online"},
        {EACCES, "not allowed; run as root, outside of a container"},
        {EPERM, "not allowed; run as root, outside of a container"},
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].code == -rc)
            return reasons[i].meaning;
    return strerror(-rc);
}
