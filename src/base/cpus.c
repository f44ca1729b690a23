/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cpus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/root.h"

#define WORDS (AE_CPUS_MAX / 64)

void ae_cpus_clear(struct ae_cpus *cpus)
{
    memset(cpus, 0, sizeof(*cpus));
}

void ae_cpus_add(struct ae_cpus *cpus, unsigned cpu)
{
    if (cpu < AE_CPUS_MAX)
        cpus->bits[cpu / 64] |= UINT64_C(1) << (cpu % 64);
}

void ae_cpus_remove(struct ae_cpus *cpus, unsigned cpu)
{
    if (cpu < AE_CPUS_MAX)
        cpus->bits[cpu / 64] &= ~(UINT64_C(1) << (cpu % 64));
}

bool ae_cpus_has(const struct ae_cpus *cpus, unsigned cpu)
{
    return cpu < AE_CPUS_MAX && (cpus->bits[cpu / 64] >> (cpu % 64) & 1);
}

unsigned ae_cpus_count(const struct ae_cpus *cpus)
{
    unsigned count = 0;

    for (size_t i = 0; i < WORDS; i++)
        count += (unsigned)__builtin_popcountll(cpus->bits[i]);
    return count;
}

bool ae_cpus_intersect(const struct ae_cpus *a, const struct ae_cpus *b)
{
    for (size_t i = 0; i < WORDS; i++)
        if (a->bits[i] & b->bits[i])
            return true;
    return false;
}

bool ae_cpus_equal(const struct ae_cpus *a, const struct ae_cpus *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

void ae_cpus_subtract(struct ae_cpus *a, const struct ae_cpus *b)
{
    for (size_t i = 0; i < WORDS; i++)
        a->bits[i] &= ~b->bits[i];
}

void ae_cpus_keep(struct ae_cpus *a, const struct ae_cpus *b)
{
    for (size_t i = 0; i < WORDS; i++)
        a->bits[i] &= b->bits[i];
}

void ae_cpus_join(struct ae_cpus *a, const struct ae_cpus *b)
{
    for (size_t i = 0; i < WORDS; i++)
        a->bits[i] |= b->bits[i];
}

bool ae_cpus_within(const struct ae_cpus *a, const struct ae_cpus *b)
{
    for (size_t i = 0; i < WORDS; i++)
        if (a->bits[i] & ~b->bits[i])
            return false;
    return true;
}

int ae_cpus_next(const struct ae_cpus *cpus, unsigned from)
{
    for (unsigned cpu = from; cpu < AE_CPUS_MAX; cpu++)
        if (ae_cpus_has(cpus, cpu))
            return (int)cpu;
    return -1;
}

/* One CPU number at *text, which is moved behind it. */
static int parse_cpu(const char **text, unsigned *cpu)
{
    char *end;
    unsigned long value;

    if (**text < '0' || **text > '9')
        return -EINVAL;
    errno = 0;
    value = strtoul(*text, &end, 10);
    if (errno || value >= AE_CPUS_MAX)
        return -ERANGE;
    *text = end;
    *cpu = (unsigned)value;
    return 0;
}

int ae_cpus_parse(struct ae_cpus *cpus, const char *text)
{
    ae_cpus_clear(cpus);
    if (*text == '\0' || strcmp(text, "(null)") == 0)
        return 0;
    for (;;) {
        unsigned first, last;
        int rc = parse_cpu(&text, &first);

        last = first;
        if (!rc && *text == '-') {
            text++;
            rc = parse_cpu(&text, &last);
        }
        if (rc)
            return rc;
        if (last < first)
            return -EINVAL;
        for (unsigned cpu = first; cpu <= last; cpu++)
            ae_cpus_add(cpus, cpu);
        if (*text == '\0')
            return 0;
        if (*text++ != ',')
            return -EINVAL;
    }
}

int ae_cpus_format(const struct ae_cpus *cpus, char *text, size_t size)
{
    size_t used = 0;
    int first = ae_cpus_next(cpus, 0);

    if (size == 0)
        return -ENOSPC;
    text[0] = '\0';
    while (first >= 0) {
        unsigned last = (unsigned)first;
        const char *comma = used ? "," : "";
        int length;

        while (ae_cpus_has(cpus, last + 1))
            last++;
        if (last == (unsigned)first)
            length = snprintf(text + used, size - used, "%s%d", comma, first);
        else
            length = snprintf(text + used, size - used, "%s%d-%u", comma, first, last);
        if (length < 0 || (size_t)length >= size - used)
            return -ENOSPC;
        used += (size_t)length;
        first = ae_cpus_next(cpus, last + 1);
    }
    return (int)used;
}

/* Moves the set up by one hexadecimal word, which takes the place at the bottom. */
static int push_word(struct ae_cpus *cpus, uint32_t word)
{
    if (cpus->bits[WORDS - 1] >> 32)
        return -ERANGE;
    for (size_t i = WORDS - 1; i > 0; i--)
        cpus->bits[i] = cpus->bits[i] << 32 | cpus->bits[i - 1] >> 32;
    cpus->bits[0] = cpus->bits[0] << 32 | word;
    return 0;
}

int ae_cpus_parse_mask(struct ae_cpus *cpus, const char *text)
{
    ae_cpus_clear(cpus);
    for (;;) {
        size_t digits = strspn(text, "0123456789abcdefABCDEF");
        int rc;

        if (digits == 0 || digits > 8)
            return -EINVAL;
        rc = push_word(cpus, (uint32_t)strtoul(text, NULL, 16));
        if (rc)
            return rc;
        text += digits;
        if (*text == '\0')
            return 0;
        if (*text++ != ',')
            return -EINVAL;
    }
}

static uint32_t mask_word(const struct ae_cpus *cpus, unsigned word)
{
    return (uint32_t)(cpus->bits[word / 2] >> (word % 2 ? 32 : 0));
}

int ae_cpus_format_mask(const struct ae_cpus *cpus, unsigned width, char *text, size_t size)
{
    unsigned words = AE_CPUS_MAX / 32;
    unsigned least = width ? (width + 31) / 32 : 1;
    size_t used = 0;

    while (words > least && mask_word(cpus, words - 1) == 0)
        words--;
    for (unsigned word = words; word-- > 0;) {
        int length = snprintf(text + used, size - used, "%s%08" PRIx32, used ? "," : "",
                              mask_word(cpus, word));

        if (length < 0 || (size_t)length >= size - used)
            return -ENOSPC;
        used += (size_t)length;
    }
    return (int)used;
}

int ae_cpus_read(struct ae_cpus *cpus, const char *path)
{
    char *text;
    ssize_t length = ae_root_read_all(path, &text);
    int rc;

    if (length < 0)
        return (int)length;
    text[strcspn(text, "\n")] = '\0';
    rc = ae_cpus_parse(cpus, text);
    free(text);
    return rc;
}
