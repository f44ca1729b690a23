/* SPDX-License-Identifier: Apache-2.0 */

/* One difference between two certificates, told to whoever compares them. */

#include "proof/certificate/compare.h"

#include <stdarg.h>
#include <stdio.h>

void ae_compare_tell(struct ae_compare *compare, enum ae_certificate_change change,
                     const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (change == AE_CERTIFICATE_WORSE)
        compare->worse++;
    if (compare->report)
        compare->report(change, text, compare->context);
}
