/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_NOISE_H
#define AE_CLI_NOISE_H

/* `aether noise`: noise.c reads the command line and measures, noise_tell.c says what was seen. */

#include <stdbool.h>
#include <stdint.h>

#include <aether/error.h>

#include "measure/gap.h"
#include "partition/counters.h"
#include "proof/gap_trace.h"

#define NS_PER_SECOND UINT64_C(1000000000)

struct cli_noise {
    struct ae_gap_options options;
    bool cpus_named;
    unsigned top;
    bool json, no_trace;
    long latency; /* microseconds to ask of /dev/cpu_dma_latency; -1: leave it alone */

    bool traced;
    struct ae_gap_trace trace;
    struct ae_error untraced; /* why not */
    struct ae_gap_run run;
    struct ae_counters *before, *after; /* one per CPU */
    char idle[160];
    char clocksource[32];
};

/* Prints it, for a person or as JSON. */
int cli_noise_tell(const struct cli_noise *noise, struct ae_error *err);

#endif
