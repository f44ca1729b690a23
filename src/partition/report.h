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

#endif
