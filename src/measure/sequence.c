/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/sequence.h"

static uint64_t *word_of(struct ae_sequence *sequence, uint64_t number)
{
    return &sequence->window[number % AE_SEQUENCE_WINDOW / 64];
}

/* Slots of numbers that were skipped still hold what came a window ago. */
static void forget(struct ae_sequence *sequence, uint64_t from, uint64_t to)
{
    if (to - from > AE_SEQUENCE_WINDOW)
        from = to - AE_SEQUENCE_WINDOW;
    for (; from < to; from++)
        *word_of(sequence, from) &= ~(UINT64_C(1) << (from % 64));
}

bool ae_sequence_note(struct ae_sequence *sequence, uint64_t number)
{
    uint64_t bit = UINT64_C(1) << (number % 64), *word = word_of(sequence, number);

    if (number >= sequence->next) {
        forget(sequence, sequence->next, number + 1);
        sequence->next = number + 1;
    } else if (sequence->next - number > AE_SEQUENCE_WINDOW) {
        sequence->too_late++;
        return false;
    } else if (*word & bit) {
        sequence->duplicates++;
        return false;
    } else {
        sequence->reordered++;
    }
    *word |= bit;
    sequence->received++;
    return true;
}

uint64_t ae_sequence_lost(const struct ae_sequence *sequence, uint64_t sent)
{
    return sent > sequence->received ? sent - sequence->received : 0;
}
