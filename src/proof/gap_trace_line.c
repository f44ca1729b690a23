/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The text of a trace: "TASK-PID [CPU] FLAGS TIME: NAME: DETAIL", a line an event. A task calls
 * itself what it likes, also "[1] d 5: a: b", or with an end of line in it; that must not hide what
 * it does. But the kernel prints names to 16 columns, and they have 15 bytes at most.
 */

#include "proof/gap_trace.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TASK_COLUMNS 16

/* An event, and what tells whose it is. */
struct line {
    struct ae_attribution_event event;
    unsigned cpu;
    bool in_seconds;
    bool in_columns; /* as the kernel prints it */
};

/* "123456:" of a clock that counts, "12.345678:" of one in seconds, which becomes nanoseconds. */
static char *parse_time(char *at, struct line *line)
{
    struct ae_attribution_event *event = &line->event;
    char *end;

    if (!isdigit((unsigned char)*at))
        return NULL;
    errno = 0;
    event->ticks = strtoull(at, &end, 10);
    line->in_seconds = *end == '.';
    if (line->in_seconds) {
        char *fraction = end + 1;
        unsigned long micro = strtoul(fraction, &end, 10);

        if (!isdigit((unsigned char)*fraction) || end - fraction != 6 ||
            event->ticks > UINT64_MAX / 2000000000)
            return NULL;
        event->ticks = event->ticks * 1000000000 + micro * 1000;
    }
    return errno || end[0] != ':' || end[1] != ' ' ? NULL : end + 2;
}

static int parse_from_bracket(char *at, struct line *line)
{
    char *end, *name, *detail;

    if (!isdigit((unsigned char)*++at))
        return -EINVAL;
    line->cpu = (unsigned)strtoul(at, &end, 10);
    if (end[0] != ']' || end[1] != ' ')
        return -EINVAL;
    at = end + 2;
    at += strspn(at, " ");
    at += strcspn(at, " "); /* irqs-off, need-resched, context, preempt depth */
    at += strspn(at, " ");
    name = parse_time(at, line);
    if (!name)
        return -EINVAL;
    name += strspn(name, " ");
    detail = strchr(name, ':');
    if (!detail || detail == name)
        return -EINVAL;
    *detail++ = '\0';
    line->event.name = name;
    line->event.detail = detail + strspn(detail, " ");
    return 0;
}

/* From the dash between a task's name and its number. */
static int parse_from_dash(char *dash, struct line *line)
{
    char *end = dash + 1 + strspn(dash + 1, "0123456789");

    if (end == dash + 1)
        return -EINVAL;
    end += strspn(end, " ");
    return *end == '[' ? parse_from_bracket(end, line) : -EINVAL;
}

static int parse(char *text, struct line *line)
{
    memset(line, 0, sizeof(*line));
    if (*text == '#')
        return -EINVAL;
    line->in_columns = strnlen(text, TASK_COLUMNS + 1) > TASK_COLUMNS && text[TASK_COLUMNS] == '-';
    if (line->in_columns)
        return parse_from_dash(text + TASK_COLUMNS, line);
    for (char *at = text; (at = strchr(at, '-')); at++)
        if (parse_from_dash(at, line) == 0)
            return 0;
    return -EINVAL;
}

int ae_gap_trace_parse_line(char *text, struct ae_attribution_event *event)
{
    struct line line;
    int rc = parse(text, &line);

    *event = line.event;
    return rc;
}

static bool is_lost(const char *line)
{
    return strncmp(line, "CPU:", 4) == 0 && strstr(line, "[LOST ");
}

struct list {
    struct ae_attribution_event *items;
    size_t count, capacity;
};

static int add(struct list *list, const struct ae_attribution_event *event)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 1024;
        struct ae_attribution_event *more = realloc(list->items, capacity * sizeof(*more));

        if (!more)
            return -ENOMEM;
        list->items = more;
        list->capacity = capacity;
    }
    list->items[list->count++] = *event;
    return 0;
}

int ae_gap_trace_parse_cpu(char *text, unsigned cpu, bool in_seconds,
                           struct ae_attribution_event **events, size_t *count, size_t *strange)
{
    struct list list = {0};
    bool head = true;
    char *at;

    *strange = 0;
    while ((at = strsep(&text, "\n"))) {
        struct line line;
        int rc;

        if ((head && *at == '#') || (!*at && !text))
            continue;
        head = false;
        if (is_lost(at))
            continue;
        rc = parse(at, &line);
        *strange += rc || !line.in_columns || line.cpu != cpu || line.in_seconds != in_seconds;
        if (!rc && add(&list, &line.event)) {
            free(list.items);
            return -ENOMEM;
        }
    }
    *events = list.items;
    *count = list.count;
    return 0;
}
