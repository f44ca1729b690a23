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

#include "port/vhost_message.h"
#include "virtio_device.h"

#define BACK_VRINGS 8

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

struct back_vring {
    struct vhost_user_vring_addr addr;
    uint32_t num, base;
    int kick, error;
    bool enabled, has_call;
    struct device_queue device;
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
    atomic_bool hang_up; /* set: closes the connection, and clears it */
    atomic_bool blame;   /* set: reports an error of ring 0, and clears it */

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

    /* Its own. */
    int listen_fd, fd;
    uint8_t *memory;
    struct vhost_user_region region;
    struct back_vring vrings[BACK_VRINGS];
    pthread_t thread;
    atomic_bool stop;
};

/* A good one: all features, packed, in order, one queue pair. Change it, then start it. */
void back_init(struct back *back);
void back_start(struct back *back);
void back_stop(struct back *back); /* joins */

#endif
