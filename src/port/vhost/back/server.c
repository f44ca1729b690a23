/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The owner of a vhost-user back end: serves one front end at a time - a virtual machine's QEMU, a
 * DPDK program, another Aether program - for as long as it stays. It connects to the socket of our
 * name, or, with client=on, we connect to its; the name is vhost/listen.c's.
 *
 * Nothing here waits. A message that needs the rings to stand still is put aside, the workers are
 * told to stop, and it is taken up again once all of them have (vhost/back/handover.h). Whatever
 * the peer does wrong ends its connection, never the port: the next one finds it as new.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/now.h"
#include "port/port.h"
#include "port/vhost/back/session.h"
#include "port/vhost/format.h"
#include "port/vhost/listen.h"
#include "port/vhost/notify.h"
#include "port/vhost/receiver.h"

#define TEND_NS    100000
#define MESSAGES   64 /* handled at a time, so that a peer that never stops talking has to wait */
#define MTU        1500
#define SPEED_MBPS 10000

static const char *const keys[] = {"client", NULL};

enum statistic {
    CONNECTIONS,
    REFUSED,
    BROKEN,
    NOTIFICATIONS,
};

struct server {
    struct ae_port_owner *owner;
    struct ae_vhost_listener listener;
    struct ae_vhost_notifier notifier;
    struct ae_vhost_session session;
    struct ae_vhost_peer peer;
    struct ae_vhost_receivers receivers;
    struct vhost_user_message waiting; /* until the rings stand still */
    bool is_waiting;
    int epoll;
    int controls[AE_PORT_QUEUES]; /* our ends */
    struct ae_vhost_handover told[AE_PORT_QUEUES];
    struct ae_vhost_handover ran[AE_PORT_QUEUES]; /* before they were told to stop */
    bool stopping;
    bool hears_listener;
    bool calls;            /* the peer listens, we connect */
    bool was_up;           /* the peer had a pair of rings running */
    int64_t retry_at;      /* ms, when to connect again */
    struct ae_error error; /* why the last peer was refused something */
};

static struct server *server_of(const struct ae_port_owner *owner)
{
    return owner->driver;
}

/* ---- The workers ---- */

/* Has every worker done as it was last told? */
static bool settled(const struct server *server)
{
    const struct ae_port_state *state = server->owner->state;

    for (unsigned i = 0; i < server->session.queues; i++)
        /* Pairs with the release in take_over: the positions are there. */
        if (__atomic_load_n(&state->queues[i].generation, __ATOMIC_ACQUIRE) != state->generation)
            return false;
    return true;
}

static bool told_to_run(const struct server *server)
{
    for (unsigned i = 0; i < server->session.queues; i++)
        if (server->told[i].rings[0].run || server->told[i].rings[1].run)
            return true;
    return false;
}

/* Every queue, before any looks. On failure (no room: they do not poll) it is tried again later. */
static bool tell(struct server *server, const struct ae_vhost_handover *handovers)
{
    struct ae_port_state *state = server->owner->state;
    uint32_t generation = state->generation + 1;

    for (unsigned i = 0; i < server->session.queues; i++) {
        struct ae_vhost_handover handover = handovers[i];

        handover.generation = generation;
        if (ae_vhost_send_handover(server->controls[i], &handover, server->session.region_fds,
                                   &server->error))
            return false;
    }
    memcpy(server->told, handovers, server->session.queues * sizeof(*handovers));
    __atomic_store_n(&state->generation, generation, __ATOMIC_RELEASE);
    return true;
}

/* Where rings stood that ran and do not any more; by the worker, so within the ring or not used. */
static void note_positions(struct server *server)
{
    for (unsigned i = 0; i < server->session.queues; i++)
        for (unsigned j = 0; j < 2; j++)
            if (server->ran[i].rings[j].run)
                server->session.vrings[2 * i + j].position =
                    server->owner->state->queues[i].positions[j];
    memset(server->ran, 0, sizeof(server->ran));
    server->stopping = false;
}

static void describe(const struct server *server, struct ae_vhost_handover *handovers, bool run)
{
    for (unsigned i = 0; i < server->session.queues; i++) {
        ae_vhost_session_describe(&server->session, i, &handovers[i]);
        for (unsigned j = 0; j < 2 && !run; j++)
            handovers[i].rings[j].run = false;
    }
}

/* False: not yet; they have been told. */
static bool stand_still(struct server *server)
{
    struct ae_vhost_handover handovers[AE_PORT_QUEUES];

    if (!settled(server))
        return false;
    if (server->stopping)
        note_positions(server);
    if (!told_to_run(server))
        return true;
    memcpy(server->ran, server->told, sizeof(server->ran));
    describe(server, handovers, false);
    if (tell(server, handovers))
        server->stopping = true;
    return false;
}

static bool differs(const struct ae_vhost_handover *one, const struct ae_vhost_handover *other)
{
    struct ae_vhost_handover left = *one, right = *other;

    for (unsigned i = 0; i < 2; i++)
        left.rings[i].position = right.rings[i].position = 0;
    return memcmp(&left, &right, sizeof(left)) != 0;
}

/* Is there something that the workers should know? Not while the peer still sets everything up. */
static bool worth_telling(const struct server *server, const struct ae_vhost_handover *wanted)
{
    for (unsigned i = 0; i < server->session.queues; i++) {
        const struct ae_vhost_handover *told = &server->told[i];
        bool runs = told->rings[0].run || told->rings[1].run || wanted[i].rings[0].run ||
                    wanted[i].rings[1].run;

        if ((runs && differs(told, &wanted[i])) || told->announce != wanted[i].announce ||
            (told->region_count && told->memory_id != wanted[i].memory_id))
            return true;
    }
    return false;
}

static void set_link(struct server *server)
{
    struct ae_link old, link = {.full_duplex = true};

    for (unsigned i = 0; i < server->session.queues; i++) {
        const struct ae_vhost_handover_ring *rings = server->told[i].rings;

        if (rings[0].run && rings[0].enabled && rings[1].run && rings[1].enabled)
            link.up = true;
    }
    link.mbps = link.up ? SPEED_MBPS : 0;
    server->was_up |= link.up && server->peer.fd >= 0;
    ae_port_read_link(server->owner->state, &old);
    link.changes = old.changes + (link.up != old.up);
    ae_port_set_link(server->owner->state, &link);
}

/* Brings the workers to where the session is. */
static void bring_up_to_date(struct server *server)
{
    struct ae_vhost_handover handovers[AE_PORT_QUEUES];

    if (!settled(server))
        return;
    if (server->stopping)
        note_positions(server);
    describe(server, handovers, true);
    if (worth_telling(server, handovers) && (!stand_still(server) || !tell(server, handovers)))
        return;
    set_link(server);
}

/* ---- The peer ---- */

static bool has_peer(const struct server *server)
{
    return server->peer.fd >= 0;
}

/* How the peer hears of what was used, if it gave us something to tell it by. */
static int signal_peer(struct server *server, int fd)
{
    int rc = fd < 0 ? 0 : ae_vhost_notify(&server->notifier, fd);

    if (fd >= 0 && rc == 0)
        server->owner->statistics[NOTIFICATIONS]++;
    return rc;
}

/* Only one is heard at a time: who waits to be served next must not keep us awake. */
static void hear(struct server *server, int fd, bool on)
{
    struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.fd = fd};

    epoll_ctl(server->epoll, EPOLL_CTL_MOD, fd, &event);
}

static void hear_listener(struct server *server, bool on)
{
    if (server->hears_listener != on)
        hear(server, server->listener.fd, on);
    server->hears_listener = on;
}

static int find_peer(struct server *server)
{
    if (!server->calls)
        return ae_vhost_accept(&server->listener);
    return ae_vhost_connect(server->owner->base,
                            "is the front end running and listening there? (for one that connects "
                            "itself leave out ',client=on')",
                            &server->error);
}

static int connect_peer(struct server *server)
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
    server->owner->statistics[CONNECTIONS]++;
    return 0;
}

/* Tries to connect to the peer, once. */
static int call(struct server *server)
{
    int rc = connect_peer(server);

    server->retry_at = ae_now_ms() + AE_VHOST_RETRY_MS;
    if (rc)
        server->owner->trouble = server->error;
    else
        server->owner->trouble.text[0] = '\0';
    return rc;
}

/* The workers are told later, by bring_up_to_date: the peer's memory is ours until they are
 * done. */
static void disconnect(struct server *server)
{
    if (!has_peer(server))
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

/* For what is in server->error. */
static void let_go(struct server *server)
{
    if (server->calls)
        server->owner->trouble = server->error;
    disconnect(server);
}

/* False: the connection cannot go on. */
static bool reply(struct server *server, const struct vhost_user_message *message, int outcome,
                  struct vhost_user_message *answer)
{
    bool acknowledge =
        message->flags & VHOST_USER_NEED_REPLY_MASK &&
        server->session.protocol_features & VIRTIO_FEATURE(VHOST_USER_PROTOCOL_F_REPLY_ACK);

    if (outcome < 0)
        server->owner->statistics[REFUSED]++;
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

static bool handle(struct server *server)
{
    struct vhost_user_message *message = &server->waiting, answer;
    int outcome = ae_vhost_session_handle(&server->session, message, &answer, &server->error);
    bool going_on = reply(server, message, outcome, &answer);

    /* What was used before it was known whom to tell, if anything was. */
    if (message->request == VHOST_USER_SET_VRING_CALL && outcome >= 0 &&
        signal_peer(server, server->session.vrings[message->payload.u64 & VHOST_USER_VRING_IDX_MASK]
                                .call_fd) == -EINVAL) {
        server->owner->statistics[REFUSED]++;
        ae_error_set(&server->error, -EPROTO, "VHOST_USER_SET_VRING_CALL with what is no eventfd");
        going_on = false;
    }
    ae_vhost_close_fds(message);
    server->is_waiting = false;
    return going_on;
}

static void serve(struct server *server)
{
    for (unsigned i = 0; i < MESSAGES && has_peer(server); i++) {
        if (!server->is_waiting) {
            int rc = ae_vhost_peer_receive(&server->peer, &server->waiting, &server->error);

            server->is_waiting = rc > 0;
            if (rc < 0) {
                server->owner->statistics[REFUSED] += rc == -EPROTO;
                let_go(server);
            }
            if (rc <= 0)
                break;
        }
        if (ae_vhost_session_must_stop(&server->session, &server->waiting) && !stand_still(server))
            break;
        if (!handle(server))
            let_go(server);
    }
    if (has_peer(server))
        hear(server, server->peer.relay, !server->is_waiting);
}

/* ---- What comes up ---- */

static void look_for_events(struct server *server)
{
    struct epoll_event events[2];
    int count = epoll_wait(server->epoll, events, 2, 0);

    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == server->listener.fd) {
            if (!has_peer(server))
                connect_peer(server);
        } else if (events[i].events & (EPOLLHUP | EPOLLERR) && server->is_waiting) {
            disconnect(server);
        }
    }
}

static void relay(struct server *server)
{
    struct ae_port_state *state = server->owner->state;

    for (unsigned i = 0; i < server->session.queues; i++) {
        struct ae_queue_state *queue = &state->queues[i];
        const struct ae_vhost_vring *vrings = &server->session.vrings[2 * i];

        if (__atomic_load_n(&queue->notify_send, __ATOMIC_RELAXED) &&
            __atomic_exchange_n(&queue->notify_send, 0, __ATOMIC_ACQUIRE))
            signal_peer(server, vrings[AE_VHOST_TO_PEER].call_fd);
        if (__atomic_load_n(&queue->notify_receive, __ATOMIC_RELAXED) &&
            __atomic_exchange_n(&queue->notify_receive, 0, __ATOMIC_ACQUIRE))
            signal_peer(server, vrings[AE_VHOST_FROM_PEER].call_fd);
    }
}

/* A peer that broke a ring is told, as far as it wants to be, and let go. */
static void look_for_broken(struct server *server)
{
    if (!has_peer(server) || !settled(server))
        return;
    for (unsigned i = 0; i < server->session.queues; i++) {
        if (!__atomic_load_n(&server->owner->state->queues[i].broken, __ATOMIC_ACQUIRE))
            continue;
        server->owner->statistics[BROKEN]++;
        signal_peer(server, server->session.vrings[2 * i].err_fd);
        signal_peer(server, server->session.vrings[2 * i + 1].err_fd);
        ae_error_set(&server->error, -EPROTO, "the front end broke a ring of queue %u", i);
        let_go(server);
        return;
    }
}

/* Nobody is served: until something is heard, or it is time to connect again. */
static uint64_t await_peer(struct server *server)
{
    int64_t left = server->retry_at - ae_now_ms();
    bool can = ae_vhost_receivers_check(&server->receivers, &server->error) == 0;

    if (!can)
        server->owner->trouble = server->error;
    else if (!server->calls)
        server->owner->trouble.text[0] = '\0';
    if (!server->calls)
        hear_listener(server, can);
    if (server->receivers.count)
        return TEND_NS;
    return !server->calls ? 0 : left > 0 ? (uint64_t)left * 1000000 : TEND_NS;
}

static uint64_t tend(struct ae_port_owner *owner)
{
    struct server *server = server_of(owner);

    if (server->calls && !has_peer(server) && ae_now_ms() >= server->retry_at)
        call(server);
    look_for_events(server);
    relay(server);
    look_for_broken(server);
    serve(server);
    bring_up_to_date(server);
    return has_peer(server) ? TEND_NS : await_peer(server);
}

static void event(struct ae_port_owner *owner, int fd)
{
    (void)fd;
    tend(owner);
}

static int event_fds(const struct ae_port_owner *owner, int *fds, unsigned count)
{
    if (count)
        fds[0] = server_of(owner)->epoll;
    return 1;
}

/* ---- Opening and closing ---- */

/* The same name has the same addresses after a restart, so that what peers have learned stays
 * right. */
static void make_macs(struct server *server, const char *path)
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

static int make_controls(struct server *server, struct ae_error *err)
{
    for (unsigned i = 0; i < server->session.queues; i++) {
        int ends[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
            return ae_error_set(err, -errno, "making a control socket: %s", strerror(errno));
        server->controls[i] = ends[0];
        server->owner->handoff.control_fds[i] = ends[1];
    }
    return 0;
}

/* What has the name is as it should be, but nobody listens there yet. */
static bool may_come(int rc)
{
    return rc == -ENOENT || rc == -ECONNREFUSED || rc == -EAGAIN;
}

static int reach_peers(struct server *server, struct ae_error *err)
{
    const char *path = server->owner->base;
    struct epoll_event event = {.events = EPOLLIN};
    int rc = ae_port_choice_bool(server->owner, "client", &server->calls, err);

    if (rc)
        return rc;
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server->epoll < 0)
        return ae_error_set(err, -errno, "epoll: %s", strerror(errno));
    if (server->calls) {
        rc = call(server);
        return !rc || may_come(rc) ? 0 : ae_error_set(err, rc, "%s", server->error.text);
    }
    rc = ae_vhost_listen(&server->listener, path, err);
    event.data.fd = server->listener.fd;
    if (!rc && epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->listener.fd, &event))
        rc = ae_error_set(err, -errno, "watching %s: %s", path, strerror(errno));
    server->hears_listener = !rc;
    return rc;
}

static int open_server(struct ae_port_owner *owner, struct ae_error *err)
{
    struct server *server = calloc(1, sizeof(*server));
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
    return rc ? rc : reach_peers(server, err);
}

static int map(struct ae_port_owner *owner, struct ae_error *err)
{
    (void)owner;
    (void)err;
    return 0;
}

/* Workers are new: all they are told at first is that there is nothing. */
static int start(struct ae_port_owner *owner, struct ae_error *err)
{
    struct server *server = server_of(owner);
    struct ae_vhost_handover handovers[AE_PORT_QUEUES];

    memset(server->told, 0, sizeof(server->told));
    memset(server->ran, 0, sizeof(server->ran));
    server->stopping = false;
    describe(server, handovers, false);
    if (!tell(server, handovers))
        return ae_error_set(err, server->error.code, "%s", server->error.text);
    set_link(server);
    return 0;
}

static int stop(struct ae_port_owner *owner, struct ae_error *err)
{
    (void)err;
    disconnect(server_of(owner));
    return 0;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void close_server(struct ae_port_owner *owner)
{
    struct server *server = server_of(owner);

    if (!server)
        return;
    disconnect(server);
    ae_vhost_unlisten(&server->listener, &server->receivers);
    ae_vhost_receivers_end(&server->receivers);
    ae_vhost_notifier_close(&server->notifier);
    for (unsigned i = 0; i < AE_PORT_QUEUES; i++) {
        close_fd(server->controls[i]);
        close_fd(owner->handoff.control_fds[i]);
    }
    close_fd(server->epoll);
}

static const struct {
    const char *name;
    const char *description;
} statistic_names[] = {
    [CONNECTIONS] = {"connections", "peers that connected"},
    [REFUSED] = {"refused", "messages of peers that were refused"},
    [BROKEN] = {"broken", "peers that were let go because they broke a ring"},
    [NOTIFICATIONS] = {"notifications", "times that a peer was notified"},
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
    .event_fds = event_fds,
    .event = event,
    .tend = tend,
};

const struct ae_port_ops ae_port_vhost_server = {
    .name = "vhost-server",
    .path = AE_PATH_DEVICE,
    .scheme = "vhost-user-server:",
    .description =
        "vhost-user-server:PATH, a socket that virtual machines and DPDK programs connect "
        "to, or serve",
    .keys = keys,
    .transport = &transport,
    .ring_default = 256,
    .ring_min = 2,
    .ring_max = 32768,
    .queues_max = AE_PORT_QUEUES,
    .mtu = MTU,
    .features = AE_PORT_SEND_IPV4_CHECKSUM | AE_PORT_SEND_UDP_CHECKSUM | AE_PORT_SEND_TCP_CHECKSUM,
    .statistics = statistics,
    .attach = ae_vhost_attach,
    .detach = ae_vhost_detach,
    .pause = ae_vhost_pause,
};
