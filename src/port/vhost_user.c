/* SPDX-License-Identifier: Apache-2.0 */

/* The owner of a vhost-user port: connects to the back end, and again when it was gone, lets the
 * rings run that the worker has laid out, and tells the back end what the worker cannot: a system
 * call. */

#include "port/vhost_user.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

#define TEND_NS   100000 /* how late a notification may be */
#define RETRY_MS  100    /* between attempts to connect */
#define AGAIN_MS  1      /* before the first of them */
#define LISTEN_MS 10000  /* how long opening waits for a back end that connects to us */

static const char *const keys[] = {"packed", "in_order", "mrg_rxbuf", "csum", "server", NULL};

static struct ae_vhost_front *front_of(const struct ae_port_owner *owner)
{
    return owner->driver;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- What the worker and the user see ---- */

static uint32_t generation_of(const struct ae_vhost_front *front)
{
    return front->owner->state->generation;
}

/* Odd: a back end is there. Pairs with the acquire load of the worker: what it finds then was
 * there. */
static void set_present(struct ae_vhost_front *front, bool present)
{
    uint32_t generation = generation_of(front);

    if ((generation & 1) != present)
        __atomic_store_n(&front->owner->state->generation, generation + 1, __ATOMIC_RELEASE);
}

static void set_link(struct ae_vhost_front *front, bool up)
{
    struct ae_link link;

    if (up) {
        ae_virtio_set_link(front->owner, front->features, &front->config);
        return;
    }
    ae_port_read_link(front->owner->state, &link);
    link.changes += link.up;
    link.up = false;
    ae_port_set_link(front->owner->state, &link);
}

/* ---- The connection ---- */

static int watch(struct ae_vhost_front *front, int fd, struct ae_error *err)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = fd};

    if (epoll_ctl(front->epoll_fd, EPOLL_CTL_ADD, fd, &event))
        return ae_error_set(err, -errno, "watching a socket: %s", strerror(errno));
    return 0;
}

static void disconnect(struct ae_vhost_front *front)
{
    if (front->stream.fd < 0)
        return;
    set_present(front, false);
    set_link(front, false);
    ae_vhost_stream_drop(&front->stream);
    close_fd(&front->stream.fd);
    close_fd(&front->error_fd);
    for (unsigned i = 0; i < AE_VHOST_VRINGS; i++)
        close_fd(&front->kicks[i]);
    memset(front->running, 0, sizeof(front->running));
    front->dialogue = NULL;
    front->announced = false;
    front->retry_at = ae_vhost_now_ms() + (front->ran ? AGAIN_MS : RETRY_MS);
    front->ran = false;
}

static void lose(struct ae_vhost_front *front, const struct ae_error *why)
{
    front->owner->trouble = *why;
    disconnect(front);
}

/* -EAGAIN: nobody is there yet. */
static int accept_one(struct ae_vhost_front *front, struct ae_error *err)
{
    int fd = ae_vhost_accept(&front->listener);

    if (fd < 0 && errno == EAGAIN)
        return ae_error_set(err, -EAGAIN, "no back end has connected to %s yet",
                            front->owner->base);
    return fd >= 0 ? fd : ae_error_set(err, -errno, "accepting a back end: %s", strerror(errno));
}

static int get_connected(struct ae_vhost_front *front, struct ae_error *err)
{
    int fd = front->listener.fd >= 0 ? accept_one(front, err) : ae_vhost_connect(front->owner->base, err);
    int rc;

    if (fd < 0)
        return fd;
    ae_vhost_stream_init(&front->stream, fd);
    front->error_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    rc = front->error_fd < 0 ? ae_error_set(err, -errno, "eventfd: %s", strerror(errno)) : 0;
    if (!rc)
        rc = watch(front, fd, err);
    if (!rc)
        rc = watch(front, front->error_fd, err);
    if (rc)
        disconnect(front);
    return rc;
}

/* ---- Opening ---- */

static int wait_for_back_end(struct ae_vhost_front *front, struct ae_error *err)
{
    struct pollfd poll_fd = {.fd = front->listener.fd, .events = POLLIN};

    if (poll(&poll_fd, 1, LISTEN_MS) == 1)
        return 0;
    return ae_error_set(err, -ETIMEDOUT, "no back end has connected to %s within %d s",
                        front->owner->base, LISTEN_MS / 1000);
}

static int reach(struct ae_vhost_front *front, struct ae_error *err)
{
    bool server = false;
    int rc = ae_port_choice_bool(front->owner, "server", &server, err);

    if (!rc && server)
        rc = ae_vhost_listen(&front->listener, front->owner->base, err);
    if (!rc && server)
        rc = watch(front, front->listener.fd, err);
    if (!rc && server)
        rc = wait_for_back_end(front, err);
    return rc ? rc : get_connected(front, err);
}

/* What the configuration would say, where there is none. */
static void assume_config(struct ae_vhost_front *front)
{
    front->config = (struct virtio_net_config){
        .status = VIRTIO_NET_S_LINK_UP,
        .mtu = front->owner->ops->mtu,
    };
}

static int open_port(struct ae_port_owner *owner, struct ae_error *err)
{
    struct ae_virtio_handoff *handoff = ae_virtio_handoff(&owner->handoff);
    struct ae_vhost_front *front = calloc(1, sizeof(*front));
    struct ae_link link;
    int rc;

    if (!front)
        return ae_error_set(err, -ENOMEM, "out of memory");
    owner->driver = front;
    front->owner = owner;
    front->stream.fd = front->listener.fd = front->error_fd = -1;
    memset(front->kicks, 0xff, sizeof(front->kicks));
    assume_config(front);
    front->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (front->epoll_fd < 0)
        return ae_error_set(err, -errno, "epoll: %s", strerror(errno));
    rc = ae_vhost_notifier_open(&front->notifier, err);
    if (!rc)
        rc = reach(front, err);
    if (!rc)
        rc = ae_vhost_converse(front, ae_vhost_negotiation, 0, err);
    if (rc)
        return rc;
    ae_port_read_link(owner->state, &link);
    /* How many pairs there are was said by the protocol, in place of the configuration. */
    front->config.max_virtqueue_pairs = (uint16_t)owner->handoff.info.queues;
    rc = ae_virtio_learn(owner, front->features | VIRTIO_FEATURE(VIRTIO_NET_F_MQ), &front->config,
                         err);
    handoff->features = front->features;
    ae_port_set_link(owner->state, &link); /* down, until the rings run */
    for (unsigned i = 0; i < AE_PORT_QUEUES; i++)
        handoff->notify[i][0] = handoff->notify[i][1] = AE_VIRTIO_NO_NOTIFY;
    front->settled = true;
    return rc;
}

static int map(struct ae_port_owner *owner, struct ae_error *err)
{
    struct ae_vhost_front *front = front_of(owner);
    int rc;

    owner->handoff.memory_iova = (uintptr_t)ae_memory_base(owner->memory);
    rc = ae_vhost_converse(front, ae_vhost_memory, 0, err);
    if (rc)
        return rc;
    front->announced = true;
    set_present(front, true);
    return 0;
}

/* ---- Running ---- */

static void kick(const struct ae_vhost_front *front, unsigned vring)
{
    ae_vhost_notify(&front->notifier, front->kicks[vring]);
}

static int make_kicks(struct ae_vhost_front *front, unsigned pair, struct ae_error *err)
{
    for (unsigned i = 2 * pair; i < 2 * pair + 2; i++) {
        close_fd(&front->kicks[i]);
        front->kicks[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (front->kicks[i] < 0)
            return ae_error_set(err, -errno, "eventfd: %s", strerror(errno));
    }
    return 0;
}

/* The worker has laid this queue's rings out for the back end that is there now. */
static bool laid_out(const struct ae_vhost_front *front, unsigned pair)
{
    /* Pairs with the release store of the worker: the rings are there before its word that they
     * are. */
    return __atomic_load_n(&front->owner->state->queues[pair].generation, __ATOMIC_ACQUIRE) ==
           generation_of(front);
}

/* Rings start by a kick. */
static void pair_runs(struct ae_vhost_front *front)
{
    front->running[front->pair] = true;
    kick(front, VIRTIO_NET_RECEIVEQ(front->pair));
    kick(front, VIRTIO_NET_TRANSMITQ(front->pair));
    set_link(front, true);
    front->returned = front->ran = true;
    front->owner->trouble.text[0] = '\0';
}

static int begin_next(struct ae_vhost_front *front, struct ae_error *err)
{
    if (!front->announced) {
        ae_vhost_begin(front, ae_vhost_memory, 0);
        return 0;
    }
    for (unsigned i = 0; front->started && i < front->owner->handoff.info.queues; i++)
        if (!front->running[i] && laid_out(front, i)) {
            ae_vhost_begin(front, ae_vhost_pair_start, i);
            return make_kicks(front, i, err);
        }
    return 0;
}

static void finish(struct ae_vhost_front *front, const struct ae_vhost_step *dialogue)
{
    if (dialogue == ae_vhost_memory) {
        front->announced = true;
        set_present(front, true);
    } else if (dialogue == ae_vhost_pair_start) {
        pair_runs(front);
    }
}

/* As far as it goes without waiting. */
static int proceed(struct ae_vhost_front *front, struct ae_error *err)
{
    for (;;) {
        int rc;

        if (!front->dialogue) {
            rc = begin_next(front, err);
            if (rc || !front->dialogue)
                return rc;
        }
        rc = ae_vhost_advance(front, err);
        if (rc <= 0)
            return rc;
        finish(front, front->dialogue);
        front->dialogue = NULL;
    }
}

/* Between dialogues a back end has nothing to say: what comes is its end, or nonsense. */
static int listen_idle(struct ae_vhost_front *front, struct ae_error *err)
{
    char byte;
    ssize_t got = recv(front->stream.fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);

    if (got > 0)
        return ae_error_set(err, -EPROTO, "the back end said something that it was not asked");
    if (got == 0)
        return ae_error_set(err, -ECONNRESET, "the back end closed the connection");
    return errno == EAGAIN || errno == EINTR
               ? 0
               : ae_error_set(err, -errno, "the connection: %s", strerror(errno));
}

static int look_at_connection(struct ae_vhost_front *front, struct ae_error *err)
{
    struct pollfd poll_fd = {.fd = front->error_fd, .events = POLLIN};
    int rc = front->dialogue ? 0 : listen_idle(front, err);

    if (rc)
        return rc;
    if (poll(&poll_fd, 1, 0) == 1)
        return ae_error_set(err, -EIO, "the back end found a ring unusable");
    return proceed(front, err);
}

static void reconnect(struct ae_vhost_front *front)
{
    struct ae_error err;
    int rc = get_connected(front, &err);

    front->retry_at = ae_vhost_now_ms() + RETRY_MS;
    if (rc) {
        front->owner->trouble = err;
        return;
    }
    ae_vhost_begin(front, ae_vhost_negotiation, 0);
}

/* One back end at a time. */
static void turn_away(struct ae_vhost_front *front)
{
    int fd = accept_one(front, NULL);

    if (fd >= 0)
        close(fd);
}

static void event(struct ae_port_owner *owner, int fd)
{
    struct ae_vhost_front *front = front_of(owner);
    struct ae_error err;

    (void)fd;
    if (front->stream.fd >= 0 && look_at_connection(front, &err))
        lose(front, &err);
    if (front->listener.fd < 0)
        return;
    if (front->stream.fd >= 0)
        turn_away(front);
    else
        reconnect(front);
}

/* A back end that broke a ring is left; rings laid out anew await it, or another, when it returns. */
static int look_for_broken(const struct ae_vhost_front *front, struct ae_error *err)
{
    for (unsigned i = 0; i < front->owner->handoff.info.queues; i++)
        if (front->running[i] &&
            __atomic_load_n(&front->owner->state->queues[i].broken, __ATOMIC_ACQUIRE))
            return ae_error_set(err, -EPROTO, "the back end broke a ring of queue %u", i);
    return 0;
}

/* In place of the worker. A flag that is set again while we look is seen the next time. */
static void relay(struct ae_vhost_front *front, unsigned vring, uint32_t *flag)
{
    struct ae_virtio_ring ring;

    if (!__atomic_load_n(flag, __ATOMIC_RELAXED) || !__atomic_exchange_n(flag, 0, __ATOMIC_SEQ_CST))
        return;
    ring = ae_vhost_ring(front, vring);
    if (ae_virtio_wants_notification(&ring, front->features & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED)))
        kick(front, vring);
}

static uint64_t tend(struct ae_port_owner *owner)
{
    struct ae_vhost_front *front = front_of(owner);
    struct ae_error err;

    if (front->stream.fd < 0) {
        int64_t left = front->retry_at - ae_vhost_now_ms();

        if (left > 0)
            return (uint64_t)left * 1000000;
        reconnect(front);
    }
    if (front->stream.fd >= 0 && (look_for_broken(front, &err) || proceed(front, &err)))
        lose(front, &err);
    if (front->stream.fd < 0)
        return RETRY_MS * 1000000ull;
    for (unsigned i = 0; i < owner->handoff.info.queues; i++) {
        if (!front->running[i])
            continue;
        relay(front, VIRTIO_NET_RECEIVEQ(i), &owner->state->queues[i].notify_receive);
        relay(front, VIRTIO_NET_TRANSMITQ(i), &owner->state->queues[i].notify_send);
    }
    return TEND_NS;
}

static int event_fds(const struct ae_port_owner *owner, int *fds, unsigned count)
{
    if (count)
        fds[0] = front_of(owner)->epoll_fd;
    return count != 0;
}

/* ---- Starting and stopping ---- */

static int start(struct ae_port_owner *owner, struct ae_error *err)
{
    (void)err;
    front_of(owner)->started = true;
    return 0;
}

/* The data half is in this process and has attached, so the rings can run right away. */
static int attached(struct ae_port_owner *owner, struct ae_error *err)
{
    struct ae_vhost_front *front = front_of(owner);

    for (unsigned i = 0; i < owner->handoff.info.queues; i++) {
        int rc = make_kicks(front, i, err);

        if (!rc)
            rc = ae_vhost_converse(front, ae_vhost_pair_start, i, err);
        if (rc)
            return rc;
        pair_runs(front);
    }
    return 0;
}

/* The back end leaves the rings alone before they are laid out anew. One that cannot be asked has
 * to do without this connection. */
static int stop(struct ae_port_owner *owner, struct ae_error *err)
{
    struct ae_vhost_front *front = front_of(owner);
    struct ae_error why;
    int rc = 0;

    (void)err;
    front->started = false;
    if (front->dialogue == ae_vhost_pair_start && front->stream.fd >= 0) {
        ae_error_set(&why, -ECANCELED, "the port was stopped while its rings were starting");
        lose(front, &why);
    }
    for (unsigned i = 0; i < AE_PORT_QUEUES && front->stream.fd >= 0 && !rc; i++) {
        if (!front->running[i])
            continue;
        rc = ae_vhost_converse(front, ae_vhost_pair_stop, i, &why);
        front->running[i] = false;
    }
    if (rc)
        lose(front, &why);
    if (front->stream.fd >= 0)
        set_link(front, false);
    return 0;
}

static void close_port(struct ae_port_owner *owner)
{
    struct ae_vhost_front *front = front_of(owner);

    if (!front)
        return;
    /* Told, a back end is done with the rings when it answers; one that only sees the connection end may
     * still be in them (DPDK 22.11's net_vhost unmaps them under its own thread, and crashes). */
    stop(owner, NULL);
    disconnect(front);
    ae_vhost_unlisten(&front->listener);
    ae_vhost_notifier_close(&front->notifier);
    close_fd(&front->epoll_fd);
}

static const struct ae_port_transport transport = {
    .open = open_port,
    .map = map,
    .start = start,
    .attached = attached,
    .stop = stop,
    .close = close_port,
    .event_fds = event_fds,
    .event = event,
    .tend = tend,
};

const struct ae_port_ops ae_port_vhost_user = {
    .name = "vhost-user",
    .path = AE_PATH_DEVICE,
    .scheme = "vhost-user:",
    .description = "vhost-user:PATH    a socket of a vhost-user back end (DPDK, Open vSwitch, VPP)",
    .keys = keys,
    .transport = &transport,
    .ring_default = 256,
    .ring_min = 16,
    .ring_max = 32768,
    .queues_max = AE_PORT_QUEUES,
    .mtu = 1500,
    .ring_bytes = ae_virtio_ring_bytes,
    .attach = ae_vhost_user_attach,
    .detach = ae_vhost_user_detach,
};
