/* SPDX-License-Identifier: Apache-2.0 */

/* Reading what a worker measures, while it does. */

#include "measure/queue.h"

#include <string.h>

_Static_assert(AE_QUEUE_GREATEST == AE_HISTOGRAM_MAX, "so that all of it finds a bucket");

void ae_queue_histogram_read(struct ae_histogram *out, const struct ae_queue_histogram *in)
{
    memset(out, 0, sizeof(*out));
    for (unsigned i = 0; i < AE_QUEUE_BUCKETS; i++) {
        uint64_t values = __atomic_load_n(&in->buckets[i], __ATOMIC_RELAXED);

        out->buckets[ae_histogram_bucket(ae_queue_histogram_bound(i))] += values;
        out->count += values;
    }
    out->sum = __atomic_load_n(&in->sum, __ATOMIC_RELAXED);
    out->above = __atomic_load_n(&in->above, __ATOMIC_RELAXED);
    out->min = __atomic_load_n(&in->min, __ATOMIC_RELAXED);
    out->max = __atomic_load_n(&in->max, __ATOMIC_RELAXED);
}
