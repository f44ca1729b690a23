/* SPDX-License-Identifier: Apache-2.0 */
#include "proof/proof_record.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <aether/clock.h>

const char *ae_proof_verdict_name(enum ae_proof_verdict verdict)
{
    static const char *const names[] = {"quiet", "disturbed", "incomplete"};

    return names[verdict];
}

void ae_proof_miss(struct ae_proof *proof, const char *what, const char *format, ...)
{
    char why[AE_ERROR_TEXT];
    va_list values;

    if (proof->missing_count == AE_PROOF_MISSING)
        return;
    va_start(values, format);
    vsnprintf(why, sizeof(why), format, values);
    va_end(values);
    snprintf(proof->missing[proof->missing_count++], sizeof(proof->missing[0]), "%s: %.600s", what,
             why);
}

void ae_proof_add_cause(struct ae_proof *proof, const char *text, uint64_t times)
{
    ae_cause_find(proof->causes, AE_PROOF_CAUSES, &proof->cause_count, AE_ATTRIBUTED, text)
        ->times += times;
}

void ae_proof_remark(struct ae_proof *proof, const char *text)
{
    if (proof->remark_count < AE_PROOF_REMARKS)
        snprintf(proof->remarks[proof->remark_count++], sizeof(proof->remarks[0]), "%s", text);
}

uint64_t ae_proof_length_ns(const struct ae_proof *proof)
{
    return proof->ended ? ae_clock_to_ns(proof->after.ticks - proof->before.ticks) : 0;
}

uint64_t ae_proof_growth(const struct ae_proof *proof, const struct ae_counter *after)
{
    uint64_t count;

    ae_counters_growth(&proof->before.cpu, after, &count);
    return count;
}

bool ae_proof_has_rows(const struct ae_counters *counters, const char *prefix)
{
    for (size_t i = 0; i < counters->count; i++)
        if (strncmp(counters->items[i].name, prefix, strlen(prefix)) == 0)
            return true;
    return false;
}
