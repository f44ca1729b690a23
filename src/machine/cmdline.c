/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/cmdline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *skip_space(const char *text)
{
    while (is_space(*text))
        text++;
    return text;
}

/* The end of the word that starts at text: white space outside quotes, or the end. */
static const char *word_end(const char *text)
{
    bool quoted = false;

    for (; *text && (quoted || !is_space(*text)); text++)
        if (*text == '"')
            quoted = !quoted;
    return text;
}

static bool is_separator(const char *text, size_t length)
{
    return length == 2 && memcmp(text, "--", 2) == 0;
}

static void strip_quotes(const char **text, size_t *length)
{
    if (*length > 0 && **text == '"') {
        (*text)++;
        (*length)--;
        if (*length > 0 && (*text)[*length - 1] == '"')
            (*length)--;
    }
}

bool ae_cmdline_next(const char **text, struct ae_cmdline_word *word)
{
    const char *start = skip_space(*text), *end = word_end(start), *equals;

    if (start == end || is_separator(start, (size_t)(end - start)))
        return false;
    *text = end;
    word->text = start;
    word->length = (size_t)(end - start);
    word->name = start;
    word->name_length = word->length;
    strip_quotes(&word->name, &word->name_length);
    equals = memchr(word->name, '=', word->name_length);
    word->value = NULL;
    word->value_length = 0;
    if (!equals)
        return true;
    word->value = equals + 1;
    word->value_length = word->name_length - (size_t)(equals + 1 - word->name);
    word->name_length = (size_t)(equals - word->name);
    strip_quotes(&word->value, &word->value_length);
    return true;
}

static char dash(char c)
{
    return c == '-' ? '_' : c;
}

static bool same_name(const char *a, size_t a_length, const char *b, size_t b_length)
{
    if (a_length != b_length)
        return false;
    for (size_t i = 0; i < a_length; i++)
        if (dash(a[i]) != dash(b[i]))
            return false;
    return true;
}

bool ae_cmdline_names(const struct ae_cmdline_word *word, const char *name)
{
    return same_name(word->name, word->name_length, name, strlen(name));
}

static bool same_parameter(const struct ae_cmdline_word *a, const struct ae_cmdline_word *b)
{
    return same_name(a->name, a->name_length, b->name, b->name_length) && !a->value == !b->value &&
           a->value_length == b->value_length &&
           (!a->value || memcmp(a->value, b->value, a->value_length) == 0);
}

int ae_cmdline_get(const char *cmdline, const char *name, char *value, size_t size)
{
    struct ae_cmdline_word word, last = {0};
    bool found = false;

    while (ae_cmdline_next(&cmdline, &word)) {
        if (!ae_cmdline_names(&word, name))
            continue;
        last = word;
        found = true;
    }
    if (!found)
        return -ENOENT;
    if (last.value_length >= size)
        return -ENOSPC;
    if (last.value)
        memcpy(value, last.value, last.value_length);
    value[last.value_length] = '\0';
    return (int)last.value_length;
}

static bool has_word(const char *cmdline, const struct ae_cmdline_word *wanted)
{
    struct ae_cmdline_word word;

    while (ae_cmdline_next(&cmdline, &word))
        if (same_parameter(&word, wanted))
            return true;
    return false;
}

bool ae_cmdline_has(const char *cmdline, const char *parameter)
{
    struct ae_cmdline_word wanted;

    return ae_cmdline_next(&parameter, &wanted) && has_word(cmdline, &wanted);
}

int ae_cmdline_check(const char *cmdline, struct ae_error *err)
{
    unsigned quotes = 0;

    for (const char *at = cmdline; *at; at++) {
        if (*at == '"')
            quotes++;
        if (((unsigned char)*at < ' ' && !is_space(*at)) || *at == 0x7f)
            return ae_error_set(err, -EINVAL,
                                "the kernel command line has a control character (0x%02x) at byte "
                                "%zu; take it out first",
                                (unsigned)(unsigned char)*at, (size_t)(at - cmdline));
    }
    if (quotes % 2)
        return ae_error_set(err, -EINVAL,
                            "the kernel command line has a double quote that is never closed; "
                            "close it first");
    return 0;
}

/*
 * Parameters that a command line may carry several times, each occurrence with a meaning of its
 * own; the rest are in conflict with a different value.
 */
static bool may_repeat(const struct ae_cmdline_word *word)
{
    static const char *const names[] = {"console",   "earlycon",      "hugepagesz",
                                        "hugepages", "rd.driver.pre", "module_blacklist"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (ae_cmdline_names(word, names[i]))
            return true;
    return false;
}

static int check_conflict(const char *cmdline, const struct ae_cmdline_word *wanted,
                          struct ae_error *err)
{
    struct ae_cmdline_word word;

    if (may_repeat(wanted))
        return 0;
    while (ae_cmdline_next(&cmdline, &word))
        if (same_name(word.name, word.name_length, wanted->name, wanted->name_length) &&
            !same_parameter(&word, wanted))
            return ae_error_set(err, -EEXIST,
                                "the kernel command line already has %.*s where %.*s is wanted; "
                                "somebody else set it, so take it out there first",
                                (int)word.length, word.text, (int)wanted->length, wanted->text);
    return 0;
}

/* Where parameters may be appended: behind the last one, before " --". */
static size_t parameters_end(const char *cmdline)
{
    struct ae_cmdline_word word;
    const char *at = cmdline;

    while (ae_cmdline_next(&at, &word))
        ;
    return (size_t)(at - cmdline);
}

/*
 * hugepagesz=A hugepages=N is one thing in two words, so once one word of a sequence that may
 * repeat is missing, its neighbours are appended as well.
 */
static bool is_present(const char *cmdline, const char *parameters,
                       const struct ae_cmdline_word *wanted)
{
    struct ae_cmdline_word word;

    if (!may_repeat(wanted))
        return has_word(cmdline, wanted);
    while (ae_cmdline_next(&parameters, &word))
        if (may_repeat(&word) && !has_word(cmdline, &word))
            return false;
    return true;
}

int ae_cmdline_merge(const char *cmdline, const char *parameters, char **merged,
                     struct ae_error *err)
{
    size_t end = parameters_end(cmdline), used = end;
    const char *at = parameters;
    struct ae_cmdline_word word;
    char *text;
    int rc = ae_cmdline_check(cmdline, err);

    if (!rc)
        rc = ae_cmdline_check(parameters, err);
    if (rc)
        return rc;
    text = malloc(strlen(cmdline) + strlen(parameters) + 3);
    if (!text)
        return ae_error_set(err, -ENOMEM, "merging a kernel command line: out of memory");
    memcpy(text, cmdline, end);
    while (!rc && ae_cmdline_next(&at, &word)) {
        rc = check_conflict(cmdline, &word, err);
        if (rc || is_present(cmdline, parameters, &word))
            continue;
        if (used > 0 && !is_space(text[used - 1]))
            text[used++] = ' ';
        memcpy(text + used, word.text, word.length);
        used += word.length;
    }
    if (used > end && cmdline[end] && !is_space(cmdline[end]))
        text[used++] = ' ';
    strcpy(text + used, cmdline + end);
    if (!rc && strlen(text) >= AE_CMDLINE_SIZE)
        rc = ae_error_set(err, -E2BIG,
                          "the kernel command line would have %zu bytes, and the kernel keeps %d; "
                          "shorten it",
                          strlen(text), AE_CMDLINE_SIZE - 1);
    if (rc)
        free(text);
    else
        *merged = text;
    return rc;
}

int ae_cmdline_remove(const char *cmdline, const char *parameters, char **left,
                      struct ae_error *err)
{
    struct ae_cmdline_word word;
    const char *at = cmdline, *copied = cmdline;
    size_t used = 0;
    char *text;
    int rc = ae_cmdline_check(cmdline, err);

    if (rc)
        return rc;
    text = malloc(strlen(cmdline) + 1);
    if (!text)
        return ae_error_set(err, -ENOMEM, "editing a kernel command line: out of memory");
    while (ae_cmdline_next(&at, &word)) {
        if (has_word(parameters, &word)) {
            /* What comes first keeps no space before it. */
            copied = used == 0 ? skip_space(at) : at;
            continue;
        }
        memcpy(text + used, copied, (size_t)(at - copied));
        used += (size_t)(at - copied);
        copied = at;
    }
    strcpy(text + used, copied);
    *left = text;
    return 0;
}
