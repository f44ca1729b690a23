/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_STREAM_H
#define AE_PORT_VHOST_STREAM_H

/* Messages over a socket of streams: whole ones, with their descriptors. */

#include <aether/error.h>

#include "port/vhost/message.h"

/* One end of a connection. `fd` is the caller's; bytes of a message under way are kept here. */
struct vhost_user_stream {
    int fd;
    uint32_t have; /* bytes of it, header first */
    unsigned excess_count;
    struct vhost_user_message partial;
    int excess[VHOST_USER_SENT_FDS]; /* descriptors that came beyond the message's */
};

void ae_vhost_stream_init(struct vhost_user_stream *stream, int fd);

/* Forgets a message under way and closes its descriptors. Leaves `fd` open. */
void ae_vhost_stream_drop(struct vhost_user_stream *stream);

/*
 * Reads on as far as the bytes that are there go. 1: `partial` is a whole message, checked. 0: not
 * yet. Negative: as of ae_vhost_receive, and nothing was closed. No descriptor of the peer's is,
 * ever.
 */
int ae_vhost_stream_read(struct vhost_user_stream *stream, enum vhost_user_kind kind,
                         struct ae_error *err);

/*
 * Receives one message; never reads past its end. 1: here it is, checked, its descriptors the
 * caller's (close-on-exec). 0: not all of it arrived within timeout_ms (0: do not wait); call again
 * for the rest. Negative: -ECONNRESET the other end is gone, -EPROTO it sent nonsense; then no
 * descriptor stays open and the stream is at its beginning: close it. Closing may wait for the
 * peer; an owner has this done for it (vhost/receiver.h).
 */
int ae_vhost_receive(struct vhost_user_stream *stream, enum vhost_user_kind kind, int timeout_ms,
                     struct vhost_user_message *message, struct ae_error *err);

/*
 * Sends one message whole, with its descriptors, which stay the caller's. -EAGAIN: no room within
 * timeout_ms; nothing was sent. Never raises SIGPIPE.
 */
int ae_vhost_send(int fd, const struct vhost_user_message *message, int timeout_ms,
                  struct ae_error *err);

#endif
