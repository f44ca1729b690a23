/* SPDX-License-Identifier: Apache-2.0 */
#include "base/node.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NODES 1024 /* of memory; the kernel's CONFIG_NODES_SHIFT allows as many */

int ae_node_prefer(void *memory, size_t size, int node)
{
    unsigned long mask[NODES / (8 * sizeof(long))] = {0};

    if (node < 0 || node >= NODES)
        return 0;
    mask[(unsigned)node / (8 * sizeof(long))] = 1ul << ((unsigned)node % (8 * sizeof(long)));
    return syscall(SYS_mbind, memory, size, MPOL_PREFERRED, mask, NODES + 1, 0) &&
                   errno != ENOSYS && errno != EINVAL && errno != EPERM
               ? -1
               : 0;
}
