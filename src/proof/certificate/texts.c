/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The texts of a certificate. Most were chosen by others: the worker its arguments and what it
 * printed, any user the names of tasks, whoever hands a certificate over all of it. They are made
 * plain where they enter, so that file, page, comparison and --json all show the same.
 */

#include "proof/certificate/certificate.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define TEXT_MOST 65536 /* more than any file of the kernel's that is taken whole */

const char *ae_certificate_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

static char *plain_copy(const char *text)
{
    size_t size = strnlen(text, TEXT_MOST) + 1;
    char *copy = malloc(size);

    return copy ? ae_text_shown(copy, size, text) : NULL;
}

json_t *ae_certificate_string(const char *text)
{
    char *copy = plain_copy(text);
    json_t *string = copy ? json_string(copy) : NULL;

    free(copy);
    return string;
}

static void make_plain(json_t *value);

static bool is_plain(const char *text)
{
    char *copy = plain_copy(text);
    bool same = copy && strcmp(copy, text) == 0;

    free(copy);
    return same;
}

/* A name that is not plain moves its value to one that is; of two that then are the same, one
 * stays. */
static void make_names_plain(json_t *object)
{
    json_t *renamed = json_object(), *value;
    const char *name;
    void *next;

    json_object_foreach_safe (object, next, name, value) {
        char *copy;

        make_plain(value);
        if (is_plain(name))
            continue;
        copy = plain_copy(name);
        if (copy)
            json_object_set(renamed, copy, value);
        free(copy);
        json_object_del(object, name);
    }
    json_object_update_missing(object, renamed);
    json_decref(renamed);
}

/* Parsers stop at a depth of 2048, and so does this. */
static void make_plain(json_t *value)
{
    json_t *item;
    size_t i;

    if (json_is_object(value)) {
        make_names_plain(value);
    } else if (json_is_array(value)) {
        json_array_foreach (value, i, item)
            make_plain(item);
    } else if (json_is_string(value)) {
        char *copy = plain_copy(json_string_value(value));

        json_string_set(value, copy ? copy : "");
        free(copy);
    }
}

/* Line by line. */
static char *plain_lines(const char *text)
{
    char *copy = strndup(text, TEXT_MOST);

    for (char *line = copy; line && *line;) {
        char *end = line + strcspn(line, "\n");
        bool more = *end == '\n';
        size_t length;

        *end = '\0';
        length = strlen(ae_text_shown(line, (size_t)(end - line) + 1, line));
        /* It may have become shorter: the rest closes up. */
        memmove(line + length + more, end + more, strlen(end + more) + 1);
        if (more)
            line[length] = '\n';
        line += length + more;
    }
    return copy;
}

void ae_certificate_make_plain(json_t *all)
{
    json_t *partition = json_object_get(all, "partition");
    char *config = plain_lines(ae_certificate_text(partition, "config"));

    make_plain(all);
    if (json_object_get(partition, "config") && config)
        json_object_set_new(partition, "config", json_string(config));
    free(config);
}
