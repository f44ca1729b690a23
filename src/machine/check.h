/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_CHECK_H
#define AE_MACHINE_CHECK_H

/*
 * Checks: what Aether wants of a machine, each a row of a table: does this machine have it, why
 * (not), and what exactly would help. They only look.
 */

#include <stdbool.h>

#include "machine/finding.h"

struct ae_check {
    const char *name;
    const char *what;
    bool required; /* without it Aether's device path or its quiet cannot be had at all */
    void (*look)(struct ae_finding *finding);
    const char *remedy; /* when `look` gives none */
};

/* Tables end with a NULL name. */
extern const struct ae_check ae_machine_checks[];

void ae_check_run(const struct ae_check *check, struct ae_finding *finding);

/* "ok", "missing", "optional", "unseen" */
const char *ae_check_word(const struct ae_check *check, const struct ae_finding *finding);

/* The rows' functions, by what they look at: check_cpu.c, check_device.c, check_worker.c,
 * check_kernel.c. */
void ae_check_cpus(struct ae_finding *finding);
void ae_check_counter(struct ae_finding *finding);
void ae_check_smt(struct ae_finding *finding);
void ae_check_governor(struct ae_finding *finding);
void ae_check_hypervisor(struct ae_finding *finding);

void ae_check_iommu(struct ae_finding *finding);
void ae_check_remapping(struct ae_finding *finding);
void ae_check_vfio(struct ae_finding *finding);
void ae_check_hugepages(struct ae_finding *finding);
void ae_check_memlock(struct ae_finding *finding);

void ae_check_ptrace(struct ae_finding *finding);
void ae_check_groups(struct ae_finding *finding);
void ae_check_calls(struct ae_finding *finding);

void ae_check_nohz_full(struct ae_finding *finding);
void ae_check_isolated(struct ae_finding *finding);
void ae_check_rcu(struct ae_finding *finding);
void ae_check_tuned(struct ae_finding *finding);
void ae_check_thp(struct ae_finding *finding);
void ae_check_watchdog(struct ae_finding *finding);
void ae_check_lockdown(struct ae_finding *finding);
void ae_check_deadline_server(struct ae_finding *finding);
void ae_check_rt_throttling(struct ae_finding *finding);
void ae_check_tracefs(struct ae_finding *finding);

#endif
