/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/front/connection.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "base/now.h"
#include "port/vhost/front/inflight.h"

#define LISTEN_MS 10000 /* how long opening waits for a back end that connects to us */

/* ---- What the worker and the user see ---- */

/* Odd: a back end is there. Pairs with the acquire load of the worker: what it finds then was
 * there. */
void ae_vhost_front_present(struct ae_vhost_front *front, bool present)
{
    uint32_t generation = front->owner->state->generation;

    if ((generation & 1) != present)
        __atomic_store_n(&front->owner->state->generation, generation + 1, __ATOMIC_RELEASE);
}

void ae_vhost_front_link(struct ae_vhost_front *front, bool up)
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

void ae_vhost_front_disconnect(struct ae_vhost_front *front)
{
    if (front->peer.fd < 0)
        return;
    ae_vhost_inflight_left(front);
    ae_vhost_front_present(front, false);
    ae_vhost_front_link(front, false);
    ae_vhost_peer_close(&front->peer);
    ae_descriptor_close(&front->error_fd);
    for (unsigned i = 0; i < AE_VHOST_VRINGS; i++)
        ae_descriptor_close(&front->kicks[i]);
    memset(front->running, 0, sizeof(front->running));
    front->dialogue = NULL;
    front->announced = false;
    front->retry_at = ae_now_ms() + (front->ran ? AE_VHOST_AGAIN_MS : AE_VHOST_RETRY_MS);
    front->ran = false;
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

static int connect_to_it(const struct ae_vhost_front *front, struct ae_error *err)
{
    return ae_vhost_connect(front->owner->base,
                            "is the back end running and listening there? (one that connects "
                            "itself needs ',server=on')",
                            err);
}

int ae_vhost_front_connect(struct ae_vhost_front *front, struct ae_error *err)
{
    int rc = ae_vhost_receivers_check(&front->receivers, err), fd;

    if (rc)
        return rc;
    fd = front->listener.fd >= 0 ? accept_one(front, err) : connect_to_it(front, err);
    if (fd < 0)
        return fd;
    rc = ae_vhost_peer_open(&front->peer, &front->receivers, fd, VHOST_USER_BACKEND_REPLY, err);
    if (rc)
        return rc;
    front->error_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    rc = front->error_fd < 0 ? ae_error_set(err, -errno, "eventfd: %s", strerror(errno)) : 0;
    if (!rc)
        rc = watch(front, front->peer.relay, err);
    if (!rc)
        rc = watch(front, front->error_fd, err);
    if (rc)
        ae_vhost_front_disconnect(front);
    return rc;
}

static int wait_for_back_end(struct ae_vhost_front *front, struct ae_error *err)
{
    struct pollfd poll_fd = {.fd = front->listener.fd, .events = POLLIN};

    if (poll(&poll_fd, 1, LISTEN_MS) == 1)
        return 0;
    return ae_error_set(err, -ETIMEDOUT, "no back end has connected to %s within %d s",
                        front->owner->base, LISTEN_MS / 1000);
}

int ae_vhost_front_reach(struct ae_vhost_front *front, struct ae_error *err)
{
    bool server = false;
    int rc = ae_port_choice_bool(front->owner, "server", &server, err);

    if (!rc && server)
        rc = ae_vhost_listen(&front->listener, front->owner->base, err);
    if (!rc && server)
        rc = watch(front, front->listener.fd, err);
    if (!rc && server)
        rc = wait_for_back_end(front, err);
    return rc ? rc : ae_vhost_front_connect(front, err);
}

/* While nobody can be accepted, who waits must not keep us awake. */
void ae_vhost_front_hear(struct ae_vhost_front *front)
{
    struct epoll_event event = {.data.fd = front->listener.fd};
    bool can;

    if (front->listener.fd < 0)
        return;
    can = ae_vhost_receivers_check(&front->receivers, NULL) == 0;
    if (front->deaf == !can)
        return;
    front->deaf = !can;
    event.events = can ? EPOLLIN : 0;
    epoll_ctl(front->epoll_fd, EPOLL_CTL_MOD, front->listener.fd, &event);
}

/* One back end at a time. */
void ae_vhost_front_turn_away(struct ae_vhost_front *front)
{
    int fd = ae_vhost_receivers_check(&front->receivers, NULL) ? -1 : accept_one(front, NULL);

    if (fd >= 0 && ae_vhost_let_go(&front->receivers, fd))
        close(fd); /* there was a place, so that the machine has no room for one more process */
}

int ae_vhost_front_kicks(struct ae_vhost_front *front, unsigned pair, struct ae_error *err)
{
    for (unsigned i = 2 * pair; i < 2 * pair + 2; i++) {
        ae_descriptor_close(&front->kicks[i]);
        front->kicks[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (front->kicks[i] < 0)
            return ae_error_set(err, -errno, "eventfd: %s", strerror(errno));
    }
    return 0;
}

void ae_vhost_front_kick(const struct ae_vhost_front *front, unsigned vring)
{
    ae_vhost_notify(&front->notifier, front->kicks[vring]);
}
