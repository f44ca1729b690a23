/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "machine/cmdline.h"
#include "machine/isolation.h"

#define DEFAULT_PAGE (2ull << 20) /* of x86-64, and of arm64 with pages of 4 kB */

/* ---- Units ---- */

/* "2M", "1g", "2097152" (lib/cmdline.c memparse) in bytes; 0: it is no size. */
static unsigned long long size_of(const struct ae_cmdline_word *word)
{
    char text[32], *end;
    unsigned long long size;
    const char *unit;

    snprintf(text, sizeof(text), "%.*s", (int)word->value_length, word->value ? word->value : "");
    size = strtoull(text, &end, 0);
    unit = strchr("kmgtpe", tolower((unsigned char)*end));
    return *end && unit ? size << (10 * (unit - "kmgtpe" + 1)) : size;
}

void ae_cmdline_units_begin(struct ae_cmdline_units *units, const char *cmdline)
{
    struct ae_cmdline_word word;

    units->at = cmdline;
    units->page_size_default = DEFAULT_PAGE;
    while (ae_cmdline_next(&cmdline, &word))
        if (ae_cmdline_names(&word, "default_hugepagesz"))
            units->page_size_default = size_of(&word);
    units->page_size = units->page_size_default;
}

bool ae_cmdline_next_unit(struct ae_cmdline_units *units, struct ae_cmdline_word *unit)
{
    struct ae_cmdline_word second;
    const char *at;

    if (!ae_cmdline_next(&units->at, unit))
        return false;
    unit->page_size = 0;
    if (ae_cmdline_names(unit, "hugepagesz")) {
        units->page_size = size_of(unit);
        at = units->at;
        if (!ae_cmdline_next(&at, &second) || !ae_cmdline_names(&second, "hugepages"))
            return true;
        second.length += (size_t)(second.text - unit->text);
        second.text = unit->text;
        *unit = second;
        units->at = at;
    }
    if (ae_cmdline_names(unit, "hugepages"))
        unit->page_size = units->page_size;
    return true;
}

static bool same_text(const struct ae_cmdline_word *a, const struct ae_cmdline_word *b)
{
    return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

static bool same_name(const struct ae_cmdline_word *a, const struct ae_cmdline_word *b)
{
    return ae_cmdline_same_name(a, b) && a->page_size == b->page_size;
}

static bool same_value(const struct ae_cmdline_word *a, const struct ae_cmdline_word *b)
{
    if (ae_cmdline_names(a, "hugepagesz"))
        return size_of(a) == size_of(b);
    return !a->value == !b->value && a->value_length == b->value_length &&
           (!a->value || memcmp(a->value, b->value, a->value_length) == 0);
}

/* ---- What is there ---- */

/* Parameters of which a command line may carry several; the rest are in conflict with another
 * value. */
static bool may_repeat(const struct ae_cmdline_word *word)
{
    static const char *const names[] = {"console", "earlycon", "hugepagesz", "rd.driver.pre",
                                        "module_blacklist"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (ae_cmdline_names(word, names[i]))
            return true;
    return false;
}

struct line {
    const char *text;
    unsigned last; /* CPU */
    struct ae_isolation isolation;
};

/* The unit of the line that has the wanted one's name, and the same (or another) value. */
static bool find(const struct line *line, const struct ae_cmdline_word *wanted, bool same,
                 struct ae_cmdline_word *found)
{
    struct ae_cmdline_units units;

    ae_cmdline_units_begin(&units, line->text);
    while (ae_cmdline_next_unit(&units, found))
        if (same_name(found, wanted) && same_value(found, wanted) == same)
            return true;
    return false;
}

static int conflict(const struct ae_cmdline_word *there, const struct ae_cmdline_word *wanted,
                    struct ae_error *err)
{
    return ae_error_set(err, -EEXIST,
                        "the kernel command line already has %.*s where %.*s is wanted; "
                        "somebody else set it, so take it out there first",
                        (int)there->length, there->text, (int)wanted->length, wanted->text);
}

/* The word for which isolation is in conflict, or that which is wanted itself. */
static void find_rival(const struct line *line, const struct ae_cmdline_word *wanted,
                       struct ae_cmdline_word *rival)
{
    struct ae_cmdline_units units;
    struct ae_isolation alone;

    ae_cmdline_units_begin(&units, line->text);
    while (ae_cmdline_next_unit(&units, rival)) {
        char *text = strndup(rival->text, rival->length);

        ae_isolation_parse(&alone, text ? text : "", line->last);
        free(text);
        if (ae_isolation_ask(&alone, wanted, line->last) == AE_ISOLATION_CONFLICT)
            return;
    }
    *rival = *wanted;
}

/* 2: it is there, and so is another; 1: it is there, 0: it may be added, -EEXIST. */
static int is_there(const struct line *line, const struct ae_cmdline_word *wanted,
                    struct ae_error *err)
{
    struct ae_cmdline_word found = *wanted;

    switch (ae_isolation_ask(&line->isolation, wanted, line->last)) {
    case AE_ISOLATION_PRESENT:
        return 1;
    case AE_ISOLATION_ABSENT:
        return 0;
    case AE_ISOLATION_TWICE:
        return 2;
    case AE_ISOLATION_CONFLICT:
        find_rival(line, wanted, &found);
        return conflict(&found, wanted, err);
    case AE_ISOLATION_OTHER:
        break;
    }
    if (!may_repeat(wanted) && find(line, wanted, false, &found))
        return conflict(&found, wanted, err);
    return find(line, wanted, true, &found);
}

static void read_line(struct line *line, const char *cmdline)
{
    line->text = cmdline;
    line->last = ae_isolation_last();
    ae_isolation_parse(&line->isolation, cmdline, line->last);
}

bool ae_cmdline_has(const char *cmdline, const char *parameters)
{
    struct ae_cmdline_units units;
    struct ae_cmdline_word unit;
    struct line line;

    read_line(&line, cmdline);
    ae_cmdline_units_begin(&units, parameters);
    while (ae_cmdline_next_unit(&units, &unit))
        if (is_there(&line, &unit, NULL) <= 0)
            return false;
    return true;
}

static size_t append(char *text, size_t used, const struct ae_cmdline_word *unit)
{
    if (used > 0 && !isspace((unsigned char)text[used - 1]))
        text[used++] = ' ';
    memcpy(text + used, unit->text, unit->length);
    text[used + unit->length] = '\0';
    return used + unit->length;
}

int ae_cmdline_missing(const char *cmdline, const char *parameters, char **missing,
                       struct ae_error *err)
{
    struct ae_cmdline_units units;
    struct ae_cmdline_word unit;
    struct line line;
    size_t used = 0;
    char *text;
    int rc = ae_cmdline_check(cmdline, err);

    if (!rc)
        rc = ae_cmdline_check(parameters, err);
    if (rc)
        return rc;
    text = calloc(1, strlen(parameters) + 1);
    if (!text)
        return ae_error_set(err, -ENOMEM, "reading a kernel command line: out of memory");
    read_line(&line, cmdline);
    ae_cmdline_units_begin(&units, parameters);
    while (rc >= 0 && ae_cmdline_next_unit(&units, &unit)) {
        rc = is_there(&line, &unit, err);
        if (rc == 0)
            used = append(text, used, &unit);
        if (rc == 2) {
            struct ae_cmdline_word rival;

            find_rival(&line, &unit, &rival);
            rc = conflict(&rival, &unit, err);
        }
    }
    if (rc < 0) {
        free(text);
        return rc;
    }
    *missing = text;
    return 0;
}

/* ---- Editing ---- */

/* Where parameters may be appended: behind the last one, before " --". */
static size_t parameters_end(const char *cmdline)
{
    struct ae_cmdline_word word;
    const char *at = cmdline;

    while (ae_cmdline_next(&at, &word))
        ;
    return (size_t)(at - cmdline);
}

int ae_cmdline_merge(const char *cmdline, const char *parameters, char **merged,
                     struct ae_error *err)
{
    size_t end = parameters_end(cmdline), length;
    char *missing, *text;
    int rc = ae_cmdline_missing(cmdline, parameters, &missing, err);

    if (rc)
        return rc;
    length = strlen(missing);
    text = malloc(strlen(cmdline) + length + 3);
    if (!text) {
        free(missing);
        return ae_error_set(err, -ENOMEM, "merging a kernel command line: out of memory");
    }
    memcpy(text, cmdline, end);
    if (length > 0) {
        length = append(text, end, &(struct ae_cmdline_word){.text = missing, .length = length});
        if (cmdline[end] && !isspace((unsigned char)cmdline[end]))
            text[length++] = ' ';
    } else {
        length = end;
    }
    strcpy(text + length, cmdline + end);
    free(missing);
    if (strlen(text) >= AE_CMDLINE_SIZE) {
        rc = ae_error_set(err, -E2BIG,
                          "the kernel command line would have %zu bytes, and the kernel keeps %d; "
                          "shorten it",
                          strlen(text), AE_CMDLINE_SIZE - 1);
        free(text);
        return rc;
    }
    *merged = text;
    return 0;
}

/* The last unit that is written just so. */
static bool find_written(const char *cmdline, const struct ae_cmdline_word *wanted,
                         struct ae_cmdline_word *found)
{
    struct ae_cmdline_units units;
    struct ae_cmdline_word unit;
    bool there = false;

    ae_cmdline_units_begin(&units, cmdline);
    while (ae_cmdline_next_unit(&units, &unit))
        if (same_text(&unit, wanted)) {
            *found = unit;
            there = true;
        }
    return there;
}

char *ae_cmdline_added(const char *before, const char *after)
{
    char *text = calloc(1, strlen(after) + 1);
    struct ae_cmdline_units units;
    struct ae_cmdline_word unit, found;
    size_t used = 0;

    ae_cmdline_units_begin(&units, after);
    while (text && ae_cmdline_next_unit(&units, &unit))
        if (!find_written(before, &unit, &found))
            used = append(text, used, &unit);
    return text;
}

int ae_cmdline_remove(const char *cmdline, const char *parameters, char **left,
                      struct ae_error *err)
{
    struct ae_cmdline_units units;
    struct ae_cmdline_word unit, found;
    char *text;
    int rc = ae_cmdline_check(cmdline, err);

    if (rc)
        return rc;
    text = strdup(cmdline);
    if (!text)
        return ae_error_set(err, -ENOMEM, "editing a kernel command line: out of memory");
    ae_cmdline_units_begin(&units, parameters);
    while (ae_cmdline_next_unit(&units, &unit)) {
        size_t begin, end;

        if (!find_written(text, &unit, &found))
            continue;
        begin = (size_t)(found.text - text);
        end = begin + found.length;
        while (begin > 0 && isspace((unsigned char)text[begin - 1]))
            begin--;
        if (begin == 0) /* what comes first keeps no space before it */
            end += strspn(text + end, " \t");
        memmove(text + begin, text + end, strlen(text + end) + 1);
    }
    *left = text;
    return 0;
}
