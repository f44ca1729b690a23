/* SPDX-License-Identifier: Apache-2.0 */

/* The owner of a vhost-user port: connects to the back end, and again when it was gone, lets the
 * rings run that the worker has laid out, and tells the back end what the worker cannot: a system
 * call. */

#include "port/vhost/front/front.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/now.h"
#include "port/vhost/front/agenda.h"
#include "port/vhost/front/connection.h"
#include "port/vhost/front/dialogue.h"
#include "port/vhost/front/inflight.h"
#include "port/vhost/front/negotiation.h"
#include "port/vhost/front/rings.h"

#define TEND_NS 100000 /* how late a notification may be */

static const char *const keys[] = {"packed", "in_order", "mrg_rxbuf", "csum",
                                   "mtu",    "server",   NULL};

static struct ae_vhost_front *front_of(const struct ae_port_owner *owner)
{
    return owner->driver;
}

static void lose(struct ae_vhost_front *front, const struct ae_error *why)
{
    front->owner->trouble = *why;
    ae_vhost_front_disconnect(front);
}

/* ---- Opening ---- */

/* What the configuration would say, where there is none. */
static void assume_config(struct ae_vhost_front *front)
{
    front->config = (struct virtio_net_config){
        .status = VIRTIO_NET_S_LINK_UP,
        .mtu = front->owner->handoff.info.mtu,
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
    front->peer.fd = front->listener.fd = front->error_fd = front->inflight.fd = -1;
    memset(front->kicks, 0xff, sizeof(front->kicks));
    assume_config(front);
    front->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (front->epoll_fd < 0)
        return ae_error_set(err, -errno, "epoll: %s", strerror(errno));
    rc = ae_vhost_notifier_open(&front->notifier, err);
    if (!rc)
        rc = ae_vhost_front_reach(front, err);
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
    front->agreed = true;
    return rc;
}

static int map(struct ae_port_owner *owner, struct ae_error *err)
{
    struct ae_vhost_front *front = front_of(owner);
    int rc;

    /* The rings behind the domain. */
    ae_domain_settle(owner->domain);
    owner->memory_iova = ae_iova_add(owner->domain->iova, ae_memory_size(owner->domain->memory));
    rc = ae_vhost_front_hold(front, ae_vhost_memory, 0, err);
    if (!rc && ae_vhost_inflight_due(front))
        rc = ae_vhost_front_hold(front, ae_vhost_inflight, 0, err);
    return rc;
}

/* ---- Running ---- */

/* Between dialogues a back end has nothing to say: what comes is its end, or nonsense. */
static int listen_idle(struct ae_vhost_front *front, struct ae_error *err)
{
    struct vhost_user_message message;
    int rc = ae_vhost_peer_receive(&front->peer, &message, err);

    if (rc <= 0)
        return rc;
    ae_vhost_close_fds(&message);
    return ae_error_set(err, -EPROTO, "the back end said something that it was not asked");
}

static bool fd_is_ready(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 1;
}

static int look_at_connection(struct ae_vhost_front *front, struct ae_error *err)
{
    int rc = front->dialogue ? 0 : listen_idle(front, err);

    if (rc)
        return rc;
    if (fd_is_ready(front->error_fd)) {
        ae_vhost_inflight_forget(front);
        return ae_error_set(err, -EIO, "the back end found a ring unusable");
    }
    return ae_vhost_front_proceed(front, err);
}

static void reconnect(struct ae_vhost_front *front)
{
    struct ae_error err;
    int rc = ae_vhost_front_connect(front, &err);

    front->retry_at = ae_now_ms() + AE_VHOST_RETRY_MS;
    if (rc) {
        front->owner->trouble = err;
        return;
    }
    ae_vhost_begin(front, ae_vhost_negotiation, 0);
}

static void hear(struct ae_port_owner *owner)
{
    struct ae_vhost_front *front = front_of(owner);
    struct ae_error err;

    if (!fd_is_ready(front->epoll_fd))
        return;
    if (front->peer.fd >= 0 && look_at_connection(front, &err))
        lose(front, &err);
    if (front->listener.fd < 0)
        return;
    /* One that is back already, before we have heard that it went, is not turned away. */
    if (front->peer.fd >= 0 && fd_is_ready(front->listener.fd) &&
        ae_vhost_peer_gone(&front->peer)) {
        ae_error_set(&err, -ECONNRESET, "the back end closed the connection");
        lose(front, &err);
    }
    if (front->peer.fd >= 0)
        ae_vhost_front_turn_away(front);
    else
        reconnect(front);
}

/* A back end that broke a ring is left; rings laid out anew await it, or another, when it
 * returns. */
static int look_for_broken(struct ae_vhost_front *front, struct ae_error *err)
{
    const struct ae_port_owner *owner = front->owner;

    for (unsigned i = 0; i < owner->handoff.info.queues; i++) {
        uint32_t broken = __atomic_load_n(&owner->queue_states[i].broken, __ATOMIC_ACQUIRE);

        if (!broken || broken != owner->state->generation)
            continue;
        ae_vhost_inflight_forget(front);
        return ae_error_set(err, -EPROTO, "the back end broke a ring of queue %u", i);
    }
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
        ae_vhost_front_kick(front, vring);
}

static uint64_t tend(struct ae_port_owner *owner)
{
    struct ae_vhost_front *front = front_of(owner);
    struct ae_error err;

    ae_vhost_front_hear(front);
    if (front->peer.fd < 0) {
        int64_t left = front->retry_at - ae_now_ms();

        if (left > 0)
            return (uint64_t)left * 1000000;
        reconnect(front);
    }
    if (front->peer.fd >= 0 &&
        (look_for_broken(front, &err) || ae_vhost_front_proceed(front, &err)))
        lose(front, &err);
    if (front->peer.fd < 0)
        return AE_VHOST_RETRY_MS * 1000000ull;
    for (unsigned i = 0; i < owner->handoff.info.queues; i++) {
        if (!front->running[i])
            continue;
        relay(front, VIRTIO_NET_RECEIVEQ(i), &owner->queue_states[i].notify_receive);
        relay(front, VIRTIO_NET_TRANSMITQ(i), &owner->queue_states[i].notify_send);
    }
    return TEND_NS;
}

static int fd(const struct ae_port_owner *owner)
{
    return front_of(owner)->epoll_fd;
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
        int rc = ae_vhost_front_kicks(front, i, err);

        if (!rc)
            rc = ae_vhost_front_hold(front, ae_vhost_pair_start, i, err);
        if (rc)
            return rc;
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
    if (front->peer.fd >= 0 &&
        (front->dialogue == ae_vhost_pair_start || front->dialogue == ae_vhost_inflight)) {
        ae_error_set(&why, -ECANCELED, "the port was stopped while its rings were starting");
        lose(front, &why);
    }
    for (unsigned i = 0; i < AE_PORT_QUEUES && front->peer.fd >= 0 && !rc; i++) {
        if (!front->running[i])
            continue;
        rc = ae_vhost_converse(front, ae_vhost_pair_stop, i, &why);
        front->running[i] = false;
    }
    if (rc)
        lose(front, &why);
    if (front->peer.fd >= 0)
        ae_vhost_front_link(front, false);
    ae_vhost_inflight_forget(front);
    return 0;
}

static void close_port(struct ae_port_owner *owner)
{
    struct ae_vhost_front *front = front_of(owner);

    if (!front)
        return;
    /* Told, a back end is done with the rings when it answers; one that only sees the connection
     * end may still be in them (DPDK 22.11's net_vhost unmaps them under its own thread, and
     * crashes). */
    stop(owner, NULL);
    /* First, or a back end that connects to us is back before we are gone. */
    ae_vhost_unlisten(&front->listener, &front->receivers);
    ae_vhost_front_disconnect(front);
    ae_vhost_receivers_end(&front->receivers);
    ae_vhost_notifier_close(&front->notifier);
    if (front->epoll_fd >= 0)
        close(front->epoll_fd);
}

static const struct ae_port_transport transport = {
    .open = open_port,
    .map = map,
    .start = start,
    .attached = attached,
    .stop = stop,
    .close = close_port,
    .fd = fd,
    .hear = hear,
    .tend = tend,
};

const struct ae_port_ops ae_port_vhost_user = {
    .queue = &ae_queue_vhost_user,
    .path = AE_PATH_DEVICE, /* the peer's process is the device; no kernel is on the way */
    .caller = AE_CALLER_OWNER,
    .scheme = "vhost-user:",
    .description = "vhost-user:PATH, a socket of a vhost-user back end (DPDK, Open vSwitch, VPP)",
    .keys = keys,
    .transport = &transport,
    .ring_default = 256,
    .queues_max = AE_PORT_QUEUES,
    .mtu = 1500,
    .mtu_max = AE_VIRTIO_MTU_MAX,
    .segments_max = AE_FRAME_SEGMENTS,
    .no_steering = "the back end chooses it",
};
