/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_LENT_H
#define AE_TESTS_LENT_H

/* Frames that are lent, of which a borrower can tell whether they changed meanwhile. */

#include <aether/loan.h>

/* Lends some, numbered from `number`, and reclaims. The number of the next. */
uint64_t lent_lend(struct ae_lender *lender, struct ae_pool *pool, uint64_t number);

bool lent_is_whole(const struct ae_loan_frame *frame);

#endif
