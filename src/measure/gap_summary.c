/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/gap_summary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <aether/clock.h>

/* RDTSC is not serialising: this far apart a reading and an event may seem swapped. */
#define SLACK_NS 100

static uint64_t length_of(const struct ae_gap *gap)
{
    return gap->end - gap->start;
}

/* The gap that is being attributed. */
struct counting {
    struct ae_gap_summary *summary;
    enum ae_attribution attribution;
    uint64_t number, ticks;
};

static void count_cause(const char *text, void *context)
{
    struct counting *counting = context;
    struct ae_cause *cause =
        ae_cause_find(counting->summary->causes, AE_GAP_CAUSES, &counting->summary->cause_count,
                      counting->attribution, text);

    if (cause->last == counting->number)
        return;
    cause->last = counting->number;
    cause->gaps++;
    cause->ticks += counting->ticks;
    if (counting->ticks > cause->longest)
        cause->longest = counting->ticks;
}

static enum ae_attribution count_gap(struct ae_gap_summary *summary, uint64_t number,
                                     const struct ae_gap *gap,
                                     const struct ae_attribution_trace *trace, uint64_t slack)
{
    struct counting counting = {summary, AE_ATTRIBUTED, number, length_of(gap)};
    uint64_t *const counts[] = {&summary->attributed, &summary->unattributed, &summary->untraced};

    counting.attribution =
        trace ? ae_attribute_each(trace, gap->start, gap->end, slack, count_cause, &counting)
              : AE_UNTRACED;
    if (counting.attribution != AE_ATTRIBUTED)
        count_cause("", &counting);
    ++*counts[counting.attribution];
    return counting.attribution;
}

/* Keeps the list sorted, longest first, by insertion: it is short. */
static void keep_worst(struct ae_gap_summary *summary, unsigned top, const struct ae_gap *gap,
                       enum ae_attribution attribution)
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
}

static int more_time(const void *a, const void *b)
{
    const struct ae_cause *left = a, *right = b;

    return (left->ticks < right->ticks) - (left->ticks > right->ticks);
}

int ae_gap_summarise(struct ae_gap_summary *summary, const struct ae_gap_record *record,
                     const struct ae_attribution_trace *trace, uint64_t blur, unsigned top)
{
    uint64_t slack = ae_clock_from_ns(SLACK_NS) + blur;

    memset(summary, 0, sizeof(*summary));
    if (top && !(summary->worst = calloc(top, sizeof(*summary->worst))))
        return -ENOMEM;
    for (uint32_t i = 0; i < record->kept; i++)
        keep_worst(summary, top, &record->items[i],
                   count_gap(summary, i + UINT64_C(1), &record->items[i], trace, slack));
    for (unsigned i = 0; trace && i < summary->worst_count; i++) {
        struct ae_gap_worst *worst = &summary->worst[i];

        ae_attribute(trace, worst->gap.start, worst->gap.end, slack, worst->text);
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
