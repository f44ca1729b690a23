/* SPDX-License-Identifier: Apache-2.0 */
#include "lent.h"

#include <string.h>

#define BURST 8
#define WORDS 100 /* of a frame: each is its number */

uint64_t lent_lend(struct ae_lender *lender, struct ae_pool *pool, uint64_t number)
{
    struct ae_packet *burst[BURST];
    uint32_t got = ae_packet_get_burst(pool, burst, BURST), lent;

    for (uint32_t i = 0; i < got; i++) {
        burst[i]->length = WORDS * 8;
        burst[i]->timestamp = number + i;
        for (uint32_t j = 0; j < WORDS; j++)
            memcpy(burst[i]->data + 8 * j, &burst[i]->timestamp, 8);
    }
    lent = ae_loan_lend(lender, burst, got);
    ae_packet_put_burst(burst + lent, got - lent);
    ae_loan_reclaim(lender, BURST);
    return number + lent;
}

bool lent_is_whole(const struct ae_loan_frame *frame)
{
    for (uint32_t i = 0; i < WORDS; i++)
        if (memcmp(frame->data + 8 * i, &frame->timestamp, 8))
            return false;
    return frame->length == WORDS * 8;
}
