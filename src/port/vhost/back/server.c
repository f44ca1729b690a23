/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/back/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "base/now.h"
#include "port/vhost/back/connection.h"
#include "port/vhost/back/workers.h"
#include "port/vhost/format.h"

#define MESSAGES 64 /* handled at a time, so that a peer that never stops talking has to wait */

static const char *const keys[] = {"client", "mtu", NULL};

static struct ae_vhost_server *server_of(const struct ae_port_owner *owner)
{
    return owner->driver;
}

/* ---- What the peer says ---- */

/* False: the connection cannot go on. */
static bool reply(struct ae_vhost_server *server, const struct vhost_user_message *message,
                  int outcome, struct vhost_user_message *answer)
{
    bool acknowledge =
        message->flags & VHOST_USER_NEED_REPLY_MASK &&
        server->session.protocol_features & VIRTIO_FEATURE(VHOST_USER_PROTOCOL_F_REPLY_ACK);

    if (outcome < 0)
        server->owner->statistics[AE_VHOST_REFUSED]++;
    if (ae_vhost_has_reply(message->request)) {
        if (outcome < 0)
            return false;
    } else if (acknowledge) {
        answer->payload.u64 = outcome < 0;
        answer->size = sizeof(answer->payload.u64);
    } else {
        return outcome >= 0;
    }
    return ae_vhost_send(server->peer.fd, answer, 0, &server->error) == 0;
}

static bool handle(struct ae_vhost_server *server)
{
    struct vhost_user_message *message = &server->waiting, answer;
    int outcome = ae_vhost_session_handle(&server->session, message, &answer, &server->error);
    bool going_on = reply(server, message, outcome, &answer);

    /* What was used before it was known whom to tell, if anything was. */
    if (message->request == VHOST_USER_SET_VRING_CALL && outcome >= 0 &&
        ae_vhost_server_call(
            server,
            server->session.vrings[message->payload.u64 & VHOST_USER_VRING_IDX_MASK].call_fd) ==
            -EINVAL) {
        server->owner->statistics[AE_VHOST_REFUSED]++;
        ae_error_set(&server->error, -EPROTO, "VHOST_USER_SET_VRING_CALL with what is no eventfd");
        going_on = false;
    }
    ae_vhost_close_fds(message);
    server->is_waiting = false;
    return going_on;
}

static void serve(struct ae_vhost_server *server)
{
    for (unsigned i = 0; i < MESSAGES && ae_vhost_server_has_peer(server); i++) {
        if (!server->is_waiting) {
            int rc = ae_vhost_peer_receive(&server->peer, &server->waiting, &server->error);

            server->is_waiting = rc > 0;
            if (rc < 0) {
                server->owner->statistics[AE_VHOST_REFUSED] += rc == -EPROTO;
                ae_vhost_server_let_go(server);
            }
            if (rc <= 0)
                break;
        }
        if (ae_vhost_session_must_stop(&server->session, &server->waiting) &&
            !ae_vhost_workers_stand_still(server))
            break;
        if (!handle(server))
            ae_vhost_server_let_go(server);
    }
    if (ae_vhost_server_has_peer(server))
        ae_vhost_server_hear(server, server->peer.relay, !server->is_waiting);
}

/* ---- What comes up ---- */

static void look_for_events(struct ae_vhost_server *server)
{
    struct epoll_event events[2];
    int count = epoll_wait(server->epoll, events, 2, 0);

    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == server->listener.fd) {
            if (!ae_vhost_server_has_peer(server))
                ae_vhost_server_connect(server);
        } else if (events[i].events & (EPOLLHUP | EPOLLERR) && server->is_waiting) {
            ae_vhost_server_disconnect(server);
        }
    }
}

static void relay(struct ae_vhost_server *server)
{
    for (unsigned i = 0; i < server->session.queues; i++) {
        struct ae_queue_state *queue = &server->owner->queue_states[i];
        const struct ae_vhost_vring *vrings = &server->session.vrings[2 * i];

        if (__atomic_load_n(&queue->notify_send, __ATOMIC_RELAXED) &&
            __atomic_exchange_n(&queue->notify_send, 0, __ATOMIC_ACQUIRE))
            ae_vhost_server_call(server, vrings[AE_VHOST_TO_PEER].call_fd);
        if (__atomic_load_n(&queue->notify_receive, __ATOMIC_RELAXED) &&
            __atomic_exchange_n(&queue->notify_receive, 0, __ATOMIC_ACQUIRE))
            ae_vhost_server_call(server, vrings[AE_VHOST_FROM_PEER].call_fd);
    }
}

/* A peer that broke a ring is told, as far as it wants to be, and let go. */
static void look_for_broken(struct ae_vhost_server *server)
{
    if (!ae_vhost_server_has_peer(server) || !ae_vhost_workers_took_over(server))
        return;
    for (unsigned i = 0; i < server->session.queues; i++) {
        if (!__atomic_load_n(&server->owner->queue_states[i].broken, __ATOMIC_ACQUIRE))
            continue;
        server->owner->statistics[AE_VHOST_BROKEN]++;
        ae_vhost_server_call(server, server->session.vrings[2 * i].err_fd);
        ae_vhost_server_call(server, server->session.vrings[2 * i + 1].err_fd);
        ae_error_set(&server->error, -EPROTO, "the front end broke a ring of queue %u", i);
        ae_vhost_server_let_go(server);
        return;
    }
}

static uint64_t tend(struct ae_port_owner *owner)
{
    struct ae_vhost_server *server = server_of(owner);

    if (server->connects && !ae_vhost_server_has_peer(server) && ae_now_ms() >= server->retry_at)
        ae_vhost_server_try(server);
    look_for_events(server);
    relay(server);
    look_for_broken(server);
    serve(server);
    ae_vhost_workers_update(server);
    return ae_vhost_server_has_peer(server) ? AE_VHOST_SERVER_TEND_NS
                                            : ae_vhost_server_await(server);
}

/* Peers hear of it, though nobody tends what is lost. */
static void hear(struct ae_port_owner *owner)
{
    if (owner->lost)
        tend(owner);
}

static int fd(const struct ae_port_owner *owner)
{
    return server_of(owner)->epoll;
}

/* ---- Opening and closing ---- */

/* The same name has the same addresses after a restart, so that what peers have learned stays
 * right. */
static void make_macs(struct ae_vhost_server *server, const char *path)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    uint8_t *ours = server->owner->handoff.info.mac, *theirs = server->session.config.mac;

    for (; *path; path++)
        hash = (hash ^ (uint8_t)*path) * UINT64_C(0x100000001b3);
    memcpy(ours, &hash, 6);
    ours[0] = 0x02; /* locally administered */
    ours[5] &= 0xfe;
    memcpy(theirs, ours, 6);
    theirs[5] |= 1;
}

static int make_controls(struct ae_vhost_server *server, struct ae_error *err)
{
    for (unsigned i = 0; i < server->session.queues; i++) {
        int ends[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
            return ae_error_set(err, -errno, "making a control socket: %s", strerror(errno));
        server->controls[i] = ends[0];
        server->owner->controls[i] = ends[1];
    }
    return 0;
}

static int open_server(struct ae_port_owner *owner, struct ae_error *err)
{
    struct ae_vhost_server *server = calloc(1, sizeof(*server));
    int rc;

    if (!server)
        return ae_error_set(err, -ENOMEM, "out of memory");
    owner->driver = server;
    server->owner = owner;
    server->peer.fd = server->listener.fd = server->epoll = -1;
    for (unsigned i = 0; i < AE_PORT_QUEUES; i++)
        server->controls[i] = -1;
    ae_vhost_session_init(&server->session);
    server->session.offered = AE_VHOST_FEATURES;
    server->session.queues = owner->handoff.info.queues;
    server->session.mtu = owner->handoff.info.mtu;
    server->session.config.status = VIRTIO_NET_S_LINK_UP;
    server->session.config.max_virtqueue_pairs = owner->handoff.info.queues;
    server->session.config.mtu = owner->handoff.info.mtu;
    make_macs(server, owner->base);
    rc = make_controls(server, err);
    if (!rc)
        rc = ae_vhost_notifier_open(&server->notifier, err);
    return rc ? rc : ae_vhost_server_reach(server, err);
}

static int map(struct ae_port_owner *owner, struct ae_error *err)
{
    (void)owner;
    (void)err;
    return 0;
}

static int start(struct ae_port_owner *owner, struct ae_error *err)
{
    return ae_vhost_workers_start(server_of(owner), err);
}

static int stop(struct ae_port_owner *owner, struct ae_error *err)
{
    (void)err;
    ae_vhost_server_disconnect(server_of(owner));
    return 0;
}

static void close_server(struct ae_port_owner *owner)
{
    struct ae_vhost_server *server = server_of(owner);

    if (!server)
        return;
    ae_vhost_server_disconnect(server);
    ae_vhost_unlisten(&server->listener, &server->receivers);
    ae_vhost_receivers_end(&server->receivers);
    ae_vhost_notifier_close(&server->notifier);
    for (unsigned i = 0; i < AE_PORT_QUEUES; i++) {
        ae_descriptor_close(&server->controls[i]);
        ae_descriptor_close(&owner->controls[i]);
    }
    ae_descriptor_close(&server->epoll);
}

static const struct {
    const char *name;
    const char *description;
} statistic_names[] = {
    [AE_VHOST_CONNECTIONS] = {"connections", "peers that connected"},
    [AE_VHOST_REFUSED] = {"refused", "messages of peers that were refused"},
    [AE_VHOST_BROKEN] = {"broken", "peers that were let go because they broke a ring"},
    [AE_VHOST_NOTIFICATIONS] = {"notifications", "times that a peer was notified"},
};

static int statistics(struct ae_port_owner *owner, struct ae_port_statistic *out, unsigned count)
{
    unsigned all = sizeof(statistic_names) / sizeof(statistic_names[0]);

    for (unsigned i = 0; i < all && i < count; i++)
        out[i] = (struct ae_port_statistic){statistic_names[i].name, statistic_names[i].description,
                                            owner->statistics[i]};
    return (int)all;
}

static const struct ae_port_transport transport = {
    .open = open_server,
    .map = map,
    .start = start,
    .stop = stop,
    .close = close_server,
    .fd = fd,
    .hear = hear,
    .tend = tend,
};

const struct ae_port_ops ae_port_vhost_server = {
    .queue = &ae_queue_vhost_server,
    .path = AE_PATH_DEVICE, /* the peer's process is the device; no kernel is on the way */
    .caller = AE_CALLER_OWNER,
    .scheme = "vhost-user-server:",
    .description =
        "vhost-user-server:PATH, a socket that virtual machines and DPDK programs connect "
        "to, or serve",
    .keys = keys,
    .transport = &transport,
    .ring_default = 256,
    .queues_max = AE_PORT_QUEUES,
    .mtu = 1500,
    .mtu_max = 9000,
    .segments_max = AE_FRAME_SEGMENTS,
    .features = AE_PORT_SEND_IPV4_CHECKSUM | AE_PORT_SEND_UDP_CHECKSUM | AE_PORT_SEND_TCP_CHECKSUM,
    .statistics = statistics,
    .no_steering = "the front end chooses it",
};
