/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PROOF_ATTRIBUTION_H
#define AE_PROOF_ATTRIBUTION_H

/*
 * Says what filled a gap: matches the stretch of time in which a program did not have its CPU with
 * what the kernel traced there, on one clock (the TSC).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AE_CAUSE_NAME 96  /* one cause */
#define AE_CAUSE_TEXT 160 /* all causes of a gap */

/* One traced event on one CPU. */
struct ae_attribution_event {
    uint64_t ticks;
    const char *name;   /* the tracepoint: "local_timer_entry" */
    const char *detail; /* its arguments as the kernel prints them: "vector=236" */
};

enum ae_attribution {
    AE_ATTRIBUTED,   /* events lie in the gap */
    AE_UNATTRIBUTED, /* the trace is whole there and shows nothing: firmware, hypervisor,
                      * hardware */
    AE_UNTRACED,     /* nobody looked, or the trace lost events */
};

/* What the trace of one CPU is worth. */
struct ae_attribution_trace {
    const struct ae_attribution_event *events; /* in the order of time */
    size_t count;
    uint64_t from, to; /* between these no event was lost; from > to: nothing is known */
};

/*
 * Matches [start, end], widened by `slack` ticks on both sides (the counter may be read a few
 * instructions early or late). `cause` gets the distinct causes in the order they came, such as
 * "local_timer, softirq TIMER, switch to kworker/1:1"; "" unless attributed. System calls and page
 * faults count as the measured task's own only: not those of a task that was switched to.
 */
enum ae_attribution ae_attribute(const struct ae_attribution_trace *trace, uint64_t start,
                                 uint64_t end, uint64_t slack, char cause[AE_CAUSE_TEXT]);

/*
 * The same, event by event: calls `each` with every cause in the order they came, repetitions and
 * all.
 */
enum ae_attribution ae_attribute_each(const struct ae_attribution_trace *trace, uint64_t start,
                                      uint64_t end, uint64_t slack,
                                      void (*each)(const char *name, void *context), void *context);

/* The task that an event put on the CPU, for a sched_switch; -1: none. */
long ae_attribution_switched_to(const struct ae_attribution_event *event);

/* The cause that an event stands for, in words: "" for one that only accompanies another. */
void ae_attribution_name(const struct ae_attribution_event *event, char *name, size_t size);

#endif
