/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/boot/variables.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/root.h"

/*
 * Where GRUB's own shell has the variables of a kernel's line from: its script, its environment
 * block (GRUB manual, "Environment block"), and, before either was written anew, TuneD's file.
 */
static const struct {
    const char *path, *before; /* what stands before the name */
    const char *only;          /* defines this variable alone ... */
    const char *as;            /* ... and calls it so; NULL: any, by its name */
} places[] = {
    {"/boot/grub/grub.cfg", "set ", NULL, NULL},
    {"/boot/grub2/grub.cfg", "set ", NULL, NULL},
    {"/boot/grub/grubenv", "", NULL, NULL},
    {"/boot/grub2/grubenv", "", NULL, NULL},
    {"/etc/tuned/bootcmdline", "", "tuned_params", "TUNED_BOOT_CMDLINE"},
};

static size_t name_length(const char *text)
{
    size_t length = 0;

    while (isalnum((unsigned char)text[length]) || text[length] == '_')
        length++;
    return isdigit((unsigned char)*text) ? 0 : length;
}

/* The value on a line `BEFORE NAME=value`, quotes around it taken off; NULL: the line is
 * another. */
static const char *value_on(const char *line, const char *before, const char *name, size_t length,
                            size_t *value_length)
{
    const char *value;

    line += strspn(line, " \t");
    if (strncmp(line, before, strlen(before)) != 0)
        return NULL;
    line += strlen(before);
    if (strncmp(line, name, length) != 0 || line[length] != '=')
        return NULL;
    value = line + length + 1;
    *value_length = strcspn(value, "\r\n");
    if ((*value == '"' || *value == '\'') && *value_length > 1) {
        const char *end = memchr(value + 1, *value, *value_length - 1);

        value++;
        *value_length = end ? (size_t)(end - value) : *value_length - 1;
    }
    return value;
}

static void add_from(FILE *out, size_t place, const char *name, size_t length)
{
    const char *as = places[place].as ? places[place].as : name;
    char *text;

    if (places[place].only &&
        (strlen(places[place].only) != length || strncmp(places[place].only, name, length) != 0))
        return;
    if (places[place].as)
        length = strlen(as);
    if (ae_root_read_all(places[place].path, &text) < 0)
        return;
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        size_t size;
        const char *value = value_on(line, places[place].before, as, length, &size);

        if (value)
            fprintf(out, " %.*s ", (int)size, value);
    }
    free(text);
}

char *ae_boot_expand(const char *line)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    while (*line) {
        bool braces = line[0] == '$' && line[1] == '{';
        size_t length = *line == '$' ? name_length(line + 1 + braces) : 0;

        if (length == 0 || (braces && line[2 + length] != '}')) {
            fputc(*line++, out);
            continue;
        }
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
            add_from(out, i, line + 1 + braces, length);
        line += 1 + length + 2 * (size_t)braces;
    }
    return fclose(out) ? NULL : text;
}
