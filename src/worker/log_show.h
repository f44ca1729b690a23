/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_LOG_SHOW_H
#define AE_WORKER_LOG_SHOW_H

/* What a log's lines look like, whoever prints them. */

#include <stdint.h>

#include <aether/log.h>

/* One moment by both clocks: a writer's, and CLOCK_REALTIME. */
struct ae_log_moment {
    uint64_t ticks, ns;
};

/* Now. The clock has been calibrated. */
void ae_log_moment_take(struct ae_log_moment *moment);

/* CLOCK_REALTIME of a line, ns; a writer may have it say anything. */
uint64_t ae_log_when_ns(const struct ae_log_moment *moment, const struct ae_log_line *line);

/* The level's name, or "stdout" and "stderr" of what was printed there. */
const char *ae_log_kind_name(const struct ae_log_line *line);

/* Returns the text's length: a line with its end, "TIME LEVEL, worker N, FILE:LINE: TEXT". */
#define AE_LOG_SHOWN (AE_LOG_LINE + 128)
size_t ae_log_show(const struct ae_log_moment *moment, unsigned worker,
                   const struct ae_log_line *line, char text[AE_LOG_SHOWN]);

#endif
