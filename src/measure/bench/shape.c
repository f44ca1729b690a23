/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/bench/shape.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define PATH_MOST 200 /* of a member's; tables are a few levels deep */

static int check(const json_t *value, const struct ae_shape *shape, char *path,
                 struct ae_error *err);

static int wrong(const char *path, const char *what, struct ae_error *err)
{
    return ae_error_set(err, -EBADMSG, "%s: %s is needed", path[0] ? path : "the file", what);
}

static int check_object(const json_t *value, const struct ae_shape *shape, char *path,
                        struct ae_error *err)
{
    size_t length = strlen(path);
    int rc = 0;

    if (!json_is_object(value))
        return wrong(path, "an object", err);
    for (const struct ae_shape_member *member = shape->members; member->name && !rc; member++) {
        snprintf(path + length, PATH_MOST - length, "%s%s", length ? "." : "", member->name);
        rc = check(json_object_get(value, member->name), member->shape, path, err);
        path[length] = '\0';
    }
    return rc;
}

static int check_list(const json_t *value, const struct ae_shape *shape, char *path,
                      struct ae_error *err)
{
    size_t length = strlen(path), i;
    char what[80];
    json_t *item;
    int rc = 0;

    if (!json_is_array(value) || (double)json_array_size(value) < shape->least ||
        (double)json_array_size(value) > shape->most) {
        snprintf(what, sizeof(what), "a list of %.0f to %.0f", shape->least, shape->most);
        return wrong(path, what, err);
    }
    json_array_foreach (value, i, item) {
        snprintf(path + length, PATH_MOST - length, "[%zu]", i);
        rc = check(item, shape->items, path, err);
        path[length] = '\0';
        if (rc)
            break;
    }
    return rc;
}

static int check_text(const json_t *value, const struct ae_shape *shape, const char *path,
                      struct ae_error *err)
{
    const char *text = json_string_value(value);
    char what[200];
    int used;

    if (!shape->words) {
        if (text && (double)strlen(text) >= shape->least && (double)strlen(text) <= shape->most)
            return 0;
        snprintf(what, sizeof(what), "a text of %.0f to %.0f bytes", shape->least, shape->most);
        return wrong(path, what, err);
    }
    used = snprintf(what, sizeof(what), "one of");
    for (unsigned i = 0; shape->words[i]; i++) {
        if (text && strcmp(text, shape->words[i]) == 0)
            return 0;
        used += snprintf(what + used, sizeof(what) - (size_t)used, "%s %s", i ? "," : "",
                         shape->words[i]);
    }
    return wrong(path, what, err);
}

static int check_name(const json_t *value, const struct ae_shape *shape, const char *path,
                      struct ae_error *err)
{
    const char *text = json_string_value(value);
    size_t length = text ? strlen(text) : 0;
    char what[100];

    if ((double)length >= shape->least && (double)length <= shape->most && text[0] != '.' &&
        strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == length)
        return 0;
    snprintf(what, sizeof(what), "a name of %.0f to %.0f lower-case letters, digits, '_', '.', '-'",
             shape->least, shape->most);
    return wrong(path, what, err);
}

static int check_number(const json_t *value, const struct ae_shape *shape, const char *path,
                        struct ae_error *err)
{
    bool whole = shape->kind == AE_SHAPE_COUNT;
    double number = json_number_value(value);
    char what[80];

    if ((whole ? json_is_integer(value) : json_is_number(value)) && number >= shape->least &&
        number <= shape->most)
        return 0;
    snprintf(what, sizeof(what), "a %snumber from %.0f to %.0f", whole ? "whole " : "",
             shape->least, shape->most);
    return wrong(path, what, err);
}

static int check(const json_t *value, const struct ae_shape *shape, char *path,
                 struct ae_error *err)
{
    if (shape->or_null && json_is_null(value))
        return 0;
    switch (shape->kind) {
    case AE_SHAPE_OBJECT:
        return check_object(value, shape, path, err);
    case AE_SHAPE_LIST:
        return check_list(value, shape, path, err);
    case AE_SHAPE_TEXT:
        return check_text(value, shape, path, err);
    case AE_SHAPE_NAME:
        return check_name(value, shape, path, err);
    case AE_SHAPE_COUNT:
    case AE_SHAPE_REAL:
        return check_number(value, shape, path, err);
    case AE_SHAPE_TRUTH:
        return json_is_boolean(value) ? 0 : wrong(path, "true or false", err);
    }
    return -EINVAL;
}

int ae_shape_check(const json_t *value, const struct ae_shape *shape, struct ae_error *err)
{
    char path[PATH_MOST] = "";

    return check(value, shape, path, err);
}
