/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_REVERT_H
#define AE_PARTITION_REVERT_H

#include "partition/report.h"

/* ae_partition_revert without taking the lock: for an apply that failed. */
int ae_revert_locked(const char *name, const struct ae_revert_options *options,
                     struct ae_telling *telling, struct ae_error *err);

#endif
