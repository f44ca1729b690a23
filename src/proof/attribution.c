/* SPDX-License-Identifier: Apache-2.0 */
#include "proof/attribution.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/*
 * How an event is put into words: `word`, then the part of its detail that follows `key` and ends
 * at `stop` (or at a space). No key: the word alone.
 */
static const struct wording {
    const char *event, *word, *key;
    char stop;
} wordings[] = {
    {"softirq_entry", "softirq ", "action=", ']'},
    {"sched_switch", "switch to ", "==> next_comm=", '\0'},
    {"sys_enter", "syscall ", "NR ", ' '},
    {"signal_deliver", "signal ", "sig=", ' '},
    {"hrtimer_expire_entry", "hrtimer ", "function=", ' '},
    {"timer_expire_entry", "timer ", "function=", ' '},
    {"workqueue_execute_start", "work ", "function ", ' '},
    {"nmi_handler", "nmi ", "", '('},
    {"ipi_entry", "ipi ", "reason=(", ')'},
    {"page_fault_user", "page fault", NULL, '\0'},
    {"page_fault_kernel", "page fault", NULL, '\0'},
};

/*
 * The number behind `key`, where one of `then` follows it. A task names itself as it likes, in 15
 * bytes: that is too few for all of this, so what is found is the kernel's. Sets *found to where
 * the key is.
 */
static long number_after(const char *detail, const char *key, const char *const then[2],
                         const char **found)
{
    for (const char *at = detail; (at = strstr(at, key)); at++) {
        char *end;
        long number = strtol(at + strlen(key), &end, 10);

        for (size_t i = 0; i < 2; i++)
            if (end > at + strlen(key) && strncmp(end, then[i], strlen(then[i])) == 0) {
                *found = at;
                return number;
            }
    }
    *found = NULL;
    return -1;
}

static long next_of(const char *detail, const char **found)
{
    static const char *const then[] = {" next_prio=", " next_prio="};

    return number_after(detail, " next_pid=", then, found);
}

static long previous_of(const char *detail)
{
    static const char *const then[] = {" prev_prio=", " prev_state="};
    const char *found;

    return number_after(detail, " prev_pid=", then, &found);
}

long ae_attribution_switched_to(const struct ae_attribution_event *event)
{
    const char *found;

    return strcmp(event->name, "sched_switch") == 0 ? next_of(event->detail, &found) : -1;
}

static size_t part_length(const char *part, const struct wording *wording)
{
    const char *end;

    if (strcmp(wording->event, "sched_switch") == 0) {
        /* A task's name may hold spaces. */
        next_of(part, &end);
        return end ? (size_t)(end - part) : strlen(part);
    }
    end = strchr(part, wording->stop);
    return end ? (size_t)(end - part) : strcspn(part, " ");
}

static void put_words(const struct ae_attribution_event *event, const struct wording *wording,
                      char *name, size_t size)
{
    const char *part = wording->key ? strstr(event->detail, wording->key) : NULL;

    if (!part) {
        snprintf(name, size, "%s", wording->word);
        return;
    }
    part += strlen(wording->key);
    snprintf(name, size, "%s%.*s", wording->word, (int)part_length(part, wording), part);
}

/* "irq=24 name=eth0" */
static void name_irq(const char *detail, char *name, size_t size)
{
    int number = 0;
    char handler[48] = "";

    sscanf(detail, "irq=%d name=%47s", &number, handler);
    snprintf(name, size, "irq %d %s", number, handler);
}

/* "success=0 dependency=SCHED": the tick was wanted off and had to stay. */
static void name_tick_stop(const char *detail, char *name, size_t size)
{
    char dependency[32] = "";

    name[0] = '\0';
    if (sscanf(detail, "success=0 dependency=%31s", dependency) == 1)
        snprintf(name, size, "tick kept by %s", dependency);
}

static void put_name(const struct ae_attribution_event *event, char *name, size_t size)
{
    static const char entry[] = "_entry";
    size_t length = strlen(event->name);

    if (strcmp(event->name, "irq_handler_entry") == 0) {
        name_irq(event->detail, name, size);
        return;
    }
    if (strcmp(event->name, "tick_stop") == 0) {
        name_tick_stop(event->detail, name, size);
        return;
    }
    for (size_t i = 0; i < sizeof(wordings) / sizeof(wordings[0]); i++)
        if (strcmp(event->name, wordings[i].event) == 0) {
            put_words(event, &wordings[i], name, size);
            return;
        }
    if (length > sizeof(entry) - 1 &&
        strcmp(event->name + length - (sizeof(entry) - 1), entry) == 0)
        length -= sizeof(entry) - 1;
    else if (length > 5 && strcmp(event->name + length - 5, "_exit") == 0)
        length = 0;
    snprintf(name, size, "%.*s", (int)length, event->name);
}

/* Tasks and interrupts are called what somebody else chose. */
void ae_attribution_name(const struct ae_attribution_event *event, char *name, size_t size)
{
    put_name(event, name, size);
    ae_text_shown(name, size, name);
}

/* Index of the first event that is not before `ticks`. */
static size_t first_from(const struct ae_attribution_trace *trace, uint64_t ticks)
{
    size_t low = 0, high = trace->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (trace->events[middle].ticks < ticks)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Is `name` one of the comma-separated causes already? */
static bool is_listed(const char *causes, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = causes; (at = strstr(at, name)); at++)
        if ((at == causes || at[-1] == ' ') && (at[length] == '\0' || at[length] == ','))
            return true;
    return false;
}

static void append(const char *name, void *context)
{
    char *cause = context;
    size_t used = strlen(cause);
    int length;

    if (is_listed(cause, name))
        return;
    length = snprintf(cause + used, AE_CAUSE_TEXT - used, "%s%s", used ? ", " : "", name);
    if (length < 0 || (size_t)length >= AE_CAUSE_TEXT - used)
        cause[used] = '\0'; /* whole causes only; the first ones matter most */
}

/* What a task brings upon itself, unlike an interrupt. */
static bool is_of_task(const struct ae_attribution_event *event)
{
    static const char *const names[] = {"sys_enter", "page_fault_user", "page_fault_kernel"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(event->name, names[i]) == 0)
            return true;
    return false;
}

enum ae_attribution ae_attribute_each(const struct ae_attribution_trace *trace, uint64_t start,
                                      uint64_t end, uint64_t slack,
                                      void (*each)(const char *name, void *context), void *context)
{
    uint64_t from = start > slack ? start - slack : 0;
    uint64_t to = end < UINT64_MAX - slack ? end + slack : UINT64_MAX;
    long measured = -1; /* the task that was switched away from: ours */
    bool away = false;  /* another task runs: what it asks of the kernel is its own affair */
    bool found = false;

    for (size_t i = first_from(trace, from); i < trace->count && trace->events[i].ticks <= to;
         i++) {
        const struct ae_attribution_event *event = &trace->events[i];
        char name[AE_CAUSE_NAME];

        if (strcmp(event->name, "sched_switch") == 0) {
            if (measured < 0)
                measured = previous_of(event->detail);
            away = ae_attribution_switched_to(event) != measured;
            if (!away)
                continue;
        } else if (away && is_of_task(event)) {
            continue;
        }
        ae_attribution_name(event, name, sizeof(name));
        if (!name[0])
            continue;
        found = true;
        each(name, context);
    }
    if (found)
        return AE_ATTRIBUTED;
    return start >= trace->from && end <= trace->to ? AE_UNATTRIBUTED : AE_UNTRACED;
}

enum ae_attribution ae_attribute(const struct ae_attribution_trace *trace, uint64_t start,
                                 uint64_t end, uint64_t slack, char cause[AE_CAUSE_TEXT])
{
    cause[0] = '\0';
    return ae_attribute_each(trace, start, end, slack, append, cause);
}
