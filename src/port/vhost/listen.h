/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_LISTEN_H
#define AE_PORT_VHOST_LISTEN_H

/* A Unix socket with a name: to listen at, or to connect to. */

#include <sys/types.h>
#include <sys/un.h>

#include <aether/error.h>

#include "port/vhost/receiver.h"

#define AE_VHOST_AGAIN_MS 1   /* before connecting again after one that was of use */
#define AE_VHOST_RETRY_MS 100 /* between attempts to connect */

struct ae_vhost_listener {
    int fd;       /* -1: none */
    dev_t device; /* of its name, to know it again */
    ino_t inode;
    struct sockaddr_un address;
};

/*
 * Takes the name over from a program that died; -EADDRINUSE when one listens there, -EEXIST when it
 * is no socket. Makes the directories between /run/aether, included, and the name; no others.
 */
int ae_vhost_listen(struct ae_vhost_listener *listener, const char *path, struct ae_error *err);

/* The next one who connects, non-blocking; -1: nobody. */
int ae_vhost_accept(const struct ae_vhost_listener *listener);

/* Removes the name if it is still ours, and lets go of who waits there. */
void ae_vhost_unlisten(struct ae_vhost_listener *listener, struct ae_vhost_receivers *receivers);

/*
 * To a socket where another program listens: a descriptor, non-blocking, or a negative errno;
 * never waits. -ENOTSOCK: something else has the name. `advice`: what to do where nobody listens.
 */
int ae_vhost_connect(const char *path, const char *advice, struct ae_error *err);

#endif
