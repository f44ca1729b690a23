/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_KNOBS_ROWS_H
#define AE_PARTITION_KNOBS_ROWS_H

/* The rows, by the file they stand in; table.c has their order. */

#include "partition/knobs/knob.h"

/* knobs/cpu.c */
extern const struct ae_knob ae_knob_cpus, ae_knob_smt, ae_knob_tasks, ae_knob_workqueues,
    ae_knob_watchdog_cpus, ae_knob_nmi_watchdog, ae_knob_timer_migration, ae_knob_rt_throttle,
    ae_knob_rcu_normal, ae_knob_fair_server, ae_knob_timestamping, ae_knob_machine_check;

/* knobs/cpuset.c */
extern const struct ae_knob ae_knob_cpuset;

/* knobs/device.c */
extern const struct ae_knob ae_knob_devices;

/* knobs/irq.c */
extern const struct ae_knob ae_knob_irqbalance, ae_knob_default_irqs, ae_knob_irqs, ae_knob_rps,
    ae_knob_xps, ae_knob_nic_queues;

/* knobs/memory.c */
extern const struct ae_knob ae_knob_vmstat, ae_knob_thp, ae_knob_compaction, ae_knob_ksm,
    ae_knob_numa_balancing, ae_knob_writeback, ae_knob_hugepages, ae_knob_cache_ways;

/* knobs/power.c */
extern const struct ae_knob ae_knob_cpu_latency, ae_knob_cpu_dma_latency, ae_knob_energy_preference,
    ae_knob_energy_bias, ae_knob_governor;

/* knobs/boot.c */
extern const struct ae_knob ae_knob_tick, ae_knob_rcu_callbacks, ae_knob_boot_domains,
    ae_knob_managed_irqs;

#endif
