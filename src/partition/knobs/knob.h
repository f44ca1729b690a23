/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_KNOBS_KNOB_H
#define AE_PARTITION_KNOBS_KNOB_H

/*
 * The knob table. A row says what it keeps away from quiet CPUs, which settings it consists of, how
 * to see that they work, and what it costs. Rows stand in the order in which they are applied;
 * reverting goes backwards. Adding a knob: a row in the file of its subject, its name in table.c, a
 * test.
 */

#include "partition/partition.h"
#include "partition/setting.h"

struct ae_plan;

/* In a value: what the setting holds now, without any partition's quiet CPUs. */
#define AE_WITHOUT_QUIET "@without-quiet"

/*
 * A file, or all that match a pattern; '%' in the path stands for the number of each quiet CPU.
 * What does not exist on this machine is left out.
 */
struct ae_knob_file {
    enum ae_setting_kind kind;
    const char *path;
    const char *value;
};

struct ae_knob {
    const char *name;
    const char *what;  /* what it keeps away from the quiet CPUs */
    const char *risk;  /* what it costs, in one line */
    const char *undo;  /* NULL: the old value is written back */
    const char *needs; /* what is missing where it is absent */

    bool boot;      /* boot tier: seen here, set by kernel parameters */
    bool off;       /* off unless asked for */
    bool essential; /* without it there is no partition: absent is a failure */
    bool power;     /* left alone under power = keep */

    /* NULL: every partition wants it. False: this one's file does not ask for it. */
    bool (*asked)(const struct ae_partition *partition);

    const struct ae_knob_file *files; /* up to one without a path; NULL: see expand */
    /* Adds what cannot be said with files. -ENOENT: absent; err says what is missing. */
    int (*expand)(const struct ae_partition *partition, struct ae_plan *plan, struct ae_error *err);

    /* NULL: every setting reads back as wanted. */
    void (*accepted)(const struct ae_partition *partition, struct ae_evidence *evidence);
    /* NULL: what reads back is the effect. */
    void (*effective)(const struct ae_partition *partition, struct ae_evidence *evidence);
    /* Counters of the quiet CPUs that must stand still (counters.h), a blank between them. */
    const char *counters;
    const char *unseen; /* why no counter tells */
};

/* Row `index` of the table, or NULL behind the end. */
const struct ae_knob *ae_knob_row(size_t index);
const struct ae_knob *ae_knob_find(const char *name);

/* Does this partition want it? */
bool ae_knob_wanted(const struct ae_knob *knob, const struct ae_partition *partition);

#endif
