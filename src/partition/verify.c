/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "partition/counters.h"
#include "partition/evidence.h"
#include "partition/irq.h"
#include "partition/journal.h"
#include "partition/plan.h"
#include "partition/report.h"

struct verify {
    const struct ae_partition *partition;
    struct ae_plan plan;
    struct ae_journal journal; /* empty when the partition is not applied */
    struct ae_counters before, after;
    unsigned window_ms;
};

static const struct ae_plan_knob *slot_of(const struct ae_plan *plan, const struct ae_knob *knob)
{
    for (size_t i = 0; i < plan->knob_count; i++)
        if (plan->knobs[i].knob == knob)
            return &plan->knobs[i];
    return NULL;
}

/* Does the kernel let nobody move this interrupt? Its counts then tell whether it matters. */
static bool is_immovable(const struct verify *verify, const struct ae_setting *setting)
{
    const struct ae_journal_entry *entry =
        ae_journal_find(&verify->journal, setting->kind, setting->target);

    return ae_irq_is_managed(setting->target) ||
           (ae_irq_is_target(setting->target) && entry && entry->left && setting->now &&
            ae_setting_same(setting->kind, setting->now, entry->left));
}

static void read_back(const struct verify *verify, const struct ae_knob *knob,
                      struct ae_evidence *evidence)
{
    const struct ae_plan *plan = &verify->plan;
    const struct ae_setting *wrong = NULL;
    unsigned count = 0, bad = 0, immovable = 0;
    char kept[64] = "";

    for (size_t i = 0; i < plan->count; i++) {
        const struct ae_setting *setting = &plan->settings[i];

        if (setting->knob != knob)
            continue;
        count++;
        if (setting->now && ae_setting_meets(setting->kind, setting->now, setting->wanted))
            continue;
        if (is_immovable(verify, setting)) {
            immovable++;
            continue;
        }
        bad++;
        wrong = wrong ? wrong : setting;
    }
    if (immovable)
        snprintf(kept, sizeof(kept), ", %u that the kernel lets nobody move", immovable);
    if (count == 0)
        ae_evidence_set(evidence, AE_ANSWER_YES, "nothing has to be set");
    else if (wrong)
        ae_evidence_set(evidence, AE_ANSWER_NO, "%u of %u differ: %.120s is %.40s, not %.40s", bad,
                        count, wrong->target, wrong->now ? wrong->now : "not there", wrong->wanted);
    else
        ae_evidence_set(evidence, AE_ANSWER_YES, "%u of %u read back as wanted%s",
                        count - immovable, count, kept);
}

/* Does a word of a row's counters mean this counter? "irq:#" means all that have a number. */
static bool matches(const char *word, size_t length, const char *name)
{
    if (length == strlen("irq:#") && strncmp(word, "irq:#", length) == 0)
        return strncmp(name, "irq:", 4) == 0 && name[4] >= '0' && name[4] <= '9';
    return strlen(name) == length && strncmp(word, name, length) == 0;
}

/* Adds what one word of a row counted to the text; returns false when no such counter exists. */
static bool add_counter(const struct verify *verify, const char *word, size_t length,
                        uint64_t *moved, char *text, size_t size)
{
    bool seen = false;

    for (size_t i = 0; i < verify->after.count; i++) {
        const struct ae_counter *after = &verify->after.items[i];
        size_t used = strlen(text);
        uint64_t delta;

        if (!matches(word, length, after->name))
            continue;
        seen = true;
        ae_counters_growth(&verify->before, after, &delta);
        *moved += delta;
        if (delta || word[length - 1] != '#')
            snprintf(text + used, size - used, "%s%s +%llu", used ? ", " : "", after->name,
                     (unsigned long long)delta);
    }
    return seen;
}

static void stands_still(const struct verify *verify, const struct ae_knob *knob,
                         struct ae_evidence *evidence)
{
    char text[200] = "", missing[64] = "";
    uint64_t moved = 0;

    for (const char *word = knob->counters; *word; word += strspn(word, " ")) {
        size_t length = strcspn(word, " ");

        if (!add_counter(verify, word, length, &moved, text, sizeof(text)))
            snprintf(missing, sizeof(missing), "%.*s", (int)length, word);
        word += length;
    }
    if (moved)
        ae_evidence_set(evidence, AE_ANSWER_NO, "%s in %u ms", text, verify->window_ms);
    else if (missing[0] && !text[0])
        ae_evidence_set(evidence, AE_ANSWER_UNSEEN, "this kernel does not count %s", missing);
    else
        ae_evidence_set(evidence, AE_ANSWER_YES, "%s in %u ms%s%s",
                        text[0] ? text : "nothing counted", verify->window_ms,
                        missing[0] ? "; not counted here: " : "", missing);
}

static void judge(const struct verify *verify, const struct ae_knob *knob,
                  struct ae_knob_evidence *evidence)
{
    const struct ae_plan_knob *slot = slot_of(&verify->plan, knob);

    *evidence =
        (struct ae_knob_evidence){.knob = knob->name, .tier = knob->boot ? "boot" : "run-time"};
    if (slot && slot->state != AE_LINE_OK) {
        enum ae_answer answer = slot->state == AE_LINE_OFF ? AE_ANSWER_OFF : AE_ANSWER_ABSENT;

        ae_evidence_set(&evidence->accepted, answer, "%s",
                        slot->note[0] ? slot->note : "not asked for");
        evidence->effective = evidence->quiet = evidence->accepted;
        return;
    }
    if (knob->accepted)
        knob->accepted(verify->partition, &evidence->accepted);
    else
        read_back(verify, knob, &evidence->accepted);
    if (knob->effective)
        knob->effective(verify->partition, &evidence->effective);
    else
        evidence->effective = evidence->accepted;
    if (knob->counters)
        stands_still(verify, knob, &evidence->quiet);
    else
        ae_evidence_set(&evidence->quiet, AE_ANSWER_UNSEEN, "%s", knob->unseen);
}

static int measure(struct verify *verify, struct ae_error *err)
{
    const struct timespec window = {.tv_sec = verify->window_ms / 1000,
                                    .tv_nsec = (long)(verify->window_ms % 1000) * 1000000};
    int rc = ae_counters_read(&verify->before, &verify->partition->quiet);

    if (!rc) {
        nanosleep(&window, NULL);
        rc = ae_counters_read(&verify->after, &verify->partition->quiet);
    }
    return rc ? ae_error_set(err, rc, "reading the counters of the quiet CPUs failed: %s",
                             strerror(-rc))
              : 0;
}

int ae_partition_verify(const struct ae_partition *partition, unsigned window_ms,
                        void (*report)(const struct ae_knob_evidence *evidence, void *context),
                        void *context, bool *quiet, struct ae_error *err)
{
    struct verify verify = {.partition = partition, .window_ms = window_ms ? window_ms : 1000};
    const struct ae_knob *knob;
    int rc = ae_journal_read(&verify.journal, partition->name, err);

    if (!rc || rc == -ENOENT)
        rc = ae_plan_make(&verify.plan, partition, err);
    if (!rc)
        rc = measure(&verify, err);
    *quiet = !rc;
    for (size_t row = 0; !rc && (knob = ae_knob_row(row)); row++) {
        struct ae_knob_evidence evidence;

        judge(&verify, knob, &evidence);
        if (evidence.accepted.answer == AE_ANSWER_NO || evidence.effective.answer == AE_ANSWER_NO ||
            evidence.quiet.answer == AE_ANSWER_NO)
            *quiet = false;
        if (report)
            report(&evidence, context);
    }
    ae_counters_free(&verify.before);
    ae_counters_free(&verify.after);
    ae_plan_free(&verify.plan);
    ae_journal_close(&verify.journal);
    return rc;
}
