/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proof/gap_trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ae_attribution_trace trace = {NULL, 0, 0, UINT64_MAX};
    struct ae_attribution_event *events = NULL;
    char *text = malloc(size + 1), cause[AE_CAUSE_TEXT];

    memcpy(text, data, size);
    text[size] = '\0';
    if (ae_gap_trace_parse(text, &events, &trace.count) == 0) {
        trace.events = events;
        ae_attribute(&trace, 10, 1000, 5, cause);
        ae_attribute(&trace, 0, UINT64_MAX, 5, cause);
    }
    free(events);
    free(text);
    return 0;
}
