/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_MEMLOCK_H
#define AE_MACHINE_MEMLOCK_H

/* How much memory this process may lock (getrlimit(2), RLIMIT_MEMLOCK; VFIO's mappings count). */

#include <stdbool.h>
#include <stdint.h>

struct ae_memlock {
    bool exempt;     /* CAP_IPC_LOCK: the limit does not apply */
    uint64_t limit;  /* bytes; UINT64_MAX: none */
    uint64_t locked; /* bytes, now */
};

/* From /proc/self/status and /proc/self/limits. A negative errno when they cannot be read. */
int ae_memlock_read(struct ae_memlock *memlock);

#endif
