/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PROOF_GAP_TRACE_H
#define AE_PROOF_GAP_TRACE_H

/*
 * A private tracefs instance (Linux Documentation/trace/ftrace.rst, "Instances") that records what
 * the kernel does on some CPUs. Other users of tracing do not notice it. Its name carries the
 * process's id and time of start, and a number; one whose process is gone is removed by the next.
 *
 * Events are stamped with the CPU's counter where the kernel can (trace clock "x86-tsc"), so that
 * their times and ae_clock_ticks are one clock. Elsewhere it is "mono_raw", which no time service
 * adjusts: it is read together with the counter when the instance is made and when it is read, and
 * an event lies between the two in proportion; the trace's blur says how exactly.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <aether/error.h>

#include "base/clock_pair.h"
#include "base/cpus.h"
#include "proof/attribution.h"

/* What only the trace sees; of all else the kernel keeps counters, too. */
enum ae_gap_trace_sight {
    AE_GAP_TRACE_SYSCALLS = 1 << 0,
    AE_GAP_TRACE_SIGNALS = 1 << 1,
    AE_GAP_TRACE_SWITCHES = 1 << 2, /* which task had the CPU */
};

struct ae_gap_trace {
    char path[160];    /* of the instance, below the root */
    unsigned events;   /* tracepoints that could be switched on */
    unsigned sees;     /* enum ae_gap_trace_sight */
    char missing[384]; /* wanted tracepoints that this kernel does not have, comma-separated */

    /* What is compared at the end. */
    struct ae_cpus cpus;
    dev_t device;
    ino_t inode;
    const char *clock;
    bool in_seconds; /* it counts time, not ticks */
    struct ae_clock_pair opened;
    int mount; /* of a tracefs that is mounted nowhere; -1: there is one */
};

/* What the instance recorded on one CPU. */
struct ae_gap_trace_cpu {
    struct ae_attribution_trace trace;
    char *text; /* the events point into it */
    uint64_t lost;
    uint64_t blur;  /* the events' times are right to so many ticks */
    size_t strange; /* lines that are no event of this CPU: nothing is known then */
};

/*
 * Sets an instance up, recording nothing yet. kilobytes: of ring buffer per CPU.
 * -EPERM, -ENOENT, -EOPNOTSUPP: no tracing here; -EEXIST: the instance's name is taken. The error
 * says why and what would help. Needs root, or write access to tracefs; ae_clock_calibrate before.
 */
int ae_gap_trace_open(struct ae_gap_trace *trace, const struct ae_cpus *cpus, unsigned kilobytes,
                      struct ae_error *err);

int ae_gap_trace_switch(const struct ae_gap_trace *trace, int on, struct ae_error *err);

/*
 * Is it on, and all as it was set: the same instance, CPUs, clock and tracepoints, no filter?
 * -ESTALE: no, and then what it recorded says nothing. Ask before it is switched off.
 */
int ae_gap_trace_check(const struct ae_gap_trace *trace, struct ae_error *err);

/* How many events it ever recorded on a CPU. Fewer than before: somebody emptied it. */
int ae_gap_trace_written(const struct ae_gap_trace *trace, unsigned cpu, uint64_t *events);

/* Reads one CPU's record. Switch it off first. */
int ae_gap_trace_read(const struct ae_gap_trace *trace, unsigned cpu, struct ae_gap_trace_cpu *out,
                      struct ae_error *err);
void ae_gap_trace_cpu_free(struct ae_gap_trace_cpu *cpu);

/* Switches the instance off and removes it. */
void ae_gap_trace_close(struct ae_gap_trace *trace);

/*
 * Splits one line of a trace file, in place. -EINVAL: it is a comment, or not an event. Pure. A
 * time in seconds is given in nanoseconds.
 */
int ae_gap_trace_parse_line(char *line, struct ae_attribution_event *event);

/*
 * Parses what one CPU recorded, a whole trace file, in place; events point into text. The caller
 * frees *events. `in_seconds`: with a clock that counts time, not ticks; times
 * are nanoseconds then. *strange: lines behind the heading that are no event of that CPU and clock,
 * or that the kernel did not print.
 */
int ae_gap_trace_parse_cpu(char *text, unsigned cpu, bool in_seconds,
                           struct ae_attribution_event **events, size_t *count, size_t *strange);

#endif
