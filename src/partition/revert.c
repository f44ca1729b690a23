/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/revert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"
#include "partition/journal.h"
#include "partition/names.h"
#include "partition/task.h"

struct revert {
    const struct ae_revert_options *options;
    struct ae_telling *telling;
    struct ae_journal journal;
    struct ae_journal *others; /* of partitions that stay */
    size_t other_count;
    unsigned failures, conflicts;
    char trouble[160]; /* the first failure */
};

static void tell(struct revert *revert, const struct ae_journal_entry *entry,
                 enum ae_line_state state, const char *was, const char *is, const char *note)
{
    if ((state == AE_LINE_REFUSED || state == AE_LINE_SHORT) && revert->failures++ == 0)
        snprintf(revert->trouble, sizeof(revert->trouble), "%.100s: %s", entry->target,
                 note ? note : "");
    revert->conflicts += state == AE_LINE_CONFLICT;
    ae_tell(revert->telling, &(struct ae_partition_line){.knob = entry->knob,
                                                         .state = state,
                                                         .target = entry->target,
                                                         .old_value = was,
                                                         .new_value = is,
                                                         .note = note});
}

static bool is_same(const struct ae_journal_entry *entry, const char *value, const char *other)
{
    return ae_setting_same(entry->kind, value, other);
}

/* Nothing was written, and nothing of ours can have changed it on the way. Task affinities can:
 * CPU sets coming and going rewrites them. */
static bool untouched(const struct ae_journal_entry *entry)
{
    return entry->kind != AE_SETTING_TASK && !entry->left &&
           is_same(entry, entry->old_value, entry->new_value);
}

/*
 * Is the value neither what it was nor what Aether made of it? After an apply that was cut short,
 * the newest write may have been turned into something else by the kernel before that could be
 * recorded, and affinities may be on their way: those are ours.
 */
static bool somebody_elses(const struct revert *revert, const struct ae_journal_entry *entry,
                           const char *now)
{
    const struct ae_journal *journal = &revert->journal;

    if (!journal->complete &&
        (entry->kind == AE_SETTING_TASK || entry == &journal->entries[journal->last]))
        return false;
    return !is_same(entry, now, entry->old_value) && !is_same(entry, now, entry->new_value) &&
           !(entry->left && is_same(entry, now, entry->left));
}

/* Looks once, before the first undo, which itself changes values; a second revert trusts the
 * first. */
static int find_conflicts(struct revert *revert)
{
    struct ae_journal *journal = &revert->journal;
    int rc = 0;

    for (size_t i = 0; !rc && i < journal->count; i++) {
        struct ae_journal_entry *entry = &journal->entries[i];
        char *now;

        if (untouched(entry) || ae_setting_read(entry->kind, entry->target, &now))
            continue;
        if (somebody_elses(revert, entry, now)) {
            if (revert->options->dry_run)
                entry->conflict = true;
            else
                rc = ae_journal_conflict(journal, entry);
        }
        free(now);
    }
    return rc;
}

/* Another partition needs the setting as it is: it now owes the old value. `heir` is its entry. */
static int pass_on(struct revert *revert, const struct ae_journal_entry *entry,
                   const struct ae_journal_entry **heir)
{
    *heir = NULL;
    for (size_t i = 0; i < revert->other_count; i++) {
        struct ae_journal *other = &revert->others[i];
        struct ae_journal_entry *theirs = ae_journal_find(other, entry->kind, entry->target);
        int rc = 0;

        if (!theirs)
            continue;
        *heir = theirs;
        /* If it applied after us, its old value is one that we made. */
        if (!revert->options->dry_run && !is_same(entry, theirs->old_value, entry->old_value) &&
            is_same(entry, theirs->old_value, entry->new_value))
            rc = ae_journal_inherit(other, theirs, entry->old_value);
        return rc ? rc : revert->options->dry_run ? 0 : ae_journal_sync(other);
    }
    return 0;
}

static void restore(struct revert *revert, const struct ae_journal_entry *entry, const char *was)
{
    char *now = NULL;
    int rc = 0;

    if (!revert->options->dry_run)
        rc = ae_setting_write(entry->kind, entry->target, entry->old_value);
    ae_journal_step();
    if (revert->options->dry_run)
        tell(revert, entry, AE_LINE_CHANGE, was, entry->old_value, NULL);
    else if (rc == -ENOENT || rc == -ESRCH)
        tell(revert, entry, AE_LINE_GONE, was, NULL, NULL);
    else if (rc)
        tell(revert, entry, AE_LINE_REFUSED, was, entry->old_value,
             ae_setting_reason(entry->kind, rc));
    else if (ae_setting_read(entry->kind, entry->target, &now))
        tell(revert, entry, AE_LINE_RESTORED, was, entry->old_value, NULL);
    else if (is_same(entry, now, entry->old_value) || entry->kind == AE_SETTING_IRQBALANCE)
        tell(revert, entry, AE_LINE_RESTORED, was, now, NULL);
    else
        tell(revert, entry, AE_LINE_SHORT, was, now, "the kernel made this of the old value");
    free(now);
}

static int undo(struct revert *revert, const struct ae_journal_entry *entry)
{
    const struct ae_journal_entry *heir;
    struct ae_journal_entry aim = *entry;
    char *now;
    int rc = pass_on(revert, entry, &heir);

    if (rc || (untouched(entry) && !heir))
        return rc;
    if (heir)
        aim.old_value = heir->left ? heir->left : heir->new_value;
    rc = ae_setting_read(entry->kind, entry->target, &now);
    if (rc == -ENOENT || rc == -ESRCH)
        return 0;
    if (rc) {
        tell(revert, entry, AE_LINE_REFUSED, NULL, aim.old_value, strerror(-rc));
        return 0;
    }
    if (is_same(entry, now, aim.old_value)) {
        tell(revert, entry, AE_LINE_OK, now, now,
             heir ? "another partition needs it, and will restore it" : NULL);
    } else if (entry->conflict && !revert->options->force) {
        tell(revert, entry, AE_LINE_CONFLICT, now, aim.old_value,
             "somebody else changed it since; left alone");
    } else if (!heir || entry->kind == AE_SETTING_TASK) {
        /* A CPU set's going may have widened an affinity that the other partition made. */
        restore(revert, &aim, now);
    }
    free(now);
    return 0;
}

/* CPU sets first, affinities last: while a CPU belongs to a partition no task can be given it. */
static int undo_all(struct revert *revert)
{
    struct ae_journal *journal = &revert->journal;
    int rc = 0;

    for (size_t i = journal->count; !rc && i-- > 0;)
        if (journal->entries[i].kind != AE_SETTING_TASK)
            rc = undo(revert, &journal->entries[i]);
    for (size_t i = journal->count; !rc && i-- > 0;)
        if (journal->entries[i].kind == AE_SETTING_TASK)
            rc = undo(revert, &journal->entries[i]);
    return rc;
}

static const struct ae_journal_entry *entry_of(const struct revert *revert,
                                               const struct ae_task *task)
{
    char target[48];

    snprintf(target, sizeof(target), "%d:%llu", task->id, (unsigned long long)task->start);
    return ae_journal_find(&revert->journal, AE_SETTING_TASK, target);
}

/* The record of the nearest task this one descends from: its process, its parent, and so on. */
static const struct ae_journal_entry *ancestor(const struct revert *revert,
                                               const struct ae_task *task)
{
    struct ae_task walker = *task;

    for (int depth = 0; depth < 64; depth++) {
        pid_t next = walker.id != walker.process ? walker.process : walker.parent;
        const struct ae_journal_entry *entry;

        if (next <= 0 || ae_task_read(&walker, next))
            return NULL;
        entry = entry_of(revert, &walker);
        if (entry)
            return entry;
    }
    return NULL;
}

/*
 * A task born since the apply has the narrow affinity of the one it was born of, and would keep it,
 * or be given all CPUs by a CPU set that goes. It gets a record of its own, and is then undone like
 * the others: what its ancestor had if it has what its ancestor was given, else what it has.
 */
static int adopt(const struct ae_task *task, void *context)
{
    struct revert *revert = context;
    const struct ae_journal_entry *entry, *heir;
    char target[48], now[AE_CPUS_TEXT];
    bool narrowed;
    int rc;

    if (task->immovable || entry_of(revert, task) ||
        ae_task_in_partition(task->id, revert->journal.name))
        return 0;
    entry = ancestor(revert, task);
    if (!entry || ae_cpus_format(&task->allowed, now, sizeof(now)) < 0)
        return 0;
    rc = pass_on(revert, entry, &heir);
    if (rc)
        return rc;
    narrowed = !heir && is_same(entry, now, entry->new_value);
    snprintf(target, sizeof(target), "%d:%llu", task->id, (unsigned long long)task->start);
    return ae_journal_intent(&revert->journal, entry->knob, AE_SETTING_TASK, target,
                             narrowed ? entry->old_value : now, now);
}

/* A process in the CPU set would be left with nowhere to run, and keeps the set from going. */
static int check_empty(const struct revert *revert, struct ae_error *err)
{
    for (size_t i = 0; i < revert->journal.count; i++) {
        const struct ae_journal_entry *entry = &revert->journal.entries[i];
        char path[320], *text;
        ssize_t length;

        if (entry->kind != AE_SETTING_DIRECTORY)
            continue;
        snprintf(path, sizeof(path), "%.280s/cgroup.procs", entry->target);
        length = ae_root_read_all(path, &text);
        if (length < 0)
            continue;
        text[strcspn(text, "\n")] = '\0';
        if (text[0])
            ae_error_set(err, -EBUSY,
                         "process %s (and perhaps more, see %s) runs in partition %s; stop it "
                         "first",
                         text, path, revert->journal.name);
        length = text[0] ? -EBUSY : 0;
        free(text);
        if (length)
            return -EBUSY;
    }
    return 0;
}

static int open_other(const char *name, void *context)
{
    struct revert *revert = context;
    struct ae_journal *bigger, journal;

    if (strcmp(name, revert->journal.name) == 0 || ae_journal_read(&journal, name, NULL))
        return 0;
    ae_journal_close(&journal);
    bigger = realloc(revert->others, (revert->other_count + 1) * sizeof(*bigger));
    if (!bigger)
        return -ENOMEM;
    revert->others = bigger;
    if (ae_journal_open(&bigger[revert->other_count], name, "", NULL) == 0)
        revert->other_count++;
    return 0;
}

static int conclude(struct revert *revert, struct ae_error *err)
{
    const char *name = revert->journal.name;
    int rc;

    if (revert->options->dry_run)
        return 0;
    if (revert->failures)
        return ae_error_set(err, -EIO,
                            "reverting partition %s: %u old values could not be restored, first "
                            "%s; the journal stays, try again",
                            name, revert->failures, revert->trouble);
    if (revert->conflicts && !revert->options->leave)
        return ae_error_set(err, -EEXIST,
                            "reverting partition %s: somebody else changed %u settings since; "
                            "they were left alone. --force restores their old values, --leave "
                            "forgets about them",
                            name, revert->conflicts);
    ae_journal_step();
    rc = ae_journal_remove(&revert->journal);
    return rc ? ae_error_set(err, rc, "removing the journal of partition %s failed: %s", name,
                             strerror(-rc))
              : 0;
}

/* What must be known before the first undo changes it, and still after a crash in the middle. */
static int prepare(struct revert *revert)
{
    int rc = find_conflicts(revert);

    if (rc || revert->options->dry_run)
        return rc;
    if (revert->journal.recorded)
        rc = ae_task_each(adopt, revert);
    return rc ? rc : ae_journal_mark(&revert->journal, "revert");
}

/* Restoring a setting may start a kernel thread (khugepaged), while its parent was still narrow. */
static int undo_latecomers(struct revert *revert)
{
    size_t from = revert->journal.count;
    int rc;

    if (revert->options->dry_run || !revert->journal.recorded)
        return 0;
    rc = ae_task_each(adopt, revert);
    for (size_t i = from; !rc && i < revert->journal.count; i++) {
        const struct ae_journal_entry entry = revert->journal.entries[i];

        rc = undo(revert, &entry);
    }
    return rc;
}

static int work(struct revert *revert, struct ae_error *err)
{
    int rc = check_empty(revert, err);

    if (rc)
        return rc;
    rc = ae_partition_each_name(open_other, revert);
    if (!rc && !revert->journal.reverting)
        rc = prepare(revert);
    if (!rc)
        rc = undo_all(revert);
    if (!rc)
        rc = undo_latecomers(revert);
    return rc ? ae_error_set(err, rc, "reverting partition %s stopped in the middle: %s; try again",
                             revert->journal.name, strerror(-rc))
              : conclude(revert, err);
}

int ae_revert_locked(const char *name, const struct ae_revert_options *options,
                     struct ae_telling *telling, struct ae_error *err)
{
    struct revert revert = {.options = options, .telling = telling};
    int rc = ae_journal_read(&revert.journal, name, err);

    if (rc == -ENOENT)
        return ae_error_set(err, rc, "partition %s is not applied: it has no journal of this boot",
                            name);
    if (!rc && !options->dry_run) {
        ae_journal_close(&revert.journal);
        rc = ae_journal_open(&revert.journal, name, "", err);
    }
    if (rc)
        return rc;
    rc = work(&revert, err);
    for (size_t i = 0; i < revert.other_count; i++)
        ae_journal_close(&revert.others[i]);
    free(revert.others);
    ae_journal_close(&revert.journal);
    return rc;
}

int ae_partition_revert(const char *name, const struct ae_revert_options *options,
                        ae_partition_report report, void *context,
                        struct ae_partition_summary *summary, struct ae_error *err)
{
    static const struct ae_revert_options plain;
    struct ae_telling telling = {.report = report, .context = context};
    int lock, rc = ae_partition_check_name(name, err);

    if (rc)
        return rc;
    lock = ae_journal_lock(err);
    if (lock < 0)
        return lock;
    rc = ae_revert_locked(name, options ? options : &plain, &telling, err);
    close(lock);
    if (summary)
        *summary = telling.summary;
    return rc;
}
