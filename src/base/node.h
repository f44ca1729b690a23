/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_NODE_H
#define AE_BASE_NODE_H

#include <stddef.h>

/*
 * Where the pages of mapped shared memory shall be that nobody has touched yet: on the node, as far
 * as there are some (mbind(2), MPOL_PREFERRED). The policy is the object's, for whoever faults a
 * page in. Nothing is done, and that is no failure, where the node is none (-1) or unknown, or the
 * kernel has no nodes. -1: errno says why.
 */
int ae_node_prefer(void *memory, size_t size, int node);

#endif
