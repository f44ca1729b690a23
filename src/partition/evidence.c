/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/evidence.h"

#include <stdarg.h>
#include <stdio.h>

const char *ae_answer_name(enum ae_answer answer)
{
    static const char *const names[] = {"no", "yes", "absent", "unseen", "off"};

    return answer <= AE_ANSWER_OFF ? names[answer] : "?";
}

void ae_evidence_set(struct ae_evidence *evidence, enum ae_answer answer, const char *format, ...)
{
    va_list args;

    evidence->answer = answer;
    va_start(args, format);
    vsnprintf(evidence->detail, sizeof(evidence->detail), format, args);
    va_end(args);
}
