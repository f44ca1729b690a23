/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cpus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

/* A list being read: where, and what N stands for (-1: nothing). */
struct list {
    const char *at;
    int last;
};

/* Numbers of the range FIRST-LAST:OF/EACH, as the kernel calls them: of each group the first
 * `of`. */
struct region {
    unsigned first, last, of, each;
};

static int parse_number(struct list *list, unsigned *number)
{
    char *end;
    unsigned long value;

    if (*list->at == 'N' && list->last >= 0) {
        list->at++;
        *number = (unsigned)list->last;
        return 0;
    }
    if (*list->at < '0' || *list->at > '9')
        return -EINVAL;
    errno = 0;
    value = strtoul(list->at, &end, 10);
    if (errno || value >= AE_CPUS_MAX)
        return -ERANGE;
    list->at = end;
    *number = (unsigned)value;
    return 0;
}

static int parse_pattern(struct list *list, struct region *region)
{
    int rc;

    if (*list->at != ':')
        return 0;
    list->at++;
    rc = parse_number(list, &region->of);
    if (!rc && *list->at != '/')
        rc = -EINVAL;
    list->at++;
    return rc ? rc : parse_number(list, &region->each);
}

static int parse_region(struct list *list, struct region *region)
{
    int rc = 0;

    *region = (struct region){.of = AE_CPUS_MAX, .each = AE_CPUS_MAX};
    if (list->last >= 0 && strncasecmp(list->at, "all", 3) == 0) {
        list->at += 3;
        region->last = (unsigned)list->last;
        return parse_pattern(list, region);
    }
    rc = parse_number(list, &region->first);
    region->last = region->first;
    if (rc || *list->at != '-')
        return rc;
    list->at++;
    rc = parse_number(list, &region->last);
    return rc ? rc : parse_pattern(list, region);
}

static int add_region(struct ae_cpus *cpus, const struct region *region)
{
    if (region->last < region->first || region->each == 0 || region->of > region->each)
        return -EINVAL;
    for (unsigned cpu = region->first; cpu <= region->last; cpu++)
        if ((cpu - region->first) % region->each < region->of)
            ae_cpus_add(cpus, cpu);
    return 0;
}

int ae_cpus_parse_kernel(struct ae_cpus *cpus, const char *text, int last)
{
    struct list list = {text, last};

    ae_cpus_clear(cpus);
    if (*text == '\0' || strcmp(text, "(null)") == 0)
        return 0;
    for (;;) {
        struct region region;
        int rc = parse_region(&list, &region);

        if (!rc)
            rc = add_region(cpus, &region);
        if (rc)
            return rc;
        if (*list.at == '\0')
            return 0;
        if (*list.at++ != ',')
            return -EINVAL;
    }
}

int ae_cpus_parse(struct ae_cpus *cpus, const char *text)
{
    return ae_cpus_parse_kernel(cpus, text, -1);
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

const char *ae_cpus_show(const struct ae_cpus *cpus, char *text, size_t size)
{
    char whole[AE_CPUS_TEXT];
    size_t length, count;

    ae_cpus_format(cpus, whole, sizeof(whole));
    length = strlen(whole);
    if (length < size) {
        memcpy(text, whole, length + 1);
        return text;
    }
    count = (size_t)snprintf(NULL, 0, ",... (%u CPUs)", ae_cpus_count(cpus));
    length = count + 1 < size ? size - count - 1 : 0;
    while (length > 0 && whole[length] != ',') /* no half of a number */
        length--;
    snprintf(text, size, "%.*s%s... (%u CPUs)", (int)length, whole, length ? "," : "",
             ae_cpus_count(cpus));
    return text;
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
