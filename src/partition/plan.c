/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/plan.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "partition/task.h"

int ae_plan_add(struct ae_plan *plan, enum ae_setting_kind kind, const char *target,
                const char *wanted)
{
    struct ae_setting *setting;
    int rc;

    if (plan->count == plan->capacity) {
        size_t capacity = plan->capacity ? 2 * plan->capacity : 64;
        struct ae_setting *bigger = realloc(plan->settings, capacity * sizeof(*bigger));

        if (!bigger)
            return -ENOMEM;
        plan->settings = bigger;
        plan->capacity = capacity;
    }
    setting = &plan->settings[plan->count];
    *setting = (struct ae_setting){.knob = plan->current, .kind = kind};
    rc = ae_setting_read(kind, target, &setting->now);
    if (rc && rc != -ENOENT)
        return rc;
    plan->count++;
    setting->target = strdup(target);
    setting->wanted = strdup(wanted);
    return setting->target && setting->wanted ? 0 : -ENOMEM;
}

int ae_plan_without_quiet(const struct ae_partition *partition, enum ae_setting_kind kind,
                          const char *now, char **wanted)
{
    bool mask = kind == AE_SETTING_MASK;
    char text[AE_CPUS_TEXT];
    struct ae_cpus cpus;
    int rc = mask ? ae_cpus_parse_mask(&cpus, now) : ae_cpus_parse(&cpus, now);

    if (rc)
        return rc;
    if (ae_cpus_intersect(&cpus, &partition->all_quiet)) {
        ae_cpus_subtract(&cpus, &partition->all_quiet);
        if (ae_cpus_count(&cpus) == 0)
            cpus = partition->host_cpus;
    }
    if (mask)
        rc = ae_cpus_format_mask(&cpus, (unsigned)(strlen(now) + 1) / 9 * 32, text, sizeof(text));
    else
        rc = ae_cpus_format(&cpus, text, sizeof(text));
    if (rc < 0)
        return rc;
    *wanted = strdup(text);
    return *wanted ? 0 : -ENOMEM;
}

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

void ae_plan_free(struct ae_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        free(plan->settings[i].target);
        free(plan->settings[i].wanted);
        free(plan->settings[i].now);
    }
    free(plan->settings);
    memset(plan, 0, sizeof(*plan));
}

struct sweep {
    const struct ae_partition *partition;
    struct ae_plan *plan;
    size_t known; /* settings of the plan that were there before the sweep */
};

static bool is_known(const struct ae_plan *plan, size_t count, const char *target)
{
    for (size_t i = 0; i < count; i++)
        if (plan->settings[i].kind == AE_SETTING_TASK &&
            strcmp(plan->settings[i].target, target) == 0)
            return true;
    return false;
}

static int add_task(const struct ae_task *task, void *context)
{
    struct sweep *sweep = context;
    const struct ae_partition *partition = sweep->partition;
    char target[48], now[AE_CPUS_TEXT], *wanted;
    int rc;

    if (task->immovable || ae_task_in_partition(task->id, partition->name))
        return 0;
    snprintf(target, sizeof(target), "%d:%llu", task->id, (unsigned long long)task->start);
    if (is_known(sweep->plan, sweep->known, target))
        return 0;
    if (ae_cpus_format(&task->allowed, now, sizeof(now)) < 0)
        return 0;
    rc = ae_plan_without_quiet(partition, AE_SETTING_TASK, now, &wanted);
    if (rc)
        return rc;
    rc = ae_plan_add(sweep->plan, AE_SETTING_TASK, target, wanted);
    free(wanted);
    return rc == -ESRCH ? 0 : rc;
}

int ae_plan_add_tasks(struct ae_plan *plan, const struct ae_partition *partition)
{
    struct sweep sweep = {.partition = partition, .plan = plan, .known = plan->count};

    return ae_task_each(add_task, &sweep);
}
