/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_COUNTERS_H
#define AE_CLI_COUNTERS_H

/* The counters of a queue by name: what --json calls them, and aether_queue_NAME_total of
 * `aether metrics`. */

#include <jansson.h>
#include <stddef.h>

#include <aether/port.h>

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

/* Sets a member for each. */
void cli_queue_counters_json(const struct ae_queue_counters *counters, json_t *object);

#endif
