/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MEASURE_BENCH_FORMAT_H
#define AE_MEASURE_BENCH_FORMAT_H

/* share/aether.bench.schema.json, as ae_shape_check has it. What goes beyond shapes is in read.c.
 */

#include "measure/bench/shape.h"

extern const struct ae_shape ae_bench_format;

#endif
