/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/counters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/root.h"
#include "base/text.h"

static int add(struct ae_counters *counters, const char *prefix, const char *name, size_t length,
               uint64_t value)
{
    struct ae_counter *counter;

    if (counters->count == counters->capacity) {
        size_t capacity = counters->capacity ? 2 * counters->capacity : 64;
        struct ae_counter *bigger = realloc(counters->items, capacity * sizeof(*bigger));

        if (!bigger)
            return -ENOMEM;
        counters->items = bigger;
        counters->capacity = capacity;
    }
    counter = &counters->items[counters->count++];
    snprintf(counter->name, sizeof(counter->name), "%s:%.*s", prefix, (int)length, name);
    ae_text_shown(counter->name, sizeof(counter->name), counter->name);
    counter->value = value;
    return 0;
}

/* The CPU of each column; only online CPUs have one. Returns how many there are. */
static size_t parse_header(const char *line, const char *end, uint16_t *columns, size_t size)
{
    size_t count = 0;

    while (line < end && count < size) {
        char *behind;
        unsigned long cpu;

        while (line < end && *line == ' ')
            line++;
        if (end - line < 4 || strncmp(line, "CPU", 3) != 0 || line[3] < '0' || line[3] > '9')
            break;
        cpu = strtoul(line + 3, &behind, 10);
        columns[count++] = (uint16_t)(cpu < AE_CPUS_MAX ? cpu : UINT16_MAX);
        line = behind;
    }
    return count;
}

static bool any_wanted(const uint16_t *columns, size_t count, const struct ae_cpus *cpus)
{
    for (size_t i = 0; i < count; i++)
        if (ae_cpus_has(cpus, columns[i]))
            return true;
    return false;
}

/* Adds up the columns of the wanted CPUs. Rows with fewer numbers than CPUs count other things. */
static bool sum_row(const char *text, const uint16_t *columns, size_t count,
                    const struct ae_cpus *cpus, uint64_t *sum)
{
    *sum = 0;
    for (size_t i = 0; i < count; i++) {
        char *behind;
        unsigned long long value;

        text += strspn(text, " ");
        if (*text < '0' || *text > '9')
            return false;
        value = strtoull(text, &behind, 10);
        if (*behind != ' ' && *behind != '\n' && *behind != '\0')
            return false;
        if (ae_cpus_has(cpus, columns[i]))
            *sum += value;
        text = behind;
    }
    return true;
}

/*
 * Rows that other architectures call otherwise (Linux arch/arm64/kernel/smp.c,
 * arch/riscv/kernel/smp.c: "IPI0: ... Rescheduling interrupts"; the tick of arm64 is the device
 * interrupt of arch_timer), by the name that x86 gives them and knobs ask for.
 */
static const struct {
    const char *row, *description, *name; /* row: how it begins; "": a number */
} elsewhere[] = {
    {"IPI", "Rescheduling interrupts", "RES"},
    {"IPI", "Function call interrupts", "CAL"},
    {"IPI", "IRQ work interrupts", "IWI"},
    {"", "arch_timer", "LOC"},
    {"", "riscv-timer", "LOC"},
};

static int add_known(struct ae_counters *counters, const char *prefix, const char *name,
                     uint64_t value)
{
    const struct ae_counter *known;
    char whole[16];

    snprintf(whole, sizeof(whole), "%s:%s", prefix, name);
    known = ae_counters_find(counters, whole);
    if (known) { /* a second timer */
        counters->items[known - counters->items].value += value;
        return 0;
    }
    return add(counters, prefix, name, strlen(name), value);
}

static const char *known_name(const char *name, const char *end)
{
    size_t length = (size_t)(end - name);

    for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
        size_t begins = strlen(elsewhere[i].row);
        bool fits =
            begins ? strncmp(name, elsewhere[i].row, begins) == 0 : *name >= '0' && *name <= '9';

        if (fits && length > begins &&
            memmem(name, length, elsewhere[i].description, strlen(elsewhere[i].description)))
            return elsewhere[i].name;
    }
    return NULL;
}

int ae_counters_parse_table(struct ae_counters *counters, const char *prefix, const char *text,
                            const struct ae_cpus *cpus)
{
    uint16_t *columns = malloc(AE_CPUS_MAX * sizeof(*columns));
    const char *line = text + strcspn(text, "\n");
    size_t count;
    int rc = 0;

    if (!columns)
        return -ENOMEM;
    count = parse_header(text, line, columns, AE_CPUS_MAX);
    /* A table without a column of theirs says nothing about them, not even 0. */
    if (!any_wanted(columns, count, cpus))
        count = 0;
    while (*line && !rc) {
        const char *name = ++line, *colon, *known;
        uint64_t sum;

        name += strspn(name, " ");
        colon = name + strcspn(name, ":\n");
        line = name + strcspn(name, "\n");
        if (*colon == ':' && colon > name && count > 0 &&
            sum_row(colon + 1, columns, count, cpus, &sum)) {
            known = strcmp(prefix, "irq") == 0 ? known_name(name, line) : NULL;
            rc = known ? add_known(counters, prefix, known, sum)
                       : add(counters, prefix, name, (size_t)(colon - name), sum);
        }
    }
    free(columns);
    return rc;
}

int ae_counters_parse_schedstat(struct ae_counters *counters, const char *text,
                                const struct ae_cpus *cpus)
{
    uint64_t slices = 0;
    bool seen = false;

    for (const char *line = text; line; line = strchr(line, '\n')) {
        unsigned long long value;
        unsigned cpu;

        line += *line == '\n';
        if (sscanf(line, "cpu%5u %*u %*u %*u %*u %*u %*u %*u %*u %20llu", &cpu, &value) != 2 ||
            !ae_cpus_has(cpus, cpu))
            continue;
        slices += value;
        seen = true;
    }
    return seen ? add(counters, "sched", "slices", strlen("slices"), slices) : 0;
}

static int read_table(struct ae_counters *counters, const char *prefix, const char *path,
                      const struct ae_cpus *cpus)
{
    char *text;
    ssize_t length = ae_root_read_all(path, &text);
    int rc;

    if (length < 0)
        return length == -ENOENT ? 0 : (int)length;
    rc = strcmp(prefix, "sched") == 0 ? ae_counters_parse_schedstat(counters, text, cpus)
                                      : ae_counters_parse_table(counters, prefix, text, cpus);
    free(text);
    return rc;
}

int ae_counters_read(struct ae_counters *counters, const struct ae_cpus *cpus)
{
    int rc;

    memset(counters, 0, sizeof(*counters));
    rc = read_table(counters, "irq", "/proc/interrupts", cpus);
    if (!rc)
        rc = read_table(counters, "softirq", "/proc/softirqs", cpus);
    if (!rc)
        rc = read_table(counters, "sched", "/proc/schedstat", cpus);
    return rc;
}

void ae_counters_free(struct ae_counters *counters)
{
    free(counters->items);
    memset(counters, 0, sizeof(*counters));
}

const struct ae_counter *ae_counters_find(const struct ae_counters *counters, const char *name)
{
    for (size_t i = 0; i < counters->count; i++)
        if (strcmp(counters->items[i].name, name) == 0)
            return &counters->items[i];
    return NULL;
}

bool ae_counters_growth(const struct ae_counters *before, const struct ae_counter *after,
                        uint64_t *growth)
{
    const struct ae_counter *first = ae_counters_find(before, after->name);
    uint64_t was = first ? first->value : 0;
    uint32_t around = (uint32_t)(after->value - was);

    *growth = after->value - was;
    if (after->value >= was)
        return true;
    /* Only what was near its end can have run over it; of a sum, one of its parts. */
    if (around < UINT32_MAX / 2) {
        *growth = around;
        return true;
    }
    *growth = after->value;
    return false;
}
