/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_PLAN_H
#define AE_PARTITION_PLAN_H

/* What the table comes to on this machine, for this partition: knobs, and settings with values. */

#include <stddef.h>

#include "partition/knobs/knob.h"

/* More than the table has rows. */
#define AE_PLAN_KNOBS 64

struct ae_setting {
    const struct ae_knob *knob;
    enum ae_setting_kind kind;
    char *target;
    char *wanted;
    char *now; /* NULL: not there yet, an earlier setting makes it */
};

struct ae_plan_knob {
    const struct ae_knob *knob;
    enum ae_line_state state; /* AE_LINE_OK (it has settings, or nothing to do), ABSENT, OFF */
    char note[192];
};

struct ae_plan {
    struct ae_setting *settings;
    size_t count, capacity;
    struct ae_plan_knob knobs[AE_PLAN_KNOBS];
    size_t knob_count;
    const struct ae_knob *current; /* the row being expanded */
};

/* expand.c: reads the machine and expands the table into the plan. Free it in any case. */
int ae_plan_make(struct ae_plan *plan, const struct ae_partition *partition, struct ae_error *err);
void ae_plan_free(struct ae_plan *plan);

/* For the rows' expand: adds a setting, with its value now if it has one already. */
int ae_plan_add(struct ae_plan *plan, enum ae_setting_kind kind, const char *target,
                const char *wanted);

/* Adds the tasks that may run on quiet CPUs and can be moved; also those that have appeared
 * since. */
int ae_plan_add_tasks(struct ae_plan *plan, const struct ae_partition *partition);

/* A list or mask without the partitions' quiet CPUs; the host's when nothing would be left. Written
 * in the form of `now`. The caller frees it. */
int ae_plan_without_quiet(const struct ae_partition *partition, enum ae_setting_kind kind,
                          const char *now, char **wanted);

#endif
