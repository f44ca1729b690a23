/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MEASURE_SEQUENCE_H
#define AE_MEASURE_SEQUENCE_H

/* Which of a run of numbered answers came, came twice, came late. */

#include <stdbool.h>
#include <stdint.h>

/* How far behind the newest an answer is still told from a copy. */
#define AE_SEQUENCE_WINDOW 65536

struct ae_sequence {
    uint64_t next; /* one more than the highest that came */
    uint64_t received;
    uint64_t duplicates;
    uint64_t reordered; /* came after a higher one */
    uint64_t too_late;  /* further behind than the window: a copy or a straggler, nobody knows */
    uint64_t window[AE_SEQUENCE_WINDOW / 64];
};

/* True when it came for the first time. number must be below what was sent. */
bool ae_sequence_note(struct ae_sequence *sequence, uint64_t number);

/* Of `sent` numbers from 0, those that never came. */
uint64_t ae_sequence_lost(const struct ae_sequence *sequence, uint64_t sent);

#endif
