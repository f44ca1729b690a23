/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VHOST_BACK_H
#define VHOST_BACK_H

/*
 * A vhost-user back end for tests of the front end: a thread that answers as the protocol's text
 * says, returns every frame, and misbehaves where it is told to.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "port/vhost/message.h"
#include "vhost_tracker.h"

#define BACK_REGIONS 2 /* the buffers and the rings */
#define BACK_VRINGS  8
#define BACK_HELD    32

enum back_sin {
    BACK_GOOD,
    BACK_DIES,        /* closes the connection instead of answering */
    BACK_DIES_MIDWAY, /* in the middle of its answer */
    BACK_SILENT,
    BACK_REFUSES,  /* acknowledges with an error */
    BACK_CONFUSED, /* answers another message */
    BACK_JUNK,     /* answers with bytes that are no message */
    BACK_FLOODS,   /* answers twice */
};

/* What it answers to VHOST_USER_GET_INFLIGHT_FD. */
enum back_buffer {
    BACK_BUFFER,
    BACK_NO_FD,
    BACK_TWO_FDS,
    BACK_EMPTY,
    BACK_HUGE,    /* offset and size wrap around */
    BACK_BEYOND,  /* more than the file has */
    BACK_NO_FILE, /* a pipe */
    BACK_BUFFERS, /* the number of these */
};

struct back_vring {
    struct vhost_user_vring_addr addr;
    uint32_t num, base;
    int kick, error;
    bool enabled, has_call;
    struct device_queue device;
    struct tracker tracker;
};

/* What a pair has taken and not yet used: it tracks it for a return. */
struct back_lane {
    struct tracked spare; /* to receive into */
    bool has_spare;
    struct tracked sent[BACK_HELD], free[BACK_HELD];
    unsigned held;
};

struct back {
    char path[64];
    bool connects; /* to a front end that listens */

    /* What it offers. */
    uint64_t features;
    uint64_t protocol;
    uint64_t queues;
    uint8_t mac[6];

    /* What it does wrong, at which message of a connection (from 1), in how many connections. */
    _Atomic(enum back_sin) sin;
    atomic_uint sin_at;
    atomic_uint sin_times;
    atomic_bool quiet;   /* takes no frames */
    atomic_uint passes;  /* over all its queues */
    atomic_bool hang_up; /* set: closes the connection, and clears it */
    atomic_bool blame;   /* set: reports an error of ring 0, and clears it */

    /* With VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD in `protocol` only. */
    enum back_buffer buffer_kind;
    atomic_uint hold;                  /* frames to take and not to use; it takes no others then */
    atomic_uint use_last;              /* of these, to use nevertheless, the last one first */
    _Atomic(enum tracker_death) death; /* early: in the receive ring, late: in the send ring */

    /* What was seen. */
    atomic_uint connections, messages, heard; /* messages: of this connection */
    atomic_uint enabled_pairs;
    atomic_uint kicks;  /* of all vrings, in all connections */
    atomic_uint stops;  /* vrings that were stopped, in all connections */
    uint32_t order[64]; /* requests of this connection; read it when the thread is joined */
    uint64_t taken;     /* features */
    uint64_t taken_protocol;
    uint64_t status, mtu, rarp;
    atomic_bool laid_out; /* every ring was in order when it was enabled */
    atomic_uint echoed, held;
    atomic_uint buffers_given, buffers_set; /* in-flight buffers */
    atomic_ulong buffer_inode;              /* of the last one set */
    atomic_uint vrings_told, size_told;     /* with it */

    /* Its own. */
    int listen_fd, fd;
    uint8_t *memory[BACK_REGIONS]; /* NULL: not there */
    struct vhost_user_region regions[BACK_REGIONS];
    struct back_vring vrings[BACK_VRINGS];
    struct back_lane lanes[BACK_VRINGS / 2];
    uint8_t *buffer; /* in-flight; NULL: none */
    size_t buffer_size;
    pthread_t thread;
    atomic_bool stop;
};

/* A good one: all features, packed, in order, one queue pair. Change it, then start it. */
void back_init(struct back *back);
/* Takes no frames from now on, and is not about to finish one. For a back end that is connected. */
void back_be_quiet(struct back *back);
void back_start(struct back *back);
void back_stop(struct back *back); /* joins */

/* Offers to track what is in flight; before the start. */
void back_track(struct back *back);

/* vhost_back_tracked.c's part of it. */
bool back_tracks(const struct back *back);
uint8_t *back_at(const struct back *back, uint64_t address);
void back_give_buffer(struct back *back, struct vhost_user_message *answer);
void back_set_buffer(struct back *back, struct vhost_user_message *message);
void back_forget_buffer(struct back *back);
bool back_begin_tracked(struct back *back, unsigned index, bool *fresh);
void back_echo_tracked(struct back *back, unsigned pair);

#endif
