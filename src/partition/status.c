/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "partition/cgroup.h"
#include "partition/irq.h"
#include "partition/irqbalance.h"
#include "partition/journal.h"
#include "partition/kernel.h"
#include "partition/knobs/rows.h"
#include "partition/names.h"
#include "partition/plan.h"
#include "partition/report.h"

struct status {
    const struct ae_partition *partition;
    struct ae_telling telling;
    struct ae_plan plan;
    struct ae_journal journal;
    bool applied;
    pid_t irqbalance; /* its process, if it runs */
};

static void tell(struct status *status, const struct ae_setting *setting, enum ae_line_state state,
                 const char *note)
{
    ae_tell(&status->telling, &(struct ae_partition_line){.knob = setting->knob->name,
                                                          .state = state,
                                                          .target = setting->target,
                                                          .old_value = setting->now,
                                                          .new_value = setting->wanted,
                                                          .note = note});
}

/* irqbalance is who usually moves interrupts back. */
static void tell_foreign(struct status *status, const struct ae_setting *setting)
{
    char note[96];

    if (setting->knob != &ae_knob_irqs || status->irqbalance <= 0) {
        tell(status, setting, AE_LINE_DRIFT, "somebody else changed it");
        return;
    }
    snprintf(note, sizeof(note), "somebody else changed it; irqbalance runs (process %d)",
             (int)status->irqbalance);
    tell(status, setting, AE_LINE_DRIFT, note);
}

/* A setting that is not as wanted, though the partition is applied. */
static void tell_deviation(struct status *status, const struct ae_setting *setting)
{
    const struct ae_journal_entry *entry =
        ae_journal_find(&status->journal, setting->kind, setting->target);
    char immovable[AE_IRQ_NOTE];

    if (!entry)
        tell(status, setting, AE_LINE_DRIFT, "it is not what apply saw; apply again");
    else if (!setting->now)
        tell(status, setting, AE_LINE_DRIFT, "it is gone");
    else if (entry->left && ae_setting_same(setting->kind, setting->now, entry->left))
        tell(status, setting,
             ae_irq_is_target(setting->target) ? AE_LINE_IMMOVABLE : AE_LINE_REFUSED,
             ae_irq_is_target(setting->target)
                 ? ae_irq_immovable(setting->target, &status->partition->quiet, immovable)
                 : "the kernel did not take it");
    else if (!entry->left && ae_setting_same(setting->kind, setting->now, entry->new_value))
        tell(status, setting, AE_LINE_DRIFT, "the files ask for something else now; apply again");
    else
        tell_foreign(status, setting);
}

static void tell_setting(struct status *status, const struct ae_setting *setting)
{
    bool meets = setting->now && ae_setting_meets(setting->kind, setting->now, setting->wanted);
    char immovable[AE_IRQ_NOTE];

    if (meets && ae_irq_is_here(setting->target, &status->partition->quiet))
        tell(status, setting, AE_LINE_DEFERRED, "it still goes to a quiet CPU");
    else if (meets)
        tell(status, setting, AE_LINE_OK, NULL);
    else if (ae_irq_is_managed(setting->target))
        tell(status, setting, AE_LINE_IMMOVABLE,
             ae_irq_immovable(setting->target, &status->partition->quiet, immovable));
    else if (!status->applied)
        tell(status, setting, AE_LINE_CHANGE, NULL);
    else
        tell_deviation(status, setting);
}

static bool is_planned(const struct ae_plan *plan, const struct ae_journal_entry *entry)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->settings[i].kind == entry->kind &&
            strcmp(plan->settings[i].target, entry->target) == 0)
            return true;
    return false;
}

/* What was applied and is no longer planned: a switched-off sibling, a knob since opted out of. */
static void tell_unplanned(struct status *status, const struct ae_journal_entry *entry)
{
    const struct ae_knob *knob = ae_knob_find(entry->knob);
    struct ae_setting setting = {
        .knob = knob, .kind = entry->kind, .target = entry->target, .wanted = entry->new_value};

    if (!knob || entry->kind == AE_SETTING_TASK || is_planned(&status->plan, entry) ||
        ae_setting_same(entry->kind, entry->old_value, entry->new_value) ||
        ae_setting_read(entry->kind, entry->target, &setting.now))
        return;
    if (ae_setting_same(entry->kind, setting.now, entry->new_value))
        tell(status, &setting, AE_LINE_OK, NULL);
    else
        tell_deviation(status, &setting);
    free(setting.now);
}

static int plan_and_tell(struct status *status, struct ae_error *err)
{
    int rc = ae_plan_make(&status->plan, status->partition, err);

    if (rc)
        return rc;
    ae_tell_missing(&status->telling, &status->plan);
    for (size_t i = 0; i < status->plan.count; i++)
        tell_setting(status, &status->plan.settings[i]);
    for (size_t i = 0; status->applied && i < status->journal.count; i++)
        tell_unplanned(status, &status->journal.entries[i]);
    return 0;
}

static int finish(struct status *status, struct ae_partition_summary *summary, int rc)
{
    ae_plan_free(&status->plan);
    ae_journal_close(&status->journal);
    if (summary)
        *summary = status->telling.summary;
    return rc;
}

int ae_partition_plan(const struct ae_partition *partition, ae_partition_report report,
                      void *context, struct ae_partition_summary *summary, struct ae_error *err)
{
    struct status status = {.partition = partition,
                            .telling = {.report = report, .context = context},
                            .journal = {.fd = -1}};

    return finish(&status, summary, plan_and_tell(&status, err));
}

int ae_partition_status(const struct ae_partition *partition, ae_partition_report report,
                        void *context, struct ae_partition_summary *summary, struct ae_error *err)
{
    struct status status = {.partition = partition,
                            .telling = {.report = report, .context = context}};
    int rc = ae_journal_read(&status.journal, partition->name, err);

    if (rc && rc != -ENOENT)
        return rc;
    status.applied = rc == 0;
    status.irqbalance = ae_irqbalance_process();
    return finish(&status, summary, plan_and_tell(&status, err));
}

int ae_partition_level(const struct ae_partition *partition, enum ae_level *level,
                       struct ae_error *err)
{
    struct ae_evidence tick, domains, cpuset;
    struct ae_journal journal;
    int rc = ae_journal_read(&journal, partition->name, err);

    if (rc && rc != -ENOENT)
        return rc;
    *level = AE_LEVEL_NONE;
    if (rc)
        return 0;
    ae_knob_tick.effective(partition, &tick);
    ae_knob_boot_domains.effective(partition, &domains);
    ae_knob_cpuset.effective(partition, &cpuset);
    if (!journal.complete || journal.partial || journal.reverting ||
        (cpuset.answer != AE_ANSWER_YES && domains.answer != AE_ANSWER_YES))
        *level = AE_LEVEL_PARTIAL;
    else
        *level = tick.answer == AE_ANSWER_YES ? AE_LEVEL_BOOT : AE_LEVEL_RUN_TIME;
    ae_journal_close(&journal);
    return 0;
}

int ae_partition_enter(const char *name, int task, struct ae_error *err)
{
    char path[224], id[16];
    struct ae_cgroup cgroup;
    int rc = ae_partition_check_name(name, err);

    if (rc)
        return rc;
    if (ae_cgroup_find(&cgroup))
        return ae_error_set(err, -ENOENT, "no cgroup hierarchy with CPU sets is mounted");
    /* A v1 set takes single threads by another file. */
    snprintf(path, sizeof(path), "%s/aether-%s/%s", cgroup.path, name,
             cgroup.version == 2 ? "cgroup.procs" : "tasks");
    if (!ae_root_exists(path))
        return ae_error_set(err, -ENOENT,
                            "partition %s is not applied (no %s); run `aether partition apply %s`",
                            name, path, name);
    snprintf(id, sizeof(id), "%d", task);
    rc = ae_kernel.write(path, id);
    return rc ? ae_error_set(err, rc, "putting task %d into partition %s failed: %s%s", task, name,
                             strerror(-rc),
                             rc == -EACCES ? "; root may, and starts a user's program there by "
                                             "`aether run --user`"
                                           : "")
              : 0;
}
