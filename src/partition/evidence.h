/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_EVIDENCE_H
#define AE_PARTITION_EVIDENCE_H

/* Answers to the three questions about a knob: accepted, effective, quiet. */

#include <aether/partition.h>

/* Fills in an answer; returns nothing, for evidence is never an error. */
void ae_evidence_set(struct ae_evidence *evidence, enum ae_answer answer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
