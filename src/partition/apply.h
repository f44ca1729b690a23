/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_APPLY_H
#define AE_PARTITION_APPLY_H

/* Applying a partition, and one setting of it. */

#include "partition/journal.h"
#include "partition/plan.h"
#include "partition/report.h"

struct ae_apply {
    const struct ae_partition *partition;
    const struct ae_apply_options *options;
    struct ae_telling telling;
    struct ae_plan plan;
    struct ae_journal journal;
    bool first;        /* there was no journal: a failure undoes everything */
    bool was_complete; /* an earlier apply went through: what differs since is somebody else's */
    char trouble[512]; /* the first failure */
    unsigned troubles, conflicts;
};

/* Brings it to its value, journal first. Only what makes it pointless to go on is an error;
 * whatever else happens is told. */
int ae_apply_setting(struct ae_apply *apply, const struct ae_setting *setting);

/* Tells the caller what became of it; notes the first failure, counts failures and conflicts. */
void ae_apply_tell(struct ae_apply *apply, const struct ae_setting *setting,
                   enum ae_line_state state, const char *old_value, const char *new_value,
                   const char *note);

#endif
