/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "base/root.h"
#include "port/handoff.h"
#include "worker/supervisor/logger.h"
#include "worker/supervisor/shares.h"

#define WAITING 8 /* who connected and was not answered yet; more are told to come again */

/* ---- Its name ---- */

static uid_t user_of(const struct ae_supervisor *supervisor)
{
    return supervisor->user ? ae_child_user_id(supervisor->user) : geteuid();
}

static int make_place(struct ae_supervisor *supervisor, struct ae_error *err)
{
    char place[64] = AE_VIEW_RUNS, home[32];
    int rc;

    if (geteuid()) {
        snprintf(home, sizeof(home), "/run/user/%u", geteuid());
        snprintf(place, sizeof(place), "%s/aether/runs", home);
        if (!ae_root_exists(home))
            return ae_error_set(err, -ENOENT,
                                "%s is not there, where a user's runs are found (systemd-logind "
                                "makes it)",
                                home);
    }
    rc = ae_root_make_directory(place);
    if (rc)
        return ae_error_set(err, rc, "making %s: %s", place, strerror(-rc));
    snprintf(supervisor->view.path, sizeof(supervisor->view.path), "%s/%d", place, getpid());
    snprintf(supervisor->view.early, sizeof(supervisor->view.early), "%s/.%d", place, getpid());
    return 0;
}

/* It has its name when it listens, so that who finds it and is refused knows that it is dead. */
static int listen_at(struct ae_supervisor *supervisor, struct ae_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[PATH_MAX];
    int fd = supervisor->view.fd =
        socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return ae_error_set(err, -errno, "making a socket: %s", strerror(errno));
    if (ae_root_path(address.sun_path, sizeof(address.sun_path), supervisor->view.early) ||
        ae_root_path(name, sizeof(name), supervisor->view.path))
        return ae_error_set(err, -ENAMETOOLONG, "%s: the path is too long", supervisor->view.path);
    unlink(address.sun_path);
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) ||
        chmod(address.sun_path, 0600) || chown(address.sun_path, user_of(supervisor), (gid_t)-1) ||
        listen(fd, WAITING) || rename(address.sun_path, name)) {
        int rc = -errno;

        unlink(address.sun_path);
        return ae_error_set(err, rc, "listening at %s: %s", name, strerror(-rc));
    }
    supervisor->view.listens = true;
    return 0;
}

void ae_supervisor_view_open(struct ae_supervisor *supervisor)
{
    struct ae_error why;
    int rc = make_place(supervisor, &why);

    supervisor->view.since_ms = ae_supervisor_now();
    if (!rc)
        rc = listen_at(supervisor, &why);
    if (!rc)
        return;
    ae_descriptor_close(&supervisor->view.fd);
    snprintf(supervisor->result->view_notice, sizeof(supervisor->result->view_notice),
             "this run cannot be looked at while it goes on: %.600s", why.text);
}

void ae_supervisor_view_close(struct ae_supervisor *supervisor)
{
    if (supervisor->view.listens)
        ae_root_remove(supervisor->view.path);
    ae_descriptor_close(&supervisor->view.fd);
}

/* ---- What it shows ---- */

struct answer {
    struct ae_view_message message;
    int pages[AE_VIEW_PAGES];
    unsigned page_count;
};

/* Open for reading; and since it is not writable for anybody, nobody but its owner, whose all of it
 * is, can open it again to write. */
static int add_page(struct answer *answer, int fd)
{
    char path[32]; /* our own, wherever the machine's files are looked for */
    int page;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (fchmod(fd, 0400))
        return -errno;
    page = open(path, O_RDONLY | O_CLOEXEC);
    if (page < 0)
        return -errno;
    answer->pages[answer->page_count++] = page;
    return 0;
}

static enum ae_view_state state_of(const struct ae_ward *ward)
{
    static const enum ae_view_state states[] = {
        [AE_GATE_STARTED] = AE_VIEW_STARTED,
        [AE_GATE_QUIET] = AE_VIEW_QUIET,
        [AE_GATE_LEFT] = AE_VIEW_LEFT,
    };

    return ward->fd < 0 ? AE_VIEW_ENDED : states[ward->gate];
}

static void note_states(struct ae_supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->ward_count; i++) {
        struct ae_supervisor_view_ward *seen = &supervisor->view.wards[i];
        enum ae_view_state state = state_of(&supervisor->wards[i]);

        if (seen->since_ms && seen->state == state)
            continue;
        seen->state = state;
        seen->since_ms = ae_supervisor_now();
        if (state == AE_VIEW_QUIET)
            ae_view_read_kernel(supervisor->wards[i].cpu, &seen->kernel);
    }
}

static int add_workers(const struct ae_supervisor *supervisor, struct answer *answer)
{
    int rc = 0;

    for (unsigned i = 0; i < supervisor->ward_count && !rc; i++) {
        answer->message.workers[i] = (struct ae_view_worker){
            .cpu = supervisor->wards[i].cpu,
            .pid = supervisor->wards[i].launch.pid,
            .state = supervisor->view.wards[i].state,
            .since_ms = supervisor->view.wards[i].since_ms,
            .kernel = supervisor->view.wards[i].kernel,
        };
        rc = add_page(answer, supervisor->wards[i].shared_fd);
        if (!rc)
            rc = add_page(answer, supervisor->wards[i].log_fd);
    }
    return rc;
}

static void tell_shares(const struct ae_supervisor *supervisor, unsigned port,
                        struct ae_view_port *told)
{
    for (unsigned worker = 0; worker < supervisor->options->cpu_count; worker++) {
        unsigned first, count;

        if (ae_shares_find(supervisor->options, worker, port, &first, &count))
            for (unsigned i = first; i < first + count && i < AE_PORT_QUEUES; i++)
                told->workers[i] = (uint8_t)worker;
    }
}

static int add_port(const struct ae_supervisor *supervisor, unsigned port, struct answer *answer)
{
    struct ae_view_port *told = &answer->message.ports[port];
    struct ae_port_owner *owner = supervisor->owners[port];
    struct ae_port_handoff handoff;
    unsigned queues = ae_shares_queues(supervisor->options, port);
    int rc = ae_port_owner_get_handoff(owner, 0, queues, &handoff);

    if (rc)
        return rc;
    told->info = handoff.info;
    ae_port_owner_get_link(owner, &told->link);
    snprintf(told->trouble, sizeof(told->trouble), "%s", ae_port_owner_trouble(owner));
    tell_shares(supervisor, port, told);
    for (unsigned i = 0; i < queues && !rc; i++)
        rc = add_page(answer, ae_handoff_find(&handoff, AE_PORT_MAP_QUEUE, i)->fd);
    return rc;
}

static void tell_filter(const struct ae_port_filter *filter, struct ae_view_filter *told)
{
    if (!filter)
        return;
    *told = (struct ae_view_filter){
        .set = 1,
        .promiscuous = filter->promiscuous,
        .all_multicast = filter->all_multicast,
        .address_count = filter->address_count,
        .vlan_count = filter->vlan_count,
    };
    for (unsigned i = 0; i < filter->address_count && i < AE_FILTER_ADDRESSES; i++)
        memcpy(told->addresses[i], filter->addresses[i], sizeof(told->addresses[i]));
}

static const char *name_of(const struct ae_supervise_options *options)
{
    const char *slash = strrchr(options->argv[0], '/');

    return options->name ? options->name : slash ? slash + 1 : options->argv[0];
}

static int make_answer(const struct ae_supervisor *supervisor, struct answer *answer)
{
    struct ae_view_message *message = &answer->message;
    int rc;

    *message = (struct ae_view_message){
        .magic = AE_VIEW_MAGIC,
        .version = AE_VIEW_VERSION,
        .size = sizeof(*message),
        .shared_size = sizeof(struct ae_shared),
        .queue_size = sizeof(struct ae_queue_state),
        .worker_count = supervisor->ward_count,
        .port_count = supervisor->owner_count,
        .user = user_of(supervisor),
        .log_size = (uint32_t)ae_logger_size(),
        .since_ms = supervisor->view.since_ms,
    };
    snprintf(message->name, sizeof(message->name), "%s", name_of(supervisor->options));
    tell_filter(supervisor->options->port.filter, &message->filter);
    rc = add_workers(supervisor, answer);
    for (unsigned i = 0; i < supervisor->owner_count && !rc; i++)
        rc = add_port(supervisor, i, answer);
    return rc;
}

/* The kernel takes all of it or nothing: nobody is waited for, and nothing is kept of him. */
static void send_answer(int fd, struct answer *answer)
{
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(AE_VIEW_PAGES * sizeof(int))];
    } control = {.bytes = {0}};
    size_t size = answer->page_count * sizeof(int);
    struct iovec piece = {&answer->message, sizeof(answer->message)};
    struct msghdr header = {.msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = CMSG_SPACE(size)};

    control.align = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.align), answer->pages, size);
    sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The workers' user may have changed the mode of the socket, which is his. */
static bool may_look(const struct ae_supervisor *supervisor, int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) &&
           (peer.uid == 0 || peer.uid == geteuid() || peer.uid == user_of(supervisor));
}

static void answer_one(const struct ae_supervisor *supervisor, int fd)
{
    struct answer answer = {.page_count = 0};

    if (may_look(supervisor, fd) && !make_answer(supervisor, &answer))
        send_answer(fd, &answer);
    for (unsigned i = 0; i < answer.page_count; i++)
        close(answer.pages[i]);
}

void ae_supervisor_view_step(struct ae_supervisor *supervisor)
{
    int fd;

    note_states(supervisor);
    fd = supervisor->view.fd < 0
             ? -1
             : accept4(supervisor->view.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    answer_one(supervisor, fd);
    close(fd);
}
