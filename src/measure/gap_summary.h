/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MEASURE_GAP_SUMMARY_H
#define AE_MEASURE_GAP_SUMMARY_H

/* What one CPU's gaps add up to, by cause, and the worst of them. */

#include "measure/gap.h"
#include "proof/attribution.h"

/* Most distinct causes told apart; further ones are summed as "other causes". */
#define AE_GAP_CAUSES 128

/* All gaps in which one cause came up; a gap has as many causes as came up in it. Times in ticks.
 */
struct ae_gap_cause {
    enum ae_attribution attribution;
    char text[AE_CAUSE_NAME]; /* "" unless attributed */
    uint64_t gaps, ticks, longest;
    uint64_t last; /* the gap counted last, from 1: each counts once */
};

struct ae_gap_worst {
    struct ae_gap gap;
    enum ae_attribution attribution;
    char text[AE_CAUSE_TEXT];
};

struct ae_gap_summary {
    struct ae_gap_cause causes[AE_GAP_CAUSES]; /* most time first */
    unsigned cause_count;
    struct ae_gap_worst *worst; /* longest first */
    unsigned worst_count;
    uint64_t attributed, unattributed, untraced; /* gaps; the three add up to record->gaps */
};

/* trace NULL: nobody looked. Keeps the `top` longest gaps. -ENOMEM. */
int ae_gap_summarise(struct ae_gap_summary *summary, const struct ae_gap_record *record,
                     const struct ae_attribution_trace *trace, unsigned top);
void ae_gap_summary_free(struct ae_gap_summary *summary);

#endif
