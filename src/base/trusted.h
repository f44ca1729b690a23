/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_TRUSTED_H
#define AE_BASE_TRUSTED_H

#include <sys/types.h>

#include <aether/error.h>

/* The most that a file of Aether's may hold. */
#define AE_TRUSTED_MAX (16u << 20)

/*
 * Reads a file below the root on whose word things are done to the machine. It is opened once, and
 * believed only if nobody but root and the caller may have written it: it and every directory on
 * the way to it from the root, behind links as well, belong to one of the two and are writable by
 * no group and no others (a directory with the sticky bit may be). *text is NUL-terminated; the
 * caller frees it.
 *
 * Returns its length. -ENOENT, without touching err: it is not there. -EPERM: others may write it;
 * -EFBIG: it is longer than AE_TRUSTED_MAX; -EINVAL: no regular file; or what reading failed with.
 */
ssize_t ae_trusted_read(const char *path, char **text, struct ae_error *err);

#endif
