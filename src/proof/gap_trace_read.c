/* SPDX-License-Identifier: Apache-2.0 */

/* What an instance recorded on a CPU, and how much of it there is. */

#include "proof/gap_trace_instance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aether/clock.h>

#include "base/error.h"
#include "base/root.h"

/* What the ring buffer says of itself. */
struct stats {
    uint64_t entries;  /* in it */
    uint64_t overrun;  /* the oldest, overwritten */
    uint64_t dropped;  /* any, and nobody knows when */
    uint64_t consumed; /* read by somebody, who so took them away */
};

static uint64_t row(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static int read_stats(const struct ae_gap_trace *trace, unsigned cpu, struct stats *stats)
{
    char name[64], text[1024] = "\n"; /* so that each row follows an end of line */
    ssize_t length;

    snprintf(name, sizeof(name), "per_cpu/cpu%u/stats", cpu);
    length = ae_gap_trace_get(trace, name, text + 1, sizeof(text) - 1);
    if (length < 0)
        return (int)length;
    stats->entries = row(text, "\nentries: ");
    stats->overrun = row(text, "\noverrun: ");
    stats->dropped = row(text, "\ndropped events: ") + row(text, "\ncommit overrun: ");
    stats->consumed = row(text, "\nread events: ");
    return 0;
}

int ae_gap_trace_written(const struct ae_gap_trace *trace, unsigned cpu, uint64_t *events)
{
    struct stats stats;
    int rc = read_stats(trace, cpu, &stats);

    if (!rc)
        *events = stats.entries + stats.overrun + stats.consumed;
    return rc;
}

/* The counter's reading at a time of a clock in ns, between two moments at which both were read. */
static uint64_t clock_ticks(uint64_t ns, const struct ae_clock_pair *from,
                            const struct ae_clock_pair *to)
{
    __int128 passed = (__int128)ns - from->ns, span = (__int128)to->ns - from->ns;
    __int128 ticks = from->ticks + (span > 0 ? passed * (to->ticks - from->ticks) / span : 0);

    return ticks < 0 ? 0 : ticks > UINT64_MAX ? UINT64_MAX : (uint64_t)ticks;
}

/* Puts times in nanoseconds onto the counter. Such a clock is printed to the microsecond, cut. */
static void convert(const struct ae_gap_trace *trace, struct ae_attribution_event *events,
                    struct ae_gap_trace_cpu *out)
{
    const struct ae_clock_pair now = ae_clock_pair_read();

    for (size_t i = 0; i < out->trace.count; i++)
        events[i].ticks = clock_ticks(events[i].ticks, &trace->opened, &now);
    out->blur = trace->opened.width + now.width + ae_clock_from_ns(2000);
}

int ae_gap_trace_read(const struct ae_gap_trace *trace, unsigned cpu, struct ae_gap_trace_cpu *out,
                      struct ae_error *err)
{
    struct ae_attribution_event *events;
    struct stats stats;
    char path[sizeof(trace->path) + 64];
    int rc;

    memset(out, 0, sizeof(*out));
    snprintf(path, sizeof(path), "%s/per_cpu/cpu%u/trace", trace->path, cpu);
    rc = read_stats(trace, cpu, &stats);
    if (!rc) {
        ssize_t length = ae_root_read_all(path, &out->text);

        rc = length < 0 ? (int)length : 0;
    }
    if (!rc)
        rc = ae_gap_trace_parse_cpu(out->text, cpu, trace->in_seconds, &events, &out->trace.count,
                                    &out->strange);
    if (rc) {
        ae_gap_trace_cpu_free(out);
        return ae_error_set(err, rc, "tracing: reading %s: %s", path, strerror(-rc));
    }
    out->trace.events = events;
    if (trace->in_seconds)
        convert(trace, events, out);
    out->lost = stats.overrun + stats.dropped + stats.consumed;
    /* The ring overwrites its oldest events, so a record that lost only those is whole from its
     * first. */
    out->trace.from = out->lost == 0 ? 0 : out->trace.count ? events[0].ticks : UINT64_MAX;
    out->trace.to = out->lost && out->trace.count == 0 ? 0 : UINT64_MAX;
    if (stats.dropped || stats.consumed || out->strange) {
        out->trace.from = UINT64_MAX;
        out->trace.to = 0;
    }
    return 0;
}

void ae_gap_trace_cpu_free(struct ae_gap_trace_cpu *cpu)
{
    free((void *)(uintptr_t)cpu->trace.events);
    free(cpu->text);
    memset(cpu, 0, sizeof(*cpu));
}
