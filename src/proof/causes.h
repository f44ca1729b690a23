/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PROOF_CAUSES_H
#define AE_PROOF_CAUSES_H

/*
 * Causes told apart, and how often each came, in a list of fixed size. How many different ones
 * there are is up to whoever disturbs, so further ones than fit share one entry.
 */

#include "proof/attribution.h"

#define AE_CAUSE_OTHERS "other causes"
#define AE_CAUSES_LEAST 4 /* entries that a list has at least */

struct ae_cause {
    enum ae_attribution attribution;
    char text[AE_CAUSE_NAME]; /* "" unless attributed; a longer one is cut */
    union {                   /* of events, or of gaps in which it came up */
        uint64_t times;
        uint64_t gaps;
    };
    uint64_t ticks, longest; /* of those gaps */
    uint64_t last;           /* the gap counted last, from 1: each counts once */
};

/*
 * The entry of a cause, made if there is none. Once all but three are taken, every further text is
 * AE_CAUSE_OTHERS; the two left are for what could not be attributed and for what nobody traced.
 * `size`: at least AE_CAUSES_LEAST; *count never exceeds it.
 */
struct ae_cause *ae_cause_find(struct ae_cause *list, unsigned size, unsigned *count,
                               enum ae_attribution attribution, const char *text);

#endif
