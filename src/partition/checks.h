/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_CHECKS_H
#define AE_PARTITION_CHECKS_H

#include "machine/check.h"

/* What the partition's knobs want of the machine. Ends with a NULL name. */
extern const struct ae_check ae_partition_checks[];

#endif
