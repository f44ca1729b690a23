/* SPDX-License-Identifier: Apache-2.0 */

/* The tracepoints: which are wanted, and whether they are on. */

#include "proof/gap_trace_instance.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/root.h"

/*
 * What may take a CPU away from a program. A directory stands for all of its *_entry events. Of
 * most the kernel keeps a count as well: `sees` is what nothing else does.
 */
static const struct {
    const char *event;
    unsigned sees; /* enum ae_gap_trace_sight */
} wanted[] = {
#if defined(__x86_64__)
    {"irq_vectors", 0},
#else
    {"ipi/ipi_entry", 0},
#endif
    {"irq/irq_handler_entry", 0},
    {"irq/softirq_entry", 0},
    {"sched/sched_switch", AE_GAP_TRACE_SWITCHES},
    {"exceptions/page_fault_user", 0},
    {"exceptions/page_fault_kernel", 0},
    {"raw_syscalls/sys_enter", AE_GAP_TRACE_SYSCALLS},
    {"signal/signal_deliver", AE_GAP_TRACE_SIGNALS},
    {"timer/tick_stop", 0},
    {"timer/hrtimer_expire_entry", 0},
    {"timer/timer_expire_entry", 0},
    {"workqueue/workqueue_execute_start", 0},
    {"nmi/nmi_handler", 0},
};

/* Called with a tracepoint's directory below events/. 0: it is, or was, as it should be. */
typedef int (*each_event)(const struct ae_gap_trace *trace, const char *event);

static int enable(const struct ae_gap_trace *trace, const char *event)
{
    char name[160];

    snprintf(name, sizeof(name), "events/%s/enable", event);
    return ae_gap_trace_put(trace, name, "1");
}

/* On, and without a filter. */
static int is_enabled(const struct ae_gap_trace *trace, const char *event)
{
    char name[160], text[64];
    ssize_t length;

    snprintf(name, sizeof(name), "events/%s/filter", event);
    if (ae_gap_trace_restricts(trace, name, "none"))
        return -ESTALE;
    snprintf(name, sizeof(name), "events/%s/enable", event);
    length = ae_gap_trace_get(trace, name, text, sizeof(text));
    return length > 0 && text[0] == '1' ? 0 : -ESTALE;
}

struct walk {
    const struct ae_gap_trace *trace;
    const char *directory;
    each_event each;
    unsigned count; /* of those that said 0 */
};

static int walk_entry(const char *name, void *context)
{
    struct walk *walk = context;
    size_t length = strlen(name);
    char event[96];

    if (length > 6 && strcmp(name + length - 6, "_entry") == 0) {
        snprintf(event, sizeof(event), "%s/%s", walk->directory, name);
        walk->count += walk->each(walk->trace, event) == 0;
    }
    return 0;
}

/* How many of the tracepoints that wanted[i] means are as `each` wants them. */
static unsigned walk_wanted(const struct ae_gap_trace *trace, size_t i, each_event each)
{
    struct walk walk = {trace, wanted[i].event, each, 0};
    char path[sizeof(trace->path) + 64];

    if (strchr(wanted[i].event, '/'))
        return each(trace, wanted[i].event) == 0;
    snprintf(path, sizeof(path), "%s/events/%s", trace->path, wanted[i].event);
    ae_root_list(path, walk_entry, &walk);
    return walk.count;
}

void ae_gap_trace_enable(struct ae_gap_trace *trace)
{
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        unsigned count = walk_wanted(trace, i, enable);
        size_t used = strlen(trace->missing);

        trace->events += count;
        if (count)
            trace->sees |= wanted[i].sees;
        else
            snprintf(trace->missing + used, sizeof(trace->missing) - used, "%s%s", used ? ", " : "",
                     wanted[i].event);
    }
}

unsigned ae_gap_trace_enabled(const struct ae_gap_trace *trace)
{
    unsigned count = 0;

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        count += walk_wanted(trace, i, is_enabled);
    return count;
}
