/* SPDX-License-Identifier: Apache-2.0 */

/* Conversions of printf(3), as C23 7.23.6.1 has them. */

#include <string.h>

#include "worker/log.h"

#define DIGITS_MAX 2 /* of a width or a precision: what is shown is bounded */

static bool skip_number(const char **at)
{
    size_t digits = strspn(*at, "0123456789");

    *at += digits;
    return digits <= DIGITS_MAX;
}

/* h, hh, l, ll, z, j, t: bits of an integer; 0: a length that is none. */
static unsigned read_length(const char **at)
{
    static const struct {
        char text[3];
        unsigned bits;
    } lengths[] = {{"hh", 8}, {"h", 16}, {"ll", 64}, {"l", 64}, {"z", 64}, {"j", 64}, {"t", 64}};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        size_t length = strlen(lengths[i].text);

        if (strncmp(*at, lengths[i].text, length) == 0) {
            *at += length;
            return lengths[i].bits;
        }
    }
    return 0;
}

static bool settle(struct ae_log_spec *spec, unsigned bits)
{
    spec->bits = bits ? bits : 32;
    switch (spec->conversion) {
    case 'd':
    case 'i':
        spec->kind = spec->bits == 64 ? AE_LOG_WORD : AE_LOG_INT32;
        return true;
    case 'o':
    case 'u':
    case 'x':
    case 'X':
        spec->kind = spec->bits == 64 ? AE_LOG_WORD : AE_LOG_UINT32;
        return true;
    case 'c':
        spec->kind = AE_LOG_INT32;
        return !bits;
    case 'p':
        spec->kind = AE_LOG_WORD;
        return !bits;
    case 's':
        spec->kind = AE_LOG_TEXT;
        return !bits;
    case 'a':
    case 'A':
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        spec->kind = AE_LOG_DOUBLE;
        return !bits || bits == 64; /* 'l' means nothing here */
    default:
        return false;
    }
}

bool ae_log_next_spec(const char **at, struct ae_log_spec *spec)
{
    const char *from = *at;
    unsigned bits;

    *spec = (struct ae_log_spec){.plain = from, .plain_length = strcspn(from, "%")};
    from += spec->plain_length;
    *at = from;
    if (!*from)
        return true;
    spec->start = from++;
    if (*from == '%') {
        spec->conversion = '%';
        *at = from + 1;
        return true;
    }
    from += strspn(from, "-+ #0");
    if (!skip_number(&from))
        return false;
    if (*from == '.') {
        from++;
        if (!skip_number(&from))
            return false;
    }
    spec->flags = (size_t)(from - spec->start) - 1;
    bits = read_length(&from);
    spec->conversion = *from;
    if (!*from || !settle(spec, bits))
        return false;
    *at = from + 1;
    return true;
}
