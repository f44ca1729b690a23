/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_RESOLVE_H
#define AE_PARTITION_RESOLVE_H

/*
 * What partitions' files come to on this machine, part by part: the partition at `which` is settled
 * and checked against the machine and against the others. A mistake is told with its line.
 */

#include "partition/partition.h"

/* Also settles the quiet CPUs of all, in the order of their names. */
int ae_resolve_cpus(struct ae_partition **all, size_t count, size_t which, struct ae_error *err);

/* The memory node; needs the CPUs. */
int ae_resolve_node(struct ae_partition *partition, struct ae_error *err);

/* Huge pages; needs the node. */
int ae_resolve_pages(struct ae_partition **all, size_t count, size_t which, struct ae_error *err);

/* Ways of the level 3 caches; needs the CPUs. */
int ae_resolve_cache(struct ae_partition **all, size_t count, size_t which, struct ae_error *err);

#endif
