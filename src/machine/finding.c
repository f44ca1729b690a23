/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/finding.h"

#include <stdarg.h>
#include <stdio.h>

void ae_finding_set(struct ae_finding *finding, enum ae_check_answer answer, const char *format,
                    ...)
{
    va_list args;

    finding->answer = answer;
    va_start(args, format);
    vsnprintf(finding->reason, sizeof(finding->reason), format, args);
    va_end(args);
}

void ae_finding_remedy(struct ae_finding *finding, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(finding->remedy, sizeof(finding->remedy), format, args);
    va_end(args);
}
