/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_GAP_JSON_H
#define AE_CLI_GAP_JSON_H

/* What the gap loop saw, as JSON: for noise and prove. */

#include <jansson.h>

#include "measure/gap.h"

/* [{"from_ns": 1024, "gaps": 7}, ...]: a row for each power of two that has any. */
json_t *cli_gap_histogram(const struct ae_gap_record *record);

/* The member "gaps" of a certificate. how: "by ..., ...", for a person. */
json_t *cli_gap_certificate(const struct ae_gap_record *record, uint64_t threshold_ns,
                            const char *how);

#endif
