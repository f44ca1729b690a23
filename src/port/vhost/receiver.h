/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_RECEIVER_H
#define AE_PORT_VHOST_RECEIVER_H

/*
 * Where descriptors of a peer come in.
 *
 * A descriptor may be of a file that the peer's own program serves (FUSE), or of a socket that
 * lingers. Whoever holds such a one can be made to wait, for as long as the peer likes: by asking
 * the file anything (fstat), by closing it, by ending. So none of them ever is the owner's. Each
 * connection has a process of its own that receives for it, and passes on, over a socket pair,
 * messages that are as the protocol says with descriptors that are what the message is for: files
 * in memory, which the kernel knows by their seals, and eventfds, which it knows by their
 * operations; it asks nobody else for either. Everything else ends the connection: the owner is
 * told first, and what then waits, if anything does, is the process.
 *
 * The owner sends on the connection itself. It lets go of it while the process still has it, for
 * what lies unread in a socket is closed by who has it last.
 *
 * Processes that do not end are counted; as long as there are AE_VHOST_RECEIVERS of a port, it has
 * no new connection. They hold nothing but the connection and what came over it.
 */

#include <sys/types.h>

#include "port/vhost/notify.h"
#include "port/vhost/stream.h"

#define AE_VHOST_RECEIVERS 8

/* Those of a port that have not ended, as far as is known. */
struct ae_vhost_receivers {
    pid_t processes[AE_VHOST_RECEIVERS];
    unsigned count;
};

/* One connection, as its owner has it. */
struct ae_vhost_peer {
    int fd;      /* to send on; -1: no connection */
    int relay;   /* readable when there is something to receive, or the connection is over */
    int process; /* pidfd of who receives */
};

/* May there be one more? Looks which have ended. -EBUSY: no. */
int ae_vhost_receivers_check(struct ae_vhost_receivers *receivers, struct ae_error *err);

/* The port is closed, and no connection open: waits for those that can end, not for ever. */
void ae_vhost_receivers_end(struct ae_vhost_receivers *receivers);

/*
 * Makes `fd`, a connected socket, the peer's connection, on which it sends messages of `kind`. Owns
 * fd from here on, also on failure. -EBUSY: too many processes have not ended.
 */
int ae_vhost_peer_open(struct ae_vhost_peer *peer, struct ae_vhost_receivers *receivers, int fd,
                       enum vhost_user_kind kind, struct ae_error *err);

/*
 * The next message; never waits. 1: here it is, checked, its descriptors (memory with its size in
 * file_sizes, or eventfds, as the message wants) the caller's. 0: none yet. Negative, as of
 * ae_vhost_receive: the connection is over, close it.
 */
int ae_vhost_peer_receive(const struct ae_vhost_peer *peer, struct vhost_user_message *message,
                          struct ae_error *err);

/* Has the other end hung up? Known sooner than by receiving, and what it said last may be
 * unread. */
bool ae_vhost_peer_gone(const struct ae_vhost_peer *peer);

/* Hangs up, whatever lies in the connection. */
void ae_vhost_peer_close(struct ae_vhost_peer *peer);

/* Hangs up on one that was accepted, but not opened. -EBUSY: not possible now; fd is the caller's
 * still. */
int ae_vhost_let_go(struct ae_vhost_receivers *receivers, int fd);

/* ---- What the process does; tests and fuzzers do it in their own ---- */

struct ae_vhost_receiver {
    struct vhost_user_stream stream;
    enum vhost_user_kind kind;
    int relay; /* the far end of the owner's */
    struct ae_vhost_notifier notifier;
};

/* Are its descriptors what the message is for? Sets file_sizes. -EPROTO names the one that is
 * not. */
int ae_vhost_vet(struct vhost_user_message *message, enum vhost_user_kind kind,
                 const struct ae_vhost_notifier *notifier, struct ae_error *err);

/*
 * Passes on what is there. 0: wait for more. Negative: the connection is over, and the owner was
 * told so; descriptors that came last are still open, in stream.partial.
 */
int ae_vhost_receiver_turn(struct ae_vhost_receiver *receiver);

#endif
