/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proof/gap_trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(const uint8_t *data, size_t size, bool in_seconds)
{
    struct ae_attribution_trace trace = {NULL, 0, 0, UINT64_MAX};
    struct ae_attribution_event *events = NULL;
    char *text = malloc(size + 1), cause[AE_CAUSE_TEXT];
    size_t strange;

    memcpy(text, data, size);
    text[size] = '\0';
    if (ae_gap_trace_parse_cpu(text, 1, in_seconds, &events, &trace.count, &strange) == 0) {
        if (strange > size + 1 || trace.count > size)
            abort();
        trace.events = events;
        ae_attribute(&trace, 10, 1000, 5, cause);
        ae_attribute(&trace, 0, UINT64_MAX, 5, cause);
        for (size_t i = 0; i < trace.count; i++)
            ae_attribution_switched_to(&events[i]);
    }
    free(events);
    free(text);
}

/* Whatever a task is called: what it does is its event, or else the trace is said to be strange. */
static void hide(const uint8_t *data, size_t size)
{
    struct ae_attribution_event *events = NULL;
    char name[16] = "", text[256];
    size_t count, strange;

    memcpy(name, data, size < 15 ? size : 15);
    snprintf(text, sizeof(text),
             "# tracer: nop\n#\n%16s-%-7d [%03u] d..2. 1000: sys_enter: NR 24 (0)\n", name, 4321,
             1);
    if (ae_gap_trace_parse_cpu(text, 1, false, &events, &count, &strange))
        return;
    if (!strange &&
        (count != 1 || events[0].ticks != 1000 || strcmp(events[0].name, "sys_enter") != 0 ||
         strncmp(events[0].detail, "NR 24", 5) != 0))
        abort();
    free(events);
}

/* Nor does a name make another task the one that was put on the CPU. */
static void pose(const uint8_t *data, size_t size)
{
    char from[16] = "", to[16] = "", detail[256];
    const struct ae_attribution_event event = {1, "sched_switch", detail};

    memcpy(from, data, size < 15 ? size : 15);
    if (size > 15)
        memcpy(to, data + 15, size - 15 < 15 ? size - 15 : 15);
    snprintf(detail, sizeof(detail),
             "prev_comm=%s prev_pid=7 prev_prio=120 prev_state=R ==> next_comm=%s next_pid=9 "
             "next_prio=120",
             from, to);
    if (ae_attribution_switched_to(&event) != 9)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse(data, size, false);
    parse(data, size, true);
    hide(data, size);
    pose(data, size);
    return 0;
}
