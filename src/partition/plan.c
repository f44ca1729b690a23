/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
