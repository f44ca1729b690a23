/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_PARTITION_PRINT_H
#define AE_CLI_PARTITION_PRINT_H

/* How `aether partition` shows what the library tells it: as text, or as one JSON object. */

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include <aether/partition.h>

/* Lines that say the same of different targets. */
struct partition_group {
    char *knob, *target, *old_value, *new_value, *note;
    enum ae_line_state state;
    unsigned count;
};

struct partition_output {
    bool json;
    bool verbose;  /* show every line, also those with nothing to report */
    json_t *lines; /* of the JSON object */
    struct partition_group *groups;
    size_t group_count;
    const bool *quiet; /* verify: its answer; NULL: another verb */
    json_t *memory;    /* plan: what its ports need; NULL: another verb, or there are none */
};

/* For ae_partition_plan and its kin; the context is a struct partition_output. */
void partition_line(const struct ae_partition_line *line, void *output);

/* For ae_partition_verify. */
void partition_evidence(const struct ae_knob_evidence *evidence, void *output);

/*
 * Prints what was collected, headed by the partition and its level, and forgets it. `what` is the
 * verb; level may be NULL, and so may partition (after a revert, which needs no file).
 */
void partition_print(struct partition_output *output, FILE *out, const char *what, const char *name,
                     const struct ae_partition *partition, const char *level,
                     const struct ae_partition_summary *summary);

/* "3 set, 1 absent" */
void partition_summary_text(const struct ae_partition_summary *summary, char *text, size_t size);

#endif
