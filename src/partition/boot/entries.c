/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/boot/entries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "partition/boot/variables.h"

/* The next "options" line behind *text, which is moved behind it; NULL: there is none. */
static const char *next_options(const char **text, size_t *length)
{
    for (const char *line = *text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (strncmp(line, "options", 7) != 0 || !strchr(" \t", line[7]) || !line[7])
            continue;
        line += 7 + strspn(line + 7, " \t");
        *length = strcspn(line, "\r\n");
        *text = line + *length;
        return line;
    }
    return NULL;
}

char *ae_boot_entry_line(const char *text)
{
    char *line = calloc(1, strlen(text) + 2), *expanded;
    const char *options;
    size_t length, used = 0;

    while (line && (options = next_options(&text, &length))) {
        memcpy(line + used, options, length);
        used += length;
        line[used++] = ' '; /* the specification: the values of several lines follow each other */
    }
    expanded = line ? ae_boot_expand(line) : NULL;
    free(line);
    return expanded;
}

char *ae_boot_entry_with(const char *text, const char *missing)
{
    const char *at = text, *options, *last = NULL;
    size_t length, last_length = 0;
    char *after;

    while ((options = next_options(&at, &length))) {
        last = options;
        last_length = length;
    }
    if (!last || !*missing)
        return strdup(text);
    last += last_length;
    return asprintf(&after, "%.*s%s%s%s", (int)(last - text), text, last_length ? " " : "", missing,
                    last) < 0
               ? NULL
               : after;
}
