/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_DESCRIPTORS_H
#define AE_BASE_DESCRIPTORS_H

/* Descriptors of this process: written to, closed, kept. */

#include <stddef.h>
#include <unistd.h>

/* Closes it, if it is one, and leaves -1, which is none. */
static inline void ae_descriptor_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Writes all of it, however long that takes and whatever signals come. -errno; -EIO: no more goes
 * in. */
int ae_descriptor_write(int fd, const void *bytes, size_t length);

/* Closes all from `first` up but those of `keep`, which it sorts, and which may hold -1. -errno:
 * Linux 5.9 or newer is needed. */
int ae_descriptors_close_others(int first, int *keep, unsigned count);

#endif
