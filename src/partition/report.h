/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_REPORT_H
#define AE_PARTITION_REPORT_H

/* Telling the caller line by line, and counting the lines. */

#include <aether/partition.h>

#include "partition/plan.h"

struct ae_telling {
    ae_partition_report report;
    void *context;
    struct ae_partition_summary summary;
};

void ae_tell(struct ae_telling *telling, const struct ae_partition_line *line);

/* The knobs of a plan that are absent or off. */
void ae_tell_missing(struct ae_telling *telling, const struct ae_plan *plan);

/* Is this the affinity of an interrupt that goes to none of these CPUs at present? */
bool ae_irq_is_elsewhere(const char *target, const struct ae_cpus *quiet);

/* Is this the affinity of an interrupt that still goes to one of these CPUs? */
bool ae_irq_is_here(const char *target, const struct ae_cpus *quiet);

#endif
