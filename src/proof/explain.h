/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PROOF_EXPLAIN_H
#define AE_PROOF_EXPLAIN_H

/* What a row of the kernel's counters means, in a few words: "irq:LOC", "softirq:TIMER". */
const char *ae_proof_explain(const char *row);

#endif
