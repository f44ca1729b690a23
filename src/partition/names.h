/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_NAMES_H
#define AE_PARTITION_NAMES_H

/* Which partitions there are: by their files, and by the journals of those that are applied. */

#include <stdbool.h>
#include <stddef.h>

#include <aether/partition.h>

struct ae_partition_names {
    char (*name)[AE_PARTITION_NAME];
    size_t count;
};

/* Those that have a file, or, if asked for, a journal; in strcmp order. Free names->name in any
 * case. */
int ae_partition_find_names(struct ae_partition_names *names, bool journals);

/* -EINVAL unless the name is one a partition may have. */
int ae_partition_check_name(const char *name, struct ae_error *err);

#endif
