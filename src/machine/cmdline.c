/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/cmdline.h"

#include <errno.h>
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

bool ae_cmdline_same_name(const struct ae_cmdline_word *a, const struct ae_cmdline_word *b)
{
    return same_name(a->name, a->name_length, b->name, b->name_length);
}

bool ae_cmdline_names(const struct ae_cmdline_word *word, const char *name)
{
    return same_name(word->name, word->name_length, name, strlen(name));
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
