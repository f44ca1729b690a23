/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/boot/grub_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A value being put together. */
struct value {
    char *text;
    size_t used, size;
    bool unknown;
    int rc;               /* negative: it is not whole */
    const char *unclosed; /* the quote that nothing closes */
};

static void put(struct value *value, const char *text, size_t length)
{
    if (value->used + length > AE_GRUB_VALUE)
        value->rc = -E2BIG;
    if (value->rc)
        return;
    if (value->used + length + 1 > value->size) {
        size_t size = (value->used + length + 1) * 2;
        char *bigger = realloc(value->text, size);

        if (!bigger) {
            value->rc = -ENOMEM;
            return;
        }
        value->text = bigger;
        value->size = size;
    }
    if (length)
        memcpy(value->text + value->used, text, length);
    value->used += length;
    value->text[value->used] = '\0';
}

static size_t name_length(const char *text)
{
    size_t length = 0;

    if (isdigit((unsigned char)*text))
        return 0;
    while (isalnum((unsigned char)text[length]) || text[length] == '_')
        length++;
    return length;
}

static struct ae_grub_variable *find(const struct ae_grub_variables *variables, const char *name,
                                     size_t length)
{
    for (unsigned i = 0; i < variables->count; i++)
        if (strncmp(variables->items[i].name, name, length) == 0 &&
            variables->items[i].name[length] == '\0')
            return (struct ae_grub_variable *)(size_t)&variables->items[i];
    return NULL;
}

const struct ae_grub_variable *ae_grub_get(const struct ae_grub_variables *variables,
                                           const char *name)
{
    return find(variables, name, strlen(name));
}

/* Behind the bracket that closes the one before text; nesting counts, quotes do not. */
static const char *skip_nested(const char *text, char open, char close)
{
    for (unsigned depth = 1; *text && depth; text++) {
        if (*text == open)
            depth++;
        else if (*text == close)
            depth--;
    }
    return text;
}

static const char *quoted_text(const struct ae_grub_variables *variables, const char *at,
                               struct value *value);

/* Behind "${NAME": ":-word}" or ":+word}", with or without the colon. NULL: something else. */
static const char *alternative(const struct ae_grub_variables *variables,
                               const struct ae_grub_variable *other, const char *at,
                               struct value *value)
{
    bool colon = *at == ':', set = other && (!colon || *other->value);
    const char *end = skip_nested(at, '{', '}') - 1;
    char operation = at[colon], *text;

    if ((operation != '-' && operation != '+') || *end != '}')
        return NULL;
    if (set && operation == '-')
        put(value, other->value, strlen(other->value));
    value->unknown |= other && other->unknown;
    if (set != (operation == '+'))
        return end + 1;
    at += colon + 1;
    text = strndup(at, (size_t)(end - at));
    if (!text) {
        value->rc = -ENOMEM;
        return end + 1;
    }
    for (const char *rest = text; *rest; rest += *rest == '"') /* quotes within are taken off */
        rest = quoted_text(variables, rest, value);
    free(text);
    return end + 1;
}

/* At a '$' or '`': puts what it stands for, as far as that can be told, and returns behind it. */
static const char *expand(const struct ae_grub_variables *variables, const char *at,
                          struct value *value)
{
    const struct ae_grub_variable *other;
    const char *name = at + 1, *end;
    bool braces = *name == '{';
    size_t length;

    if (*at == '`') {
        value->unknown = true;
        end = strchr(name, '`');
        return end ? end + 1 : name + strlen(name);
    }
    if (*name == '(') {
        value->unknown = true;
        return skip_nested(name + 1, '(', ')');
    }
    name += braces;
    length = name_length(name);
    if (braces && (length == 0 || name[length] != '}')) {
        end = length ? alternative(variables, find(variables, name, length), name + length, value)
                     : NULL;
        if (end)
            return end;
        value->unknown = true;
        return skip_nested(name, '{', '}');
    }
    if (length == 0) {
        put(value, "$", 1);
        return at + 1;
    }
    other = find(variables, name, length);
    if (other) {
        put(value, other->value, strlen(other->value));
        value->unknown |= other->unknown;
    }
    return name + length + braces;
}

static const char *single_quoted(const char *at, struct value *value)
{
    size_t length = strcspn(at, "'");

    put(value, at, length);
    if (!at[length])
        value->unclosed = at - 1;
    return at + length + (at[length] == '\'');
}

/* What a backslash stands before; one before the end of a line takes both away. */
static const char *escaped(const char *at, struct value *value)
{
    if (at[1] != '\n')
        put(value, at + 1, 1);
    return at + 2;
}

/* To the closing double quote. Within, a backslash is special before these only (POSIX.1,
 * XCU 2.2.3). */
static const char *quoted_text(const struct ae_grub_variables *variables, const char *at,
                               struct value *value)
{
    while (*at && *at != '"') {
        if (*at == '$' || *at == '`') {
            at = expand(variables, at, value);
        } else if (*at == '\\' && at[1] && strchr("$`\"\\\n", at[1])) {
            at = escaped(at, value);
        } else {
            put(value, at++, 1);
        }
    }
    return at;
}

static const char *double_quoted(const struct ae_grub_variables *variables, const char *at,
                                 struct value *value)
{
    const char *end = quoted_text(variables, at, value);

    if (!*end)
        value->unclosed = at - 1;
    return end + (*end == '"');
}

/* A shell word; returns behind it. */
static const char *word(const struct ae_grub_variables *variables, const char *at,
                        struct value *value)
{
    put(value, "", 0);
    while (*at && !strchr(" \t\n;&|<>()", *at)) {
        if (*at == '\'') {
            at = single_quoted(at + 1, value);
        } else if (*at == '"') {
            at = double_quoted(variables, at + 1, value);
        } else if (*at == '$' || *at == '`') {
            at = expand(variables, at, value);
        } else if (*at == '\\' && at[1]) {
            at = escaped(at, value);
        } else {
            put(value, at++, 1);
        }
    }
    return at;
}

static int set(struct ae_grub_variables *variables, const char *name, size_t length,
               struct value *value)
{
    struct ae_grub_variable *variable = find(variables, name, length);

    if (!variable) {
        if (variables->count == AE_GRUB_VARIABLES)
            return -E2BIG;
        variable = &variables->items[variables->count];
        variable->value = NULL;
        variable->name = strndup(name, length);
        if (!variable->name)
            return -ENOMEM;
        variables->count++;
    }
    free(variable->value);
    variable->value = value->text;
    variable->unknown = value->unknown;
    value->text = NULL;
    return 0;
}

/* At a name: an assignment, and where it ends. -EINVAL: it is none. */
static int assign(struct ae_grub_variables *variables, const char **text)
{
    const char *name = *text, *at;
    size_t length = name_length(name);
    struct value value = {0};
    bool append;
    int rc;

    at = name + length;
    append = at[0] == '+' && at[1] == '=';
    if (length == 0 || (!append && *at != '='))
        return -EINVAL;
    if (append) {
        const struct ae_grub_variable *before = find(variables, name, length);

        if (before)
            put(&value, before->value, strlen(before->value));
        value.unknown = before && before->unknown;
    }
    *text = word(variables, at + 1 + append, &value);
    if (value.unclosed)
        variables->unclosed = value.unclosed;
    rc = value.rc ? value.rc : set(variables, name, length, &value);
    free(value.text);
    return rc;
}

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t;");
}

/* One line of commands; "export NAME" and "export NAME=value" are understood too. */
static int run_line(struct ae_grub_variables *variables, const char **text, bool *strange)
{
    const char *at = skip_blanks(*text);
    bool exporting = strncmp(at, "export", 6) == 0 && (at[6] == ' ' || at[6] == '\t');
    int rc = 0;

    if (exporting)
        at = skip_blanks(at + 6);
    while (*at && *at != '\n' && *at != '#') {
        rc = assign(variables, &at);
        if (rc == -EINVAL && exporting && name_length(at)) {
            at += name_length(at);
            rc = 0;
        }
        if (rc || (*at && !strchr(" \t\n;", *at)))
            break;
        at = skip_blanks(at);
    }
    *strange = *at && *at != '\n' && *at != '#';
    at = strchrnul(at, '\n');
    *text = at + (*at == '\n');
    return rc == -EINVAL ? 0 : rc;
}

int ae_grub_run(struct ae_grub_variables *variables, const char *text)
{
    const char *whole = text;

    variables->strange_line = variables->unclosed_line = 0;
    variables->unclosed = NULL;
    for (unsigned line = 1; *text;) {
        const char *begin = text;
        bool strange = false;
        int rc = run_line(variables, &text, &strange);

        if (rc)
            return rc;
        if (strange && !variables->strange_line)
            variables->strange_line = line;
        for (; begin < text; begin++)
            line += *begin == '\n';
    }
    if (variables->unclosed)
        variables->unclosed_line = 1;
    for (; whole < variables->unclosed; whole++)
        variables->unclosed_line += *whole == '\n';
    return 0;
}

void ae_grub_free(struct ae_grub_variables *variables)
{
    for (unsigned i = 0; i < variables->count; i++) {
        free(variables->items[i].name);
        free(variables->items[i].value);
    }
    memset(variables, 0, sizeof(*variables));
}
