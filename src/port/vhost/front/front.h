/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_FRONT_FRONT_H
#define AE_PORT_VHOST_FRONT_FRONT_H

/*
 * The front end of vhost-user: the driver's side of virtio rings whose device is another process.
 * The port is "vhost-user:PATH".
 *
 *     vhost/front/front.c        the owner: connects, reconnects, relays notifications
 *     vhost/front/agenda.c       which dialogue is due, and what comes of it
 *     vhost/front/connection.c   how it is connected, and what belongs to one connection
 *     vhost/front/negotiation.c  what is said first on the socket: features, configuration
 *     vhost/front/rings.c        what is said then, of memory and rings
 *     vhost/front/inflight.c     what a back end keeps of descriptors in flight, for its return
 *     vhost/front/dialogue.c     how any of it is said
 *     vhost/front/queue.c        the worker's half
 *
 * Owner and worker agree through port/state.h:
 *     generation           written by the owner; odd while a back end is there and knows our memory
 *     epoch                written by the owner before it: which rings are those of the generation
 *     queues[i].generation written by the worker, once the rings of queue i are ready for it, and
 *     queues[i].positions  before it, where in the receive and the send ring the back end begins
 * A back end learns of the rings of a queue when the two generations are equal, so it never sees
 * old ones. When it is gone the generation turns even. Is the epoch another one, the worker takes
 * its packets back and lays the rings out anew at the next burst call; so it is for every
 * generation without an in-flight buffer. Is it the same, the rings stay as they are, and the back
 * end that returns goes on with them. A ring that is broken is reported in queues[i].broken, as the
 * generation in which it was found to be.
 *
 * What a descriptor calls an address (the "guest address") and what the protocol's messages call
 * one (the "user address") are one here: that of the domain, and behind it, of the rings.
 */

#include "port/vhost/listen.h"
#include "port/vhost/message.h"
#include "port/vhost/notify.h"
#include "port/vhost/receiver.h"
#include "port/virtio/net.h"

struct ae_vhost_step;

/* Where a back end tracks what it has taken and not yet used. */
struct ae_vhost_inflight {
    int fd; /* -1: none */
    uint64_t size, offset;
    bool sent;       /* the back end has it, over this connection */
    unsigned failed; /* attempts to go on with it, in a row */
};

/* A connection to a back end, from the first message on. */
struct ae_vhost_front {
    struct ae_port_owner *owner;
    struct ae_vhost_peer peer;
    uint64_t offered;  /* virtio features of the back end */
    uint64_t features; /* negotiated, as the queues see them */
    uint64_t protocol; /* negotiated protocol features */
    uint64_t queues;   /* pairs that the back end has */
    struct virtio_net_config config;
    bool agreed; /* features are given to the worker: a back end that returns must offer them */

    /* The dialogue under way. */
    const struct ae_vhost_step *dialogue; /* NULL: none */
    const struct ae_vhost_step *step;     /* of it, that is next or not yet answered */
    unsigned pair;                        /* that it is about */
    uint32_t awaited;                     /* request whose answer is due; 0: none */
    int64_t deadline;                     /* ms */
    bool sent_late;                       /* the socket had no room for a message */

    struct ae_vhost_inflight inflight;
    struct ae_vhost_notifier notifier;
    int kicks[AE_VHOST_VRINGS]; /* eventfds, -1: none */
    int error_fd;               /* eventfd: the back end found a ring unusable */
    bool running[AE_PORT_QUEUES];

    /* The owner's. */
    struct ae_vhost_listener listener; /* "server=on"; fd -1: we connect */
    struct ae_vhost_receivers receivers;
    bool deaf;        /* the listening socket is not listened to */
    int epoll_fd;     /* readable when the connection or the listening socket is */
    int64_t retry_at; /* ms */
    bool started;     /* between start and stop */
    bool announced;   /* the memory is known to the back end: generation is odd */
    bool ran;         /* rings ran over this connection */
    bool returned;    /* rings ran, over this or another */
};

static inline bool ae_vhost_has(const struct ae_vhost_front *front,
                                enum vhost_user_protocol_feature bit)
{
    return front->protocol & UINT64_C(1) << bit;
}

static inline bool ae_vhost_offers_protocol(const struct ae_vhost_front *front)
{
    return front->offered & VIRTIO_FEATURE(VHOST_USER_F_PROTOCOL_FEATURES);
}

/* It keeps the device status. */
static inline bool ae_vhost_wants_status(const struct ae_vhost_front *front)
{
    return ae_vhost_has(front, VHOST_USER_PROTOCOL_F_STATUS);
}

#endif
