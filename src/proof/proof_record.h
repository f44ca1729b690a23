/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PROOF_RECORD_H
#define AE_PROOF_RECORD_H

/* What a proof holds. proof.c gathers it, proof_check.c judges it, proof_tell.c tells it; what each
 * of them finds is put down by proof_record.c. */

#include <stdbool.h>

#include <aether/proof.h>

#include "partition/counters.h"
#include "proof/causes.h"
#include "proof/gap_trace.h"
#include "proof/task.h"

#define AE_PROOF_CAUSES  64
#define AE_PROOF_MISSING 24
#define AE_PROOF_REMARKS 8

struct ae_proof_snapshot {
    uint64_t ticks;
    struct ae_counters cpu;
    struct ae_task_counters task;
};

struct ae_proof {
    unsigned cpu;
    pid_t pid;
    bool traced;
    bool task_seen;
    bool began, ended;
    unsigned again;    /* it was to begin once more, so often */
    uint64_t asked_ns; /* 0: nobody said how long */
    struct ae_gap_trace trace;
    uint64_t written; /* events in the trace at the beginning */
    struct ae_proof_snapshot before, after;
    struct ae_cause causes[AE_PROOF_CAUSES];
    unsigned cause_count;
    char missing[AE_PROOF_MISSING][AE_ERROR_TEXT];
    unsigned missing_count;
    char remarks[AE_PROOF_REMARKS][AE_ERROR_TEXT];
    unsigned remark_count;
    uint64_t nonzero; /* rows that grew */
    enum ae_proof_verdict verdict;
};

/* What should have been looked at and could not be, and why. */
void ae_proof_miss(struct ae_proof *proof, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Compares the snapshots, and asks whether they are about this worker on this CPU. */
void ae_proof_compare(struct ae_proof *proof);

/* Between the snapshots; 0 before the second. */
uint64_t ae_proof_length_ns(const struct ae_proof *proof);

/* How much a row of the second snapshot grew; one that came meanwhile grew from nothing. */
uint64_t ae_proof_growth(const struct ae_proof *proof, const struct ae_counter *after);

/* "irq:", "softirq:", "sched:" */
bool ae_proof_has_rows(const struct ae_counters *counters, const char *prefix);

#endif
