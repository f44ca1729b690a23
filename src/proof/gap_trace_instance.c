/* SPDX-License-Identifier: Apache-2.0 */
#include "proof/gap_trace_instance.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/root.h"

int ae_gap_trace_put(const struct ae_gap_trace *trace, const char *name, const char *text)
{
    char path[sizeof(trace->path) + 192];

    snprintf(path, sizeof(path), "%s/%s", trace->path, name);
    return ae_root_write(path, text);
}

ssize_t ae_gap_trace_get(const struct ae_gap_trace *trace, const char *name, char *text,
                         size_t size)
{
    char path[sizeof(trace->path) + 192];

    snprintf(path, sizeof(path), "%s/%s", trace->path, name);
    return ae_root_read(path, text, size);
}

bool ae_gap_trace_restricts(const struct ae_gap_trace *trace, const char *name, const char *none)
{
    char text[64];
    ssize_t length = ae_gap_trace_get(trace, name, text, sizeof(text));

    return length != -ENOENT && (length < 0 || (length > 0 && strcmp(text, none) != 0));
}
