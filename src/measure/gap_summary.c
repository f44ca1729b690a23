/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/gap_summary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aether/clock.h>

/* RDTSC is not serialising: this far apart a reading and an event may seem swapped. */
#define SLACK_NS 100

static uint64_t length_of(const struct ae_gap *gap)
{
    return gap->end - gap->start;
}

static struct ae_gap_cause *find_cause(struct ae_gap_summary *summary,
                                       enum ae_attribution attribution, const char *text)
{
    struct ae_gap_cause *cause;

    for (unsigned i = 0; i < summary->cause_count; i++)
        if (summary->causes[i].attribution == attribution &&
            strcmp(summary->causes[i].text, text) == 0)
            return &summary->causes[i];
    if (summary->cause_count == AE_GAP_CAUSES - 1 && strcmp(text, "other causes") != 0 &&
        attribution == AE_ATTRIBUTED)
        return find_cause(summary, attribution, "other causes");
    if (summary->cause_count == AE_GAP_CAUSES)
        return &summary->causes[AE_GAP_CAUSES - 1];
    cause = &summary->causes[summary->cause_count++];
    cause->attribution = attribution;
    snprintf(cause->text, sizeof(cause->text), "%s", text);
    return cause;
}

static void count_gap(struct ae_gap_summary *summary, const struct ae_gap *gap,
                      enum ae_attribution attribution, const char *text)
{
    struct ae_gap_cause *cause = find_cause(summary, attribution, text);
    uint64_t ticks = length_of(gap);

    cause->gaps++;
    cause->ticks += ticks;
    if (ticks > cause->longest)
        cause->longest = ticks;
    if (attribution == AE_ATTRIBUTED)
        summary->attributed++;
    else if (attribution == AE_UNATTRIBUTED)
        summary->unattributed++;
    else
        summary->untraced++;
}

/* Keeps the list sorted, longest first, by insertion: it is short. */
static void keep_worst(struct ae_gap_summary *summary, unsigned top, const struct ae_gap *gap,
                       enum ae_attribution attribution, const char *text)
{
    unsigned at = summary->worst_count;

    if (top == 0 || (at == top && length_of(gap) <= length_of(&summary->worst[at - 1].gap)))
        return;
    if (at == top)
        at--;
    else
        summary->worst_count++;
    for (; at > 0 && length_of(gap) > length_of(&summary->worst[at - 1].gap); at--)
        summary->worst[at] = summary->worst[at - 1];
    summary->worst[at].gap = *gap;
    summary->worst[at].attribution = attribution;
    snprintf(summary->worst[at].text, sizeof(summary->worst[at].text), "%s", text);
}

static int more_time(const void *a, const void *b)
{
    const struct ae_gap_cause *left = a, *right = b;

    return (left->ticks < right->ticks) - (left->ticks > right->ticks);
}

int ae_gap_summarise(struct ae_gap_summary *summary, const struct ae_gap_record *record,
                     const struct ae_attribution_trace *trace, unsigned top)
{
    memset(summary, 0, sizeof(*summary));
    if (top && !(summary->worst = calloc(top, sizeof(*summary->worst))))
        return -ENOMEM;
    for (uint32_t i = 0; i < record->kept; i++) {
        const struct ae_gap *gap = &record->items[i];
        enum ae_attribution attribution = AE_UNTRACED;
        char text[AE_CAUSE_TEXT] = "";

        if (trace)
            attribution =
                ae_attribute(trace, gap->start, gap->end, ae_clock_from_ns(SLACK_NS), text);
        count_gap(summary, gap, attribution, text);
        keep_worst(summary, top, gap, attribution, text);
    }
    summary->untraced += record->overflow;
    qsort(summary->causes, summary->cause_count, sizeof(summary->causes[0]), more_time);
    return 0;
}

void ae_gap_summary_free(struct ae_gap_summary *summary)
{
    free(summary->worst);
    memset(summary, 0, sizeof(*summary));
}
