/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "partition/plan.h"

struct expansion {
    const struct ae_partition *partition;
    struct ae_plan *plan;
    const struct ae_knob_file *file;
};

static int add_match(const char *path, void *context)
{
    struct expansion *expansion = context;
    const struct ae_knob_file *file = expansion->file;
    char *now, *wanted;
    int rc;

    if (strcmp(file->value, AE_WITHOUT_QUIET) != 0) {
        rc = ae_plan_add(expansion->plan, file->kind, path, file->value);
    } else {
        rc = ae_setting_read(file->kind, path, &now);
        if (!rc) {
            rc = ae_plan_without_quiet(expansion->partition, file->kind, now, &wanted);
            free(now);
        }
        if (!rc) {
            rc = ae_plan_add(expansion->plan, file->kind, path, wanted);
            free(wanted);
        }
    }
    /* A file that cannot be read (a queue of a device that is going away) cannot be judged. */
    return rc == -ENOMEM ? rc : 0;
}

/* The pattern with '%' replaced by a CPU's number. */
static int add_for_cpu(struct expansion *expansion, unsigned cpu)
{
    const char *path = expansion->file->path, *percent = strchr(path, '%');
    char pattern[PATH_MAX];

    snprintf(pattern, sizeof(pattern), "%.*s%u%s", (int)(percent - path), path, cpu, percent + 1);
    return ae_root_glob(pattern, add_match, expansion);
}

static int add_file(struct expansion *expansion)
{
    const struct ae_cpus *quiet = &expansion->partition->quiet;
    int rc = 0;

    if (!strchr(expansion->file->path, '%'))
        return ae_root_glob(expansion->file->path, add_match, expansion);
    for (int cpu = ae_cpus_next(quiet, 0); !rc && cpu >= 0;
         cpu = ae_cpus_next(quiet, (unsigned)cpu + 1))
        rc = add_for_cpu(expansion, (unsigned)cpu);
    return rc;
}

static int expand(const struct ae_partition *partition, struct ae_plan *plan,
                  struct ae_plan_knob *slot, struct ae_error *err)
{
    const struct ae_knob *knob = slot->knob;
    struct expansion expansion = {.partition = partition, .plan = plan, .file = knob->files};
    struct ae_error why = {.text = ""};
    size_t before = plan->count;
    int rc = 0;

    for (; expansion.file && expansion.file->path && !rc; expansion.file++)
        rc = add_file(&expansion);
    if (knob->expand && !rc)
        rc = knob->expand(partition, plan, &why);
    if (rc && rc != -ENOENT)
        return ae_error_set(err, rc, "planning knob %s failed: %s", knob->name,
                            why.text[0] ? why.text : strerror(-rc));
    if (rc == -ENOENT || (!knob->expand && plan->count == before)) {
        slot->state = AE_LINE_ABSENT;
        snprintf(slot->note, sizeof(slot->note), "%.190s",
                 why.text[0]   ? why.text
                 : knob->needs ? knob->needs
                               : "not on this machine");
    }
    return 0;
}

int ae_plan_make(struct ae_plan *plan, const struct ae_partition *partition, struct ae_error *err)
{
    const struct ae_knob *knob;
    int rc = 0;

    memset(plan, 0, sizeof(*plan));
    for (size_t row = 0; !rc && (knob = ae_knob_row(row)); row++) {
        struct ae_plan_knob *slot = &plan->knobs[plan->knob_count];

        if (knob->boot)
            continue;
        plan->knob_count++;
        *slot = (struct ae_plan_knob){.knob = knob, .state = AE_LINE_OK};
        plan->current = knob;
        if (ae_knob_wanted(knob, partition))
            rc = expand(partition, plan, slot, err);
        else
            slot->state = AE_LINE_OFF;
    }
    return rc;
}
