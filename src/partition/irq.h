/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_IRQ_H
#define AE_PARTITION_IRQ_H

/*
 * Interrupts whose affinity a setting is: `target` is /proc/irq/NUMBER/smp_affinity_list. Of any
 * other target all of this is false, or nothing.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/cpus.h"

bool ae_irq_is_target(const char *target);

/* Does it go to one of these CPUs at present? */
bool ae_irq_is_here(const char *target, const struct ae_cpus *quiet);

/*
 * Does the kernel itself spread it, one to a CPU, and let nobody move it (IRQD_AFFINITY_MANAGED)?
 * debugfs tells; false where it cannot be read. Such an interrupt stays silent until its CPU
 * submits I/O.
 */
bool ae_irq_is_managed(const char *target);

/* The same, or one that an apply found to be so, for whoever may not look into debugfs. */
bool ae_irq_is_immovable(const char *target);

/* "interrupt 34 (nvme0q1)", as far as it is known. Returns text. */
const char *ae_irq_describe(const char *target, char *text, size_t size);

#define AE_IRQ_NOTE 256

/* What a person should know of one that cannot be moved. Returns text. */
const char *ae_irq_immovable(const char *target, const struct ae_cpus *quiet,
                             char text[AE_IRQ_NOTE]);

/* What a refusal to move an interrupt means, and what to do about it. */
const char *ae_irq_reason(int rc);

#endif
