/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/back/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/error.h"
#include "base/now.h"

int ae_vhost_server_call(struct ae_vhost_server *server, int fd)
{
    int rc = fd < 0 ? 0 : ae_vhost_notify(&server->notifier, fd);

    if (fd >= 0 && rc == 0)
        server->owner->statistics[AE_VHOST_NOTIFICATIONS]++;
    return rc;
}

void ae_vhost_server_hear(struct ae_vhost_server *server, int fd, bool on)
{
    struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.fd = fd};

    epoll_ctl(server->epoll, EPOLL_CTL_MOD, fd, &event);
}

static void hear_listener(struct ae_vhost_server *server, bool on)
{
    if (server->hears_listener != on)
        ae_vhost_server_hear(server, server->listener.fd, on);
    server->hears_listener = on;
}

static int find_peer(struct ae_vhost_server *server)
{
    if (!server->connects)
        return ae_vhost_accept(&server->listener);
    return ae_vhost_connect(server->owner->base,
                            "is the front end running and listening there? (for one that connects "
                            "itself leave out ',client=on')",
                            &server->error);
}

int ae_vhost_server_connect(struct ae_vhost_server *server)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd, rc;

    /* Who connects waits until there may be one more process to receive. */
    hear_listener(server, false);
    rc = ae_vhost_receivers_check(&server->receivers, &server->error);
    if (rc)
        return rc;
    fd = find_peer(server);
    if (fd < 0)
        return fd;
    rc = ae_vhost_peer_open(&server->peer, &server->receivers, fd, VHOST_USER_FRONTEND_REQUEST,
                            &server->error);
    if (rc)
        return rc;
    event.data.fd = server->peer.relay;
    if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->peer.relay, &event)) {
        rc = ae_error_set(&server->error, -errno, "watching a socket: %s", strerror(errno));
        ae_vhost_peer_close(&server->peer);
        return rc;
    }
    server->owner->statistics[AE_VHOST_CONNECTIONS]++;
    return 0;
}

int ae_vhost_server_try(struct ae_vhost_server *server)
{
    int rc = ae_vhost_server_connect(server);

    server->retry_at = ae_now_ms() + AE_VHOST_RETRY_MS;
    if (rc)
        server->owner->trouble = server->error;
    else
        server->owner->trouble.text[0] = '\0';
    return rc;
}

void ae_vhost_server_disconnect(struct ae_vhost_server *server)
{
    if (!ae_vhost_server_has_peer(server))
        return;
    ae_vhost_peer_close(&server->peer);
    if (server->is_waiting)
        ae_vhost_close_fds(&server->waiting);
    server->is_waiting = false;
    ae_vhost_session_reset(&server->session);
    memset(server->ran, 0, sizeof(server->ran));
    server->retry_at = ae_now_ms() + (server->was_up ? AE_VHOST_AGAIN_MS : AE_VHOST_RETRY_MS);
    server->was_up = false;
}

void ae_vhost_server_let_go(struct ae_vhost_server *server)
{
    if (server->connects)
        server->owner->trouble = server->error;
    ae_vhost_server_disconnect(server);
}

uint64_t ae_vhost_server_await(struct ae_vhost_server *server)
{
    int64_t left = server->retry_at - ae_now_ms();
    bool can = ae_vhost_receivers_check(&server->receivers, &server->error) == 0;

    if (!can)
        server->owner->trouble = server->error;
    else if (!server->connects)
        server->owner->trouble.text[0] = '\0';
    if (!server->connects)
        hear_listener(server, can);
    if (server->receivers.count)
        return AE_VHOST_SERVER_TEND_NS;
    return !server->connects ? 0 : left > 0 ? (uint64_t)left * 1000000 : AE_VHOST_SERVER_TEND_NS;
}

/* What has the name is as it should be, but nobody listens there yet. */
static bool may_come(int rc)
{
    return rc == -ENOENT || rc == -ECONNREFUSED || rc == -EAGAIN;
}

int ae_vhost_server_reach(struct ae_vhost_server *server, struct ae_error *err)
{
    const char *path = server->owner->base;
    struct epoll_event event = {.events = EPOLLIN};
    int rc = ae_port_choice_bool(server->owner, "client", &server->connects, err);

    if (rc)
        return rc;
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server->epoll < 0)
        return ae_error_set(err, -errno, "epoll: %s", strerror(errno));
    if (server->connects) {
        rc = ae_vhost_server_try(server);
        return !rc || may_come(rc) ? 0 : ae_error_set(err, rc, "%s", server->error.text);
    }
    rc = ae_vhost_listen(&server->listener, path, err);
    event.data.fd = server->listener.fd;
    if (!rc && epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->listener.fd, &event))
        rc = ae_error_set(err, -errno, "watching %s: %s", path, strerror(errno));
    server->hears_listener = !rc;
    return rc;
}
