/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "partition/apply.h"
#include "partition/irq.h"

void ae_apply_tell(struct ae_apply *apply, const struct ae_setting *setting,
                   enum ae_line_state state, const char *old_value, const char *new_value,
                   const char *note)
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

static int record_left(struct ae_apply *apply, const struct ae_setting *setting, const char *value)
{
    struct ae_journal_entry *entry =
        ae_journal_find(&apply->journal, setting->kind, setting->target);
    int rc = ae_journal_left(&apply->journal, entry, value);

    return rc ? rc : ae_journal_sync(&apply->journal);
}

/* The knob may know why. */
static void describe_short(const struct ae_apply *apply, const struct ae_setting *setting,
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
static int read_back(struct ae_apply *apply, const struct ae_setting *setting,
                     const char *old_value)
{
    char *now, note[448];
    int rc = ae_setting_read(setting->kind, setting->target, &now);

    if (rc == -ENOENT || rc == -ESRCH) {
        ae_apply_tell(apply, setting, AE_LINE_GONE, old_value, NULL, NULL);
        return 0;
    }
    if (rc)
        return rc;
    if (ae_setting_meets(setting->kind, now, setting->wanted)) {
        ae_apply_tell(apply, setting, AE_LINE_SET, old_value, now, NULL);
    } else {
        rc = record_left(apply, setting, now);
        if (setting->kind == AE_SETTING_IRQBALANCE) {
            ae_apply_tell(apply, setting, AE_LINE_DEFERRED, old_value, setting->wanted,
                          "irqbalance obeys at its next round");
        } else {
            describe_short(apply, setting, now, note, sizeof(note));
            ae_apply_tell(apply, setting, AE_LINE_SHORT, old_value, now, note);
        }
    }
    free(now);
    return rc;
}

/* It is silent there until that CPU submits I/O, which nothing on a quiet CPU does: no failure. */
static void tell_immovable(struct ae_apply *apply, const struct ae_setting *setting,
                           const char *now)
{
    char note[AE_IRQ_NOTE];

    ae_apply_tell(apply, setting, AE_LINE_IMMOVABLE, now, now,
                  ae_irq_immovable(setting->target, &apply->partition->quiet, note));
}

static int refused(struct ae_apply *apply, const struct ae_setting *setting, const char *old_value,
                   int why)
{
    if (why == -ESRCH) {
        ae_apply_tell(apply, setting, AE_LINE_GONE, old_value, NULL, NULL);
        return 0;
    }
    if (why == -EIO && ae_irq_is_target(setting->target)) {
        tell_immovable(apply, setting, old_value);
    } else if (ae_irq_is_target(setting->target)) {
        char note[320], name[128];

        snprintf(note, sizeof(note), "%s: %s", ae_irq_describe(setting->target, name, sizeof(name)),
                 ae_irq_reason(why));
        ae_apply_tell(apply, setting, AE_LINE_REFUSED, old_value, setting->wanted, note);
    } else {
        ae_apply_tell(apply, setting, AE_LINE_REFUSED, old_value, setting->wanted,
                      ae_setting_reason(setting->kind, why));
    }
    return record_left(apply, setting, old_value);
}

/* Intent first, on disk; then the kernel. */
static int change(struct ae_apply *apply, const struct ae_setting *setting, const char *old_value)
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
static int note_immovable(struct ae_apply *apply, const struct ae_setting *setting, const char *now)
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

int ae_apply_setting(struct ae_apply *apply, const struct ae_setting *setting)
{
    struct ae_journal_entry *entry =
        ae_journal_find(&apply->journal, setting->kind, setting->target);
    char *now;
    int rc = ae_setting_read(setting->kind, setting->target, &now);

    /* A task that ended; an interrupt whose card was taken a moment ago. */
    if (rc == -ESRCH || (rc == -ENOENT && setting->now)) {
        ae_apply_tell(apply, setting, AE_LINE_GONE, setting->now, NULL, NULL);
        return 0;
    }
    if (rc) {
        ae_apply_tell(apply, setting, AE_LINE_REFUSED, NULL, setting->wanted, strerror(-rc));
        return 0;
    }
    if (ae_setting_meets(setting->kind, now, setting->wanted)) {
        /* Ours to give back only if another partition passes it on to us. */
        if (!entry)
            rc = ae_journal_intent(&apply->journal, setting->knob->name, setting->kind,
                                   setting->target, now, now);
        ae_apply_tell(apply, setting, AE_LINE_OK, now, now, NULL);
    } else if (ae_irq_is_managed(setting->target)) {
        rc = note_immovable(apply, setting, now);
    } else if (entry && apply->was_complete && !apply->options->force &&
               !ae_setting_same(setting->kind, now, ours(entry))) {
        ae_apply_tell(apply, setting, AE_LINE_CONFLICT, now, setting->wanted,
                      "somebody else changed it since; --force overrides");
    } else {
        rc = change(apply, setting, now);
    }
    free(now);
    return rc;
}
