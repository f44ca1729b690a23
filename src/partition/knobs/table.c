/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/knobs/rows.h"

#include <errno.h>
#include <string.h>

/*
 * The order of applying. What takes CPUs away comes first, for it changes where everything else may
 * run; cards are taken and queues closed before interrupts are moved; irqbalance is told before
 * interrupts are moved, or it would move them back; the governor comes behind the energy
 * preference, which it would otherwise hold fast when reverting.
 */
static const struct ae_knob *const table[] = {
    &ae_knob_cpus,
    &ae_knob_smt,
    &ae_knob_cpuset,
    &ae_knob_tasks,
    &ae_knob_workqueues,
    &ae_knob_devices,
    &ae_knob_nic_queues,
    &ae_knob_irqbalance,
    &ae_knob_default_irqs,
    &ae_knob_irqs,
    &ae_knob_rps,
    &ae_knob_xps,
    &ae_knob_watchdog_cpus,
    &ae_knob_nmi_watchdog,
    &ae_knob_timer_migration,
    &ae_knob_rt_throttle,
    &ae_knob_rcu_normal,
    &ae_knob_fair_server,
    &ae_knob_timestamping,
    &ae_knob_machine_check,
    &ae_knob_vmstat,
    &ae_knob_thp,
    &ae_knob_compaction,
    &ae_knob_ksm,
    &ae_knob_numa_balancing,
    &ae_knob_writeback,
    &ae_knob_hugepages,
    &ae_knob_cache_ways,
    &ae_knob_cpu_latency,
    &ae_knob_cpu_dma_latency,
    &ae_knob_energy_preference,
    &ae_knob_energy_bias,
    &ae_knob_governor,
    &ae_knob_tick,
    &ae_knob_rcu_callbacks,
    &ae_knob_boot_domains,
    &ae_knob_managed_irqs,
};

const struct ae_knob *ae_knob_row(size_t index)
{
    return index < sizeof(table) / sizeof(table[0]) ? table[index] : NULL;
}

const struct ae_knob *ae_knob_find(const char *name)
{
    const struct ae_knob *knob;

    for (size_t row = 0; (knob = ae_knob_row(row)); row++)
        if (strcmp(knob->name, name) == 0)
            return knob;
    return NULL;
}

bool ae_knob_wanted(const struct ae_knob *knob, const struct ae_partition *partition)
{
    if (knob->asked && !knob->asked(partition))
        return false;
    for (unsigned i = 0; i < partition->choice_count; i++)
        if (strcmp(partition->choices[i].knob, knob->name) == 0)
            return partition->choices[i].on;
    return !knob->off && !(knob->power && partition->keep_power);
}

int ae_knob_describe(size_t index, struct ae_knob_info *info)
{
    const struct ae_knob *knob = ae_knob_row(index);

    if (!knob)
        return -ENOENT;
    info->name = knob->name;
    info->tier = knob->boot ? "boot" : "run-time";
    info->what = knob->what;
    info->undo = knob->undo   ? knob->undo
                 : knob->boot ? "remove the kernel parameter and reboot"
                              : "the old value is written back";
    info->risk = knob->risk;
    info->on = !knob->off && !knob->boot;
    return 0;
}
