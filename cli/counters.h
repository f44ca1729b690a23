/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_COUNTERS_H
#define AE_CLI_COUNTERS_H

/* The counters of queues and networks by name: what --json calls them, and `aether metrics`:
 * aether_queue_NAME_total, aether_network_events_total{event="NAME"}. */

#include <jansson.h>
#include <stddef.h>

#include <aether/port.h>

#include "net/net.h"

#define CLI_QUEUE_COUNTERS (sizeof(struct ae_queue_counters) / sizeof(uint64_t))

/* In the order of struct ae_queue_counters. */
extern const struct cli_queue_counter {
    const char *name;
    const char *help;
    bool trouble; /* frames that were dropped or refused, or something that cannot be */
} cli_queue_counters[CLI_QUEUE_COUNTERS];

static inline uint64_t cli_queue_counter(const struct ae_queue_counters *counters, size_t index)
{
    return ((const uint64_t *)counters)[index];
}

#define CLI_NET_COUNTERS (sizeof(struct ae_net_counts) / sizeof(uint64_t))

/* Of a network, in the order of struct ae_net_counts. */
extern const struct cli_net_counter {
    const char *name;
    const char *words;
} cli_net_counters[CLI_NET_COUNTERS];

static inline uint64_t cli_net_counter(const struct ae_net_counts *counts, size_t index)
{
    return ((const uint64_t *)counts)[index];
}

/* Sets a member for each of a queue's. */
void cli_queue_counters_json(const struct ae_queue_counters *counters, json_t *object);

#endif
