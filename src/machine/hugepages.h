/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_HUGEPAGES_H
#define AE_MACHINE_HUGEPAGES_H

/* Huge pages (Documentation/admin-guide/mm/hugetlbpage.rst). */

#include <stddef.h>
#include <stdint.h>

#include <aether/error.h>

/* The kernel's default size in bytes, or 0 when it has none. */
size_t ae_hugepages_default_size(void);

/* Free pages of a size that nobody has reserved. -ENOENT: not a size of this machine. */
int ae_hugepages_free(size_t page_size, uint64_t *pages);

/* The same of a memory node, but for what is reserved, which is of no node. */
int ae_hugepages_free_on(size_t page_size, int node, uint64_t *pages);

/*
 * How many of them this process may have, and what stands in its way: a limit of its control group
 * or of one above (hugetlb.SIZE.max, hugetlb.SIZE.rsvd.max;
 * Documentation/admin-guide/cgroup-v2.rst), or memory nodes that its CPU set leaves out. UINT64_MAX
 * and "": nothing does.
 */
uint64_t ae_hugepages_allowed(size_t page_size, char *why, size_t size);

/* Whether so many can be had now. -ENOMEM: how many are missing and how to get them, or what stands
 * in the way. */
int ae_hugepages_check(size_t page_size, uint64_t needed, struct ae_error *err);

#endif
