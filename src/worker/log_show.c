/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/log_show.h"

#include <stdio.h>
#include <time.h>

#include <aether/clock.h>

#define NS 1000000000ull

void ae_log_moment_take(struct ae_log_moment *moment)
{
    struct timespec now;

    moment->ticks = ae_clock_ticks();
    clock_gettime(CLOCK_REALTIME, &now);
    moment->ns = (uint64_t)now.tv_sec * NS + (uint64_t)now.tv_nsec;
}

uint64_t ae_log_when_ns(const struct ae_log_moment *moment, const struct ae_log_line *line)
{
    return line->ticks >= moment->ticks ? moment->ns + ae_clock_to_ns(line->ticks - moment->ticks)
                                        : moment->ns - ae_clock_to_ns(moment->ticks - line->ticks);
}

const char *ae_log_kind_name(const struct ae_log_line *line)
{
    return line->stream == 1   ? "stdout"
           : line->stream == 2 ? "stderr"
                               : ae_log_level_name(line->level);
}

size_t ae_log_show(const struct ae_log_moment *moment, unsigned worker,
                   const struct ae_log_line *line, char text[AE_LOG_SHOWN])
{
    uint64_t ns = ae_log_when_ns(moment, line);
    time_t seconds = (time_t)(ns / NS);
    struct tm parts;
    char when[32];

    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &parts));
    return (size_t)snprintf(text, AE_LOG_SHOWN, "%s.%09lluZ %s, worker %u%s%s: %s\n", when,
                            (unsigned long long)(ns % NS), ae_log_kind_name(line), worker,
                            line->place[0] ? ", " : "", line->place, line->text);
}
