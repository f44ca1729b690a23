/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PROOF_GAP_TRACE_INSTANCE_H
#define AE_PROOF_GAP_TRACE_INSTANCE_H

/* The files of an instance: gap_trace.c sets it up and checks it, gap_trace_events.c has its
 * tracepoints, gap_trace_read.c its record. */

#include "proof/gap_trace.h"

int ae_gap_trace_put(const struct ae_gap_trace *trace, const char *name, const char *text);

/* As ae_root_read. */
ssize_t ae_gap_trace_get(const struct ae_gap_trace *trace, const char *name, char *text,
                         size_t size);

/* Does a file that keeps events from us name any, however many? One that says `none` or is not
 * there keeps none. */
bool ae_gap_trace_restricts(const struct ae_gap_trace *trace, const char *name, const char *none);

/* Switches on what is wanted: sets events, sees and missing. */
void ae_gap_trace_enable(struct ae_gap_trace *trace);

/* How many of the tracepoints are on, and without a filter. */
unsigned ae_gap_trace_enabled(const struct ae_gap_trace *trace);

#endif
