/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PROOF_GAP_TRACE_H
#define AE_PROOF_GAP_TRACE_H

/*
 * A private tracefs instance (Linux Documentation/trace/ftrace.rst, "Instances") that records what
 * the kernel does on some CPUs, stamped with the TSC (trace clock "x86-tsc"), so that its times and
 * ae_clock_ticks are one clock. Other users of tracing do not notice it. The instance's name
 * carries the process id; one whose process is gone is removed by the next.
 */

#include <stddef.h>
#include <stdint.h>

#include <aether/error.h>

#include "base/cpus.h"
#include "proof/attribution.h"

struct ae_gap_trace {
    char path[128];    /* of the instance, below the root */
    unsigned events;   /* tracepoints that could be switched on */
    char missing[256]; /* wanted tracepoints that this kernel does not have, comma-separated */
};

/* What the instance recorded on one CPU. */
struct ae_gap_trace_cpu {
    struct ae_attribution_trace trace;
    char *text; /* the events point into it */
    uint64_t lost;
};

/*
 * Sets an instance up, recording nothing yet. kilobytes: of ring buffer per CPU.
 * -EPERM, -ENOENT, -EOPNOTSUPP: no tracing here; the error says why and what would help. Needs
 * root, or write access to tracefs.
 */
int ae_gap_trace_open(struct ae_gap_trace *trace, const struct ae_cpus *cpus, unsigned kilobytes,
                      struct ae_error *err);

int ae_gap_trace_switch(const struct ae_gap_trace *trace, int on, struct ae_error *err);

/* Reads one CPU's record. Switch it off first. */
int ae_gap_trace_read(const struct ae_gap_trace *trace, unsigned cpu, struct ae_gap_trace_cpu *out,
                      struct ae_error *err);
void ae_gap_trace_cpu_free(struct ae_gap_trace_cpu *cpu);

/* Removes the instance. */
void ae_gap_trace_close(struct ae_gap_trace *trace);

/*
 * Splits one line of a trace file, in place. -EINVAL: it is a comment, or not an event. Pure.
 */
int ae_gap_trace_parse_line(char *line, struct ae_attribution_event *event);

/* Parses a whole trace file in place; events point into text. The caller frees *events. */
int ae_gap_trace_parse(char *text, struct ae_attribution_event **events, size_t *count);

#endif
