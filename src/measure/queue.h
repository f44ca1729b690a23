/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MEASURE_QUEUE_H
#define AE_MEASURE_QUEUE_H

#include <aether/histogram.h>

#include "port/state.h"

/* A copy in the finer buckets of <aether/histogram.h>, each value as the greatest of its bucket;
 * the worker may be writing it. Its count is the sum of its buckets; of what else a worker wrote
 * nothing was checked. */
void ae_queue_histogram_read(struct ae_histogram *out, const struct ae_queue_histogram *in);

#endif
