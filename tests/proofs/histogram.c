/* SPDX-License-Identifier: Apache-2.0 */

/* The histogram's buckets, for every value: what histogram.h promises of them. */

#include "any.h"

#include "measure/histogram.c"

void bucket(void)
{
    uint64_t value = nondet_u64(), greater = nondet_u64();
    uint32_t at;

    assume(value <= greater && greater <= AE_HISTOGRAM_MAX);
    at = ae_histogram_bucket(value);
    prove(at <= ae_histogram_bucket(greater));
    prove(ae_histogram_bucket(greater) < AE_HISTOGRAM_BUCKETS);
    prove(highest_of(at) >= value);
    prove(highest_of(at) - value <= value / 1000);
    prove(ae_histogram_bucket(highest_of(at)) == at);
}

void record(void)
{
    static struct ae_histogram histogram;

    ae_histogram_record(&histogram, nondet_u64());
    prove(histogram.count == 1 && histogram.above <= 1);
}
