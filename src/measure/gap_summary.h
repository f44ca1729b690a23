/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MEASURE_GAP_SUMMARY_H
#define AE_MEASURE_GAP_SUMMARY_H

/* What one CPU's gaps add up to, by cause, and the worst of them. */

#include "measure/gap.h"
#include "proof/causes.h"

/* Most distinct causes told apart; further ones are AE_CAUSE_OTHERS. */
#define AE_GAP_CAUSES 128

struct ae_gap_worst {
    struct ae_gap gap;
    enum ae_attribution attribution;
    char text[AE_CAUSE_TEXT];
};

struct ae_gap_summary {
    /* Most time first; a gap has as many causes as came up in it. Times in ticks. */
    struct ae_cause causes[AE_GAP_CAUSES];
    unsigned cause_count;
    struct ae_gap_worst *worst; /* longest first */
    unsigned worst_count;
    uint64_t attributed, unattributed, untraced; /* gaps; the three add up to record->gaps */
};

/*
 * trace NULL: nobody looked; its times are right to `blur` ticks. Keeps the `top` longest gaps.
 * -ENOMEM.
 */
int ae_gap_summarise(struct ae_gap_summary *summary, const struct ae_gap_record *record,
                     const struct ae_attribution_trace *trace, uint64_t blur, unsigned top);
void ae_gap_summary_free(struct ae_gap_summary *summary);

#endif
