/* SPDX-License-Identifier: Apache-2.0 */
#include "base/descriptors.h"

#include <errno.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const int *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

int ae_descriptor_write(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;

    while (length > 0) {
        ssize_t done = write(fd, at, length);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done ? -errno : -EIO;
        at += done;
        length -= (size_t)done;
    }
    return 0;
}

int ae_descriptors_close_others(int first, int *keep, unsigned count)
{
    unsigned next = (unsigned)first;

    qsort(keep, count, sizeof(*keep), compare);
    for (unsigned i = 0; i < count; i++) {
        if (keep[i] < (int)next)
            continue; /* none, or named twice */
        if (keep[i] > (int)next && close_range(next, (unsigned)keep[i] - 1, 0))
            return -errno;
        next = (unsigned)keep[i] + 1;
    }
    return close_range(next, ~0u, 0) ? -errno : 0;
}
