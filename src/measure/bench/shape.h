/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MEASURE_BENCH_SHAPE_H
#define AE_MEASURE_BENCH_SHAPE_H

/* What a JSON value has to be, as a table; and whether one is. Members that no table names are let
 * through: a later version may have added them. */

#include <stdbool.h>

#include <jansson.h>

#include <aether/error.h>

struct ae_shape;

struct ae_shape_member {
    const char *name; /* NULL: the end */
    const struct ae_shape *shape;
};

struct ae_shape {
    enum {
        AE_SHAPE_OBJECT, /* with all of `members` */
        AE_SHAPE_LIST,   /* of least to most `items` */
        AE_SHAPE_TEXT,   /* of least to most bytes; one of `words`, if there are any */
        AE_SHAPE_NAME,   /* least to most of a-z, 0-9, '_', '-' and '.', which is not the first */
        AE_SHAPE_COUNT,  /* a whole number, least to most */
        AE_SHAPE_REAL,   /* a number, least to most */
        AE_SHAPE_TRUTH,
    } kind;
    bool or_null;
    double least, most;
    const char *const *words; /* NULL at the end */
    const struct ae_shape *items;
    const struct ae_shape_member *members;
};

/* -EBADMSG; err names the member ("latency[3].load.rate") and says what it must be. */
int ae_shape_check(const json_t *value, const struct ae_shape *shape, struct ae_error *err);

#endif
