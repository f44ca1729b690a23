/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "partition/apply.h"
#include "partition/irq.h"
#include "partition/knobs/rows.h"
#include "partition/revert.h"

/* Tasks are born while others are moved; sweeps stop when one finds no newcomer. */
#define SWEEPS 10

/* After an apply that was cut short, what a task may have is seen in the journal, not on the task:
 * the CPU set may have rewritten it in between. */
static int plan_from_journal(struct ae_apply *apply, struct ae_setting *setting,
                             const struct ae_journal_entry *entry)
{
    char *wanted;
    int rc = ae_plan_without_quiet(apply->partition, setting->kind, entry->old_value, &wanted);

    if (rc)
        return rc;
    free(setting->wanted);
    setting->wanted = wanted;
    return 0;
}

/* The affinities before any of our writes: giving CPUs to a partition changes them on its own. */
static int record_tasks(struct ae_apply *apply, size_t from)
{
    int rc = 0;

    for (size_t i = from; !rc && i < apply->plan.count; i++) {
        struct ae_setting *setting = &apply->plan.settings[i];
        const struct ae_journal_entry *entry;

        if (setting->kind != AE_SETTING_TASK || !setting->now)
            continue;
        entry = ae_journal_find(&apply->journal, setting->kind, setting->target);
        if (!entry)
            rc = ae_journal_intent(&apply->journal, setting->knob->name, setting->kind,
                                   setting->target, setting->now, setting->wanted);
        else if (!apply->was_complete)
            rc = plan_from_journal(apply, setting, entry);
    }
    return rc ? rc : ae_journal_sync(&apply->journal);
}

static int apply_from(struct ae_apply *apply, size_t from)
{
    int rc = 0;

    for (size_t i = from; !rc && i < apply->plan.count; i++)
        rc = ae_apply_setting(apply, &apply->plan.settings[i]);
    return rc;
}

static int sweep_newcomers(struct ae_apply *apply)
{
    int rc = 0;

    if (!ae_knob_wanted(&ae_knob_tasks, apply->partition))
        return 0;
    apply->plan.current = &ae_knob_tasks;
    for (int sweep = 0; !rc && sweep < SWEEPS; sweep++) {
        size_t from = apply->plan.count;

        rc = ae_plan_add_tasks(&apply->plan, apply->partition);
        if (rc || apply->plan.count == from)
            break;
        rc = record_tasks(apply, from);
        if (!rc)
            rc = apply_from(apply, from);
    }
    return rc;
}

/* An interrupt moves when it fires next; what has not by the deadline is named. */
static void drain(struct ae_apply *apply)
{
    unsigned left = apply->options->drain_ms ? apply->options->drain_ms : 2000;
    const struct timespec pace = {.tv_nsec = 10 * 1000 * 1000};

    for (size_t i = 0; i < apply->plan.count; i++) {
        const struct ae_setting *setting = &apply->plan.settings[i];
        struct ae_journal_entry *entry =
            ae_journal_find(&apply->journal, setting->kind, setting->target);

        if (!ae_irq_is_target(setting->target) || (entry && entry->left) ||
            ae_irq_is_managed(setting->target))
            continue;
        while (ae_irq_is_here(setting->target, &apply->partition->quiet) && left >= 10) {
            nanosleep(&pace, NULL);
            left -= 10;
        }
        if (ae_irq_is_here(setting->target, &apply->partition->quiet))
            ae_apply_tell(apply, setting, AE_LINE_DEFERRED, NULL, setting->wanted,
                          "it still goes to a quiet CPU, and moves when it fires there once more");
    }
}

/* The first knob that a partition cannot be without and this machine does not have, or NULL. */
static const struct ae_plan_knob *lacking(const struct ae_apply *apply)
{
    for (size_t i = 0; i < apply->plan.knob_count; i++) {
        const struct ae_plan_knob *slot = &apply->plan.knobs[i];

        if (slot->knob->essential && slot->state == AE_LINE_ABSENT)
            return slot;
    }
    return NULL;
}

static int check_essential(const struct ae_apply *apply, struct ae_error *err)
{
    const struct ae_plan_knob *slot = lacking(apply);

    if (!slot || apply->options->partial)
        return 0;
    return ae_error_set(err, -ENOTSUP,
                        "partition %s: knob %s is absent here: %s; --partial does without it",
                        apply->partition->name, slot->knob->name, slot->note);
}

static int open_journal(struct ae_apply *apply, struct ae_error *err)
{
    char quiet[AE_CPUS_TEXT];
    int rc;

    if (ae_cpus_format(&apply->partition->quiet, quiet, sizeof(quiet)) < 0)
        return ae_error_set(err, -ENOSPC, "the list of quiet CPUs is too long");
    rc = ae_journal_open(&apply->journal, apply->partition->name, quiet, err);
    if (rc)
        return rc;
    if (apply->journal.reverting)
        return ae_error_set(err, -ESTALE,
                            "a revert of partition %s did not get to its end; run `aether "
                            "partition revert %s` first",
                            apply->partition->name, apply->partition->name);
    if (!ae_setting_same(AE_SETTING_LIST, apply->journal.quiet, quiet))
        return ae_error_set(err, -ESTALE,
                            "partition %s is applied to CPUs %s and its file says %s now; run "
                            "`aether partition revert %s` first",
                            apply->partition->name, apply->journal.quiet, quiet,
                            apply->partition->name);
    apply->first = apply->journal.count == 0;
    apply->was_complete = apply->journal.complete;
    return 0;
}

static int work(struct ae_apply *apply)
{
    int rc = ae_journal_mark(&apply->journal, "begin");

    if (!rc)
        rc = record_tasks(apply, 0);
    if (!rc && !apply->journal.recorded)
        rc = ae_journal_mark(&apply->journal, "recorded");
    if (!rc)
        rc = apply_from(apply, 0);
    if (!rc)
        rc = sweep_newcomers(apply);
    if (rc)
        return rc;
    drain(apply);
    if (apply->troubles && !apply->options->partial && apply->first)
        return 0; /* it will be undone */
    return ae_journal_mark(&apply->journal,
                           apply->troubles || lacking(apply) ? "partial" : "complete");
}

/* The lock is held; a first apply that failed leaves nothing behind. */
static int conclude(struct ae_apply *apply, struct ae_error *err)
{
    const struct ae_revert_options options = {.force = true};
    struct ae_error why = {.text = ""};
    int rc;

    if (apply->troubles && !apply->options->partial) {
        if (!apply->first)
            return ae_error_set(err, -EPERM,
                                "partition %s: %u settings could not be made, first %s; the rest "
                                "stands",
                                apply->partition->name, apply->troubles, apply->trouble);
        ae_journal_close(&apply->journal);
        rc = ae_revert_locked(apply->partition->name, &options, &apply->telling, &why);
        if (rc)
            return ae_error_set(err, rc, "partition %s: %s; undoing it failed as well: %.300s",
                                apply->partition->name, apply->trouble, why.text);
        return ae_error_set(err, -EPERM,
                            "partition %s: %u settings could not be made, first %s; everything "
                            "was undone; --partial keeps what can be done",
                            apply->partition->name, apply->troubles, apply->trouble);
    }
    if (apply->conflicts)
        return ae_error_set(err, -EEXIST,
                            "partition %s: somebody else changed %u settings since the last "
                            "apply; they were left alone, --force overrides",
                            apply->partition->name, apply->conflicts);
    return 0;
}

static int apply_locked(struct ae_apply *apply, struct ae_error *err)
{
    int rc = ae_plan_make(&apply->plan, apply->partition, err);

    if (!rc)
        rc = check_essential(apply, err);
    if (!rc)
        rc = open_journal(apply, err);
    if (rc)
        return rc;
    ae_tell_missing(&apply->telling, &apply->plan);
    rc = work(apply);
    if (rc)
        return ae_error_set(err, rc,
                            "partition %s: applying stopped in the middle: %s; run `aether "
                            "partition revert %s`",
                            apply->partition->name, strerror(-rc), apply->partition->name);
    return conclude(apply, err);
}

int ae_partition_apply(const struct ae_partition *partition, const struct ae_apply_options *options,
                       ae_partition_report report, void *context,
                       struct ae_partition_summary *summary, struct ae_error *err)
{
    static const struct ae_apply_options plain;
    struct ae_apply apply = {.partition = partition,
                             .options = options ? options : &plain,
                             .telling = {.report = report, .context = context},
                             .journal = {.fd = -1}};
    int lock = ae_journal_lock(err), rc;

    if (lock < 0)
        return lock;
    rc = apply_locked(&apply, err);
    ae_journal_close(&apply.journal);
    ae_plan_free(&apply.plan);
    close(lock);
    if (summary)
        *summary = apply.telling.summary;
    return rc;
}
