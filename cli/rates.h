/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_RATES_H
#define AE_CLI_RATES_H

/* What `aether top` shows: runs, and how fast their queues counted between two looks. */

#include "counters.h"
#include "views.h"

struct cli_sample {
    uint64_t at_ns;
    struct cli_sampled {
        pid_t pid;
        unsigned port, queue;
        struct ae_queue_counters counters;
    } * queues;
    size_t count;
};

/* Forgets the one before. Short of memory it has fewer queues, whose rates are 0 then. */
void cli_sample_take(struct cli_sample *sample, const struct cli_views *views);
void cli_sample_drop(struct cli_sample *sample);

/* Per second, by the counters of cli_queue_counters; 0 for a queue that was not there before. */
struct cli_rates {
    double rates[CLI_QUEUE_COUNTERS];
};

void cli_rates_get(struct cli_rates *rates, const struct cli_sample *before,
                   const struct cli_views *views, const struct ae_view *view, unsigned port,
                   unsigned queue);

/* For a person, in lines of at most 80 columns but for names. */
void cli_rates_print(const struct cli_views *views, const struct cli_sample *before, FILE *out);

/* The object of `aether top --json`. */
json_t *cli_rates_json(const struct cli_views *views, const struct cli_sample *before);

#endif
