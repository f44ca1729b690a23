/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_FRONT_FRONT_H
#define AE_PORT_VHOST_FRONT_FRONT_H

/*
 * The front end of vhost-user: the driver's side of virtio rings whose device is another process.
 * The port is "vhost-user:PATH".
 *
 *     vhost/front/connection.c  how it is connected, and what belongs to one connection
 *     vhost/front/negotiation.c what is said first on the socket: features, configuration
 *     vhost/front/dialogue.c    what is said then, of memory and rings, and how dialogues are held
 *     vhost/front/inflight.c    what a back end keeps of descriptors in flight, for its return
 *     vhost/front/front.c        the owner: connects, reconnects, lets rings run, relays
 * notifications vhost/front/queue.c  the worker's half
 *
 * Owner and worker agree through the state page:
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
 * one (the "user address") are one here: where the owner has the memory mapped.
 */

#include "port/vhost/listen.h"
#include "port/vhost/message.h"
#include "port/vhost/notify.h"
#include "port/vhost/receiver.h"
#include "port/virtio/net.h"

#define AE_VHOST_VRINGS (2 * AE_PORT_QUEUES)

/* What all messages of a dialogue may take together; tests have less. */
extern int ae_vhost_patience_ms;

struct ae_vhost_step;

/* Where a back end tracks what it has taken and not yet used. */
struct ae_vhost_inflight {
    int fd; /* -1: none */
    uint64_t size, offset;
    bool told;       /* the back end has it, over this connection */
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
    bool settled; /* features are given to the worker: a back end that returns must offer them */

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

/* One message and its answer. request 0: no message, only `ask`; neither: the end of a dialogue. */
struct ae_vhost_step {
    uint32_t request;
    unsigned direction; /* of the vring it is about: 0 receive, 1 send */
    bool (*wanted)(const struct ae_vhost_front *front); /* NULL: always */
    int (*ask)(struct ae_vhost_front *front, struct vhost_user_message *message,
               struct ae_error *err);
    int (*take)(struct ae_vhost_front *front, struct vhost_user_message *answer,
                struct ae_error *err);
};

/* Dialogues. Each begins on an idle connection. */
extern const struct ae_vhost_step ae_vhost_negotiation[]; /* features, queues, configuration */
extern const struct ae_vhost_step ae_vhost_memory[];
extern const struct ae_vhost_step ae_vhost_inflight[]; /* before the first pair starts */
extern const struct ae_vhost_step ae_vhost_pair_start[];
extern const struct ae_vhost_step ae_vhost_pair_stop[];

/* For steps. */
#define AE_VHOST_STATUS_DRIVER   (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER)
#define AE_VHOST_STATUS_FEATURES (AE_VHOST_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK)

bool ae_vhost_has(const struct ae_vhost_front *front, enum vhost_user_protocol_feature bit);
bool ae_vhost_offers_protocol(const struct ae_vhost_front *front);
bool ae_vhost_wants_status(const struct ae_vhost_front *front); /* it keeps the device status */
int ae_vhost_set_number(struct vhost_user_message *message, uint64_t number); /* 0 */

void ae_vhost_begin(struct ae_vhost_front *front, const struct ae_vhost_step *dialogue,
                    unsigned pair);

/*
 * Takes the dialogue as far as it goes without waiting. 1: it is done. 0: an answer is due; call
 * again when the socket is readable. Negative: the connection is of no use any more.
 */
int ae_vhost_advance(struct ae_vhost_front *front, struct ae_error *err);

/* The same, waiting. */
int ae_vhost_converse(struct ae_vhost_front *front, const struct ae_vhost_step *dialogue,
                      unsigned pair, struct ae_error *err);

/* The back end offers to track, and has no buffer for it yet. */
bool ae_vhost_inflight_due(const struct ae_vhost_front *front);

/* Gives the buffer up, if there is one: rings begin anew with the next generation. */
void ae_vhost_inflight_forget(struct ae_vhost_front *front);

/* The connection is over, and the generation not yet changed. */
void ae_vhost_inflight_left(struct ae_vhost_front *front);

/* ---- The connection ---- */

/* The first connection: may wait for a back end that connects to us. */
int ae_vhost_front_reach(struct ae_vhost_front *front, struct ae_error *err);

/* Connects, or accepts one who did; -EAGAIN: nobody is there. */
int ae_vhost_front_connect(struct ae_vhost_front *front, struct ae_error *err);
void ae_vhost_front_disconnect(struct ae_vhost_front *front);

/* One more that connects to us: one back end at a time. */
void ae_vhost_front_turn_away(struct ae_vhost_front *front);

/* Listens to the listening socket as long as somebody can be accepted. */
void ae_vhost_front_hear(struct ae_vhost_front *front);

/* New eventfds for a pair. */
int ae_vhost_front_kicks(struct ae_vhost_front *front, unsigned pair, struct ae_error *err);

/* Turns the generation odd or even; sets the link. */
void ae_vhost_front_present(struct ae_vhost_front *front, bool present);
void ae_vhost_front_link(struct ae_vhost_front *front, bool up);

/* The ring behind a vring's number (5.1.2: even ones receive). */
struct ae_virtio_ring ae_vhost_ring(const struct ae_vhost_front *front, unsigned vring);

/* Data half. */
int ae_vhost_user_attach(struct ae_port *port, unsigned index, struct ae_queue **queue,
                         struct ae_error *err);
void ae_vhost_user_detach(struct ae_queue *queue);

#endif
