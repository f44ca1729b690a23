/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_LETTER_H
#define AE_WORKER_LETTER_H

/* What a supervisor tells who connects to a socket of its: one message, with descriptors. */

#include <stdbool.h>
#include <stddef.h>

#include <aether/error.h>

#define AE_LETTER_PATIENCE_MS 1000
#define AE_LETTER_FDS         253 /* SCM_MAX_FD of the kernel's */

struct ae_letter {
    size_t length; /* bytes of the message */
    bool cut;      /* there were more, or more descriptors */
    int fds[AE_LETTER_FDS];
    unsigned fd_count;
};

/* Waits for AE_LETTER_PATIENCE_MS at most. A descriptor, or -ECONNREFUSED: nobody listens there any
 * more. path: below the root. */
int ae_letter_connect(const char *path, struct ae_error *err);

/* Nobody listens there any more. Found out without connecting. */
bool ae_letter_is_dead(const char *path);

/* Removes the name if nobody does. */
void ae_letter_forget(const char *path);

/* Waits for AE_LETTER_PATIENCE_MS. The descriptors are the caller's to close, on failure as well.
 */
int ae_letter_receive(int fd, struct ae_letter *letter, void *message, size_t size,
                      struct ae_error *err);
void ae_letter_close(struct ae_letter *letter);

/* The kernel takes all of it or nothing (false): nobody is waited for. */
bool ae_letter_send(int fd, const void *message, size_t size, const int *fds, unsigned count);

#endif
