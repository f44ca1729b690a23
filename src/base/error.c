/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

int ae_error_set(struct ae_error *err, int code, const char *format, ...)
{
    va_list args;

    if (!err)
        return code;
    err->code = code;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    /* It names files, tasks and what programs said: other people's texts, most of them. */
    ae_text_shown(err->text, sizeof(err->text), err->text);
    return code;
}

int ae_error_prefix(struct ae_error *err, int code, const char *format, ...)
{
    char rest[AE_ERROR_TEXT];
    va_list args;
    int used;

    if (!err)
        return code;
    memcpy(rest, err->text, sizeof(rest));
    err->code = code;
    va_start(args, format);
    used = vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof(err->text))
        snprintf(err->text + used, sizeof(err->text) - (size_t)used, ": %s", rest);
    ae_text_shown(err->text, sizeof(err->text), err->text);
    return code;
}
