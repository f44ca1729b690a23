/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "partition/irq.h"
#include "partition/journal.h"
#include "partition/knobs/rows.h"
#include "partition/plan.h"
#include "partition/report.h"
#include "partition/revert.h"

/* Tasks are born while others are moved; sweeps stop when one finds no newcomer. */
#define SWEEPS 10

struct apply {
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

static void tell(struct apply *apply, const struct ae_setting *setting, enum ae_line_state state,
                 const char *old_value, const char *new_value, const char *note)
{
    bool failed = state == AE_LINE_REFUSED || state == AE_LINE_SHORT;

    if (failed && apply->troubles++ == 0)
        snprintf(apply->trouble, sizeof(apply->trouble), "%s: %.100s: %.300s", setting->knob->name,
                 setting->target, note ? note : ae_line_state_name(state));
    apply->conflicts += state == AE_LINE_CONFLICT;
    ae_tell(&apply->telling, &(struct ae_partition_line){.knob = setting->knob->name,
                                                         .state = state,
                                                         .target = setting->target,
                                                         .old_value = old_value,
                                                         .new_value = new_value,
                                                         .note = note});
}

/* The value that Aether left behind the last time it touched the setting. */
static const char *ours(const struct ae_journal_entry *entry)
{
    return entry->left ? entry->left : entry->new_value;
}

static int record_left(struct apply *apply, const struct ae_setting *setting, const char *value)
{
    struct ae_journal_entry *entry =
        ae_journal_find(&apply->journal, setting->kind, setting->target);
    int rc = ae_journal_left(&apply->journal, entry, value);

    return rc ? rc : ae_journal_sync(&apply->journal);
}

/* The knob may know why. */
static void describe_short(const struct apply *apply, const struct ae_setting *setting,
                           const char *now, char *note, size_t size)
{
    struct ae_evidence evidence = {.answer = AE_ANSWER_YES};

    if (setting->knob->effective)
        setting->knob->effective(apply->partition, &evidence);
    snprintf(note, size, "it reads \"%.100s\", not \"%.30s\"%s%s", now, setting->wanted,
             evidence.answer == AE_ANSWER_NO ? "; " : "",
             evidence.answer == AE_ANSWER_NO ? evidence.detail : "");
}

/* What the kernel made of a write that it accepted. */
static int read_back(struct apply *apply, const struct ae_setting *setting, const char *old_value)
{
    char *now, note[448];
    int rc = ae_setting_read(setting->kind, setting->target, &now);

    if (rc == -ENOENT || rc == -ESRCH) {
        tell(apply, setting, AE_LINE_GONE, old_value, NULL, NULL);
        return 0;
    }
    if (rc)
        return rc;
    if (ae_setting_meets(setting->kind, now, setting->wanted)) {
        tell(apply, setting, AE_LINE_SET, old_value, now, NULL);
    } else {
        rc = record_left(apply, setting, now);
        if (setting->kind == AE_SETTING_IRQBALANCE) {
            tell(apply, setting, AE_LINE_DEFERRED, old_value, setting->wanted,
                 "irqbalance obeys at its next round");
        } else {
            describe_short(apply, setting, now, note, sizeof(note));
            tell(apply, setting, AE_LINE_SHORT, old_value, now, note);
        }
    }
    free(now);
    return rc;
}

/* It is silent there until that CPU submits I/O, which nothing on a quiet CPU does: no failure. */
static void tell_immovable(struct apply *apply, const struct ae_setting *setting, const char *now)
{
    char note[AE_IRQ_NOTE];

    tell(apply, setting, AE_LINE_IMMOVABLE, now, now,
         ae_irq_immovable(setting->target, &apply->partition->quiet, note));
}

static int refused(struct apply *apply, const struct ae_setting *setting, const char *old_value,
                   int why)
{
    if (why == -ESRCH) {
        tell(apply, setting, AE_LINE_GONE, old_value, NULL, NULL);
        return 0;
    }
    if (why == -EIO && ae_irq_is_target(setting->target)) {
        tell_immovable(apply, setting, old_value);
    } else if (ae_irq_is_target(setting->target)) {
        char note[320], name[128];

        snprintf(note, sizeof(note), "%s: %s", ae_irq_describe(setting->target, name, sizeof(name)),
                 ae_irq_reason(why));
        tell(apply, setting, AE_LINE_REFUSED, old_value, setting->wanted, note);
    } else {
        tell(apply, setting, AE_LINE_REFUSED, old_value, setting->wanted,
             ae_setting_reason(setting->kind, why));
    }
    return record_left(apply, setting, old_value);
}

/* Intent first, on disk; then the kernel. */
static int change(struct apply *apply, const struct ae_setting *setting, const char *old_value)
{
    struct ae_journal_entry *entry =
        ae_journal_find(&apply->journal, setting->kind, setting->target);
    int rc = 0;

    if (!entry || entry->left || !ae_setting_same(setting->kind, entry->new_value, setting->wanted))
        rc = ae_journal_intent(&apply->journal, setting->knob->name, setting->kind, setting->target,
                               old_value, setting->wanted);
    if (!rc)
        rc = ae_journal_sync(&apply->journal);
    if (rc)
        return rc;
    rc = ae_setting_write(setting->kind, setting->target, setting->wanted);
    ae_journal_step();
    return rc ? refused(apply, setting, old_value, rc) : read_back(apply, setting, old_value);
}

/* Without trying; but for the journal, where workers look for such interrupts, as if it had been
 * tried. */
static int note_immovable(struct apply *apply, const struct ae_setting *setting, const char *now)
{
    int rc = 0;

    if (!ae_journal_find(&apply->journal, setting->kind, setting->target))
        rc = ae_journal_intent(&apply->journal, setting->knob->name, setting->kind, setting->target,
                               now, setting->wanted);
    if (!rc)
        rc = record_left(apply, setting, now);
    tell_immovable(apply, setting, now);
    return rc;
}

static int apply_setting(struct apply *apply, const struct ae_setting *setting)
{
    struct ae_journal_entry *entry =
        ae_journal_find(&apply->journal, setting->kind, setting->target);
    char *now;
    int rc = ae_setting_read(setting->kind, setting->target, &now);

    /* A task that ended; an interrupt whose card was taken a moment ago. */
    if (rc == -ESRCH || (rc == -ENOENT && setting->now)) {
        tell(apply, setting, AE_LINE_GONE, setting->now, NULL, NULL);
        return 0;
    }
    if (rc) {
        tell(apply, setting, AE_LINE_REFUSED, NULL, setting->wanted, strerror(-rc));
        return 0;
    }
    if (ae_setting_meets(setting->kind, now, setting->wanted)) {
        /* Ours to give back only if another partition passes it on to us. */
        if (!entry)
            rc = ae_journal_intent(&apply->journal, setting->knob->name, setting->kind,
                                   setting->target, now, now);
        tell(apply, setting, AE_LINE_OK, now, now, NULL);
    } else if (ae_irq_is_managed(setting->target)) {
        rc = note_immovable(apply, setting, now);
    } else if (entry && apply->was_complete && !apply->options->force &&
               !ae_setting_same(setting->kind, now, ours(entry))) {
        tell(apply, setting, AE_LINE_CONFLICT, now, setting->wanted,
             "somebody else changed it since; --force overrides");
    } else {
        rc = change(apply, setting, now);
    }
    free(now);
    return rc;
}

/* After an apply that was cut short, what a task may have is seen in the journal, not on the task:
 * the CPU set may have rewritten it in between. */
static int plan_from_journal(struct apply *apply, struct ae_setting *setting,
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
static int record_tasks(struct apply *apply, size_t from)
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

static int apply_from(struct apply *apply, size_t from)
{
    int rc = 0;

    for (size_t i = from; !rc && i < apply->plan.count; i++)
        rc = apply_setting(apply, &apply->plan.settings[i]);
    return rc;
}

static int sweep_newcomers(struct apply *apply)
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
static void drain(struct apply *apply)
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
            tell(apply, setting, AE_LINE_DEFERRED, NULL, setting->wanted,
                 "it still goes to a quiet CPU, and moves when it fires there once more");
    }
}

/* The first knob that a partition cannot be without and this machine does not have, or NULL. */
static const struct ae_plan_knob *lacking(const struct apply *apply)
{
    for (size_t i = 0; i < apply->plan.knob_count; i++) {
        const struct ae_plan_knob *slot = &apply->plan.knobs[i];

        if (slot->knob->essential && slot->state == AE_LINE_ABSENT)
            return slot;
    }
    return NULL;
}

static int check_essential(const struct apply *apply, struct ae_error *err)
{
    const struct ae_plan_knob *slot = lacking(apply);

    if (!slot || apply->options->partial)
        return 0;
    return ae_error_set(err, -ENOTSUP,
                        "partition %s: knob %s is absent here: %s; --partial does without it",
                        apply->partition->name, slot->knob->name, slot->note);
}

static int open_journal(struct apply *apply, struct ae_error *err)
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

static int work(struct apply *apply)
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
static int conclude(struct apply *apply, struct ae_error *err)
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

static int apply_locked(struct apply *apply, struct ae_error *err)
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
    struct apply apply = {.partition = partition,
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
