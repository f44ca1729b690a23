/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_NOTIFY_H
#define AE_PORT_VHOST_NOTIFY_H

/*
 * Telling a peer by an eventfd that it shares with us, and that it may do with what it likes: fill
 * it, and make writing to a full one wait, at any moment. A write that must not wait cannot be had
 * then (O_NONBLOCK is the peer's as well, RWF_NOWAIT is not for eventfds). So it is the kernel that
 * signals it, as it does for one who waits for asynchronous input (io_submit(2), IOCB_FLAG_RESFD):
 * that never waits, and takes nothing but eventfds. The input is nothing, from /dev/null.
 */

#include <linux/aio_abi.h>

#include <stdbool.h>

#include <aether/error.h>

struct ae_vhost_notifier {
    aio_context_t context; /* 0: closed */
    int nothing;
};

int ae_vhost_notifier_open(struct ae_vhost_notifier *notifier, struct ae_error *err);
void ae_vhost_notifier_close(struct ae_vhost_notifier *notifier);

/*
 * Is this (open) descriptor one of an eventfd? The kernel compares its operations with those of
 * eventfds, and asks nobody: neither is a file of another kind touched, nor an eventfd signalled.
 */
bool ae_vhost_is_eventfd(const struct ae_vhost_notifier *notifier, int fd);

/* Never waits. -EINVAL: this is no eventfd. */
int ae_vhost_notify(const struct ae_vhost_notifier *notifier, int fd);

#endif
