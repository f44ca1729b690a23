/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "port/vhost/format.h"

#define END_MS 1000 /* for a process that was killed to end, when a port is closed */

/* What goes over the socket pair: a message with its descriptors, or why there is none any more. */
struct relayed {
    int32_t rc; /* 1: a message */
    struct vhost_user_message message;
    char text[AE_ERROR_TEXT];
};

union control {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(VHOST_USER_MAX_FDS * sizeof(int))];
};

/* ---- In the process ---- */

/*
 * None of these is answered by anybody but the kernel's own code for memory: other files are
 * refused by the first. (Not even fstat is: of a file in memory it may wait for whoever holds its
 * lock.)
 */
static int vet_memory(int fd, uint64_t *size)
{
    struct stat status;

    if (fcntl(fd, F_GET_SEALS) < 0 || (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR ||
        fstat(fd, &status) || !S_ISREG(status.st_mode))
        return -EPROTO;
    *size = (uint64_t)status.st_size;
    return 0;
}

int ae_vhost_vet(struct vhost_user_message *message, enum vhost_user_kind kind,
                 const struct ae_vhost_notifier *notifier, struct ae_error *err)
{
    const char *name = ae_vhost_name(kind, message->request);

    for (uint32_t i = 0; i < message->fd_count; i++)
        switch (ae_vhost_takes(kind, message->request)) {
        case VHOST_USER_TAKES_MEMORY:
            if (vet_memory(message->fds[i], &message->file_sizes[i]))
                return ae_error_set(err, -EPROTO,
                                    "vhost-user: descriptor %u of %s is not a file in memory "
                                    "(memfd, tmpfs, hugetlbfs) that may be written to; QEMU: "
                                    "memory-backend-memfd,share=on",
                                    i, name);
            break;
        case VHOST_USER_TAKES_EVENTFD:
            if (!ae_vhost_is_eventfd(notifier, message->fds[i]))
                return ae_error_set(err, -EPROTO, "vhost-user: descriptor %u of %s is no eventfd",
                                    i, name);
            break;
        default:
            return ae_error_set(err, -EPROTO, "vhost-user: %s with a descriptor: it is not used",
                                name);
        }
    return 0;
}

static int pass_on(int relay, const struct relayed *relayed)
{
    union control control = {.bytes = {0}};
    struct iovec piece = {.iov_base = (void *)(uintptr_t)relayed, .iov_len = sizeof(*relayed)};
    struct msghdr header = {.msg_iov = &piece, .msg_iovlen = 1};
    size_t size = relayed->rc > 0 ? relayed->message.fd_count * sizeof(int) : 0;
    ssize_t sent;

    if (size) {
        control.align = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.align), relayed->message.fds, size);
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE(size);
    }
    do
        sent = sendmsg(relay, &header, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == sizeof(*relayed) ? 0 : -errno;
}

int ae_vhost_receiver_turn(struct ae_vhost_receiver *receiver)
{
    struct vhost_user_stream *stream = &receiver->stream;
    struct relayed relayed = {.rc = 0};
    struct ae_error err = {0};
    int rc = ae_vhost_stream_read(stream, receiver->kind, &err);

    if (rc > 0)
        rc = ae_vhost_vet(&stream->partial, receiver->kind, &receiver->notifier, &err) ?: 1;
    if (rc == 0)
        return 0;
    relayed.rc = rc;
    if (rc > 0)
        relayed.message = stream->partial;
    else
        memcpy(relayed.text, err.text, sizeof(relayed.text));
    if (pass_on(receiver->relay, &relayed))
        return -EPIPE;
    if (rc > 0)
        ae_vhost_stream_drop(stream); /* memory and eventfds: nobody is asked */
    return rc > 0 ? 0 : rc;
}

/* It needs no right, no signal but the one that cannot be blocked, and these two: neither
 * terminals, devices nor pipes of ours are kept open by a process that does not end. */
static void live_apart(int fd, int relay)
{
    int keep[] = {fd, relay};
    struct __user_cap_header_struct version = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};

    ae_descriptors_close_others(0, keep, 2);
    prctl(PR_SET_NAME, "aether-receives");
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    syscall(SYS_capset, &version, none);
}

static _Noreturn void receive_all(int fd, int relay, enum vhost_user_kind kind)
{
    static struct ae_vhost_receiver receiver;
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = relay}};

    live_apart(fd, relay);
    receiver.kind = kind;
    receiver.relay = relay;
    ae_vhost_stream_init(&receiver.stream, fd);
    if (ae_vhost_notifier_open(&receiver.notifier, NULL))
        _exit(1);
    do
        while (poll(fds, 2, -1) < 0 && errno == EINTR)
            ;
    while (!fds[1].revents && ae_vhost_receiver_turn(&receiver) == 0);
    _exit(0);
}

/* Holds it until nobody else does. */
static _Noreturn void hold(int fd, int relay)
{
    struct pollfd gone = {.fd = relay};

    live_apart(fd, relay);
    while (poll(&gone, 1, -1) < 0 && errno == EINTR)
        ;
    _exit(0);
}

/* ---- Processes ---- */

static void reap(struct ae_vhost_receivers *receivers)
{
    for (unsigned i = 0; i < receivers->count;) {
        /* Fails where the program has reaped it, which is as well. */
        if (waitpid(receivers->processes[i], NULL, WNOHANG) == 0)
            i++;
        else
            receivers->processes[i] = receivers->processes[--receivers->count];
    }
}

int ae_vhost_receivers_check(struct ae_vhost_receivers *receivers, struct ae_error *err)
{
    if (receivers->count)
        reap(receivers);
    if (receivers->count < AE_VHOST_RECEIVERS)
        return 0;
    return ae_error_set(
        err, -EBUSY,
        "%d processes that receive for this port have not ended: they wait for files "
        "that earlier peers sent; nobody is served until one of them ends",
        AE_VHOST_RECEIVERS);
}

void ae_vhost_receivers_end(struct ae_vhost_receivers *receivers)
{
    reap(receivers);
    for (int waited = 0; receivers->count && waited < END_MS; waited += 10) {
        poll(NULL, 0, 10);
        reap(receivers);
    }
    receivers->count = 0;
}

/* Signals that are for the program are not for this process of it: blocked before it is there. */
static pid_t fork_quietly(void)
{
    sigset_t all, before;
    pid_t pid;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid)
        sigprocmask(SIG_SETMASK, &before, NULL);
    return pid;
}

/* What pidfd_send_signal(2) takes. Valgrind up to 3.20 has no pidfd_open(2); a directory of /proc
 * does as well. */
static int open_process(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    char path[32];

    if (fd >= 0 || errno != ENOSYS)
        return fd;
    snprintf(path, sizeof(path), "/proc/%d", pid);
    return open(path, O_DIRECTORY | O_CLOEXEC);
}

/* A process that has `fd`, and a socket pair, whose end it takes for its own. Returns a pidfd. */
static int start(struct ae_vhost_receivers *receivers, int fd, const enum vhost_user_kind *kind,
                 int *relay, struct ae_error *err)
{
    int ends[2], process = ae_vhost_receivers_check(receivers, err);
    pid_t pid;

    if (process)
        return process;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        return ae_error_set(err, -errno, "making a socket pair: %s", strerror(errno));
    pid = fork_quietly();
    if (pid == 0) {
        if (kind)
            receive_all(fd, ends[1], *kind);
        hold(fd, ends[1]);
    }
    /* It cannot end, and its number be another's, before our end of the pair is closed. */
    process = pid < 0 ? -1 : open_process(pid);
    if (process < 0) {
        int rc = ae_error_set(err, -errno, "starting a process that receives: %s", strerror(errno));

        close(ends[0]);
        close(ends[1]);
        if (pid > 0)
            waitpid(pid, NULL, 0); /* sees its pair end; nothing was read */
        return rc;
    }
    close(ends[1]);
    receivers->processes[receivers->count++] = pid;
    *relay = ends[0];
    return process;
}

/* ---- The owner's side ---- */

int ae_vhost_peer_open(struct ae_vhost_peer *peer, struct ae_vhost_receivers *receivers, int fd,
                       enum vhost_user_kind kind, struct ae_error *err)
{
    int process;

    *peer = (struct ae_vhost_peer){.fd = -1, .relay = -1, .process = -1};
    process = start(receivers, fd, &kind, &peer->relay, err);
    if (process < 0) {
        close(fd);
        return process;
    }
    peer->fd = fd;
    peer->process = process;
    return 0;
}

static uint32_t take_fds(struct msghdr *header, int *fds)
{
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(header);
    uint32_t count;

    if (!cmsg || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
        return 0;
    count = (uint32_t)((cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(fds, CMSG_DATA(cmsg), count * sizeof(int));
    return count;
}

int ae_vhost_peer_receive(const struct ae_vhost_peer *peer, struct vhost_user_message *message,
                          struct ae_error *err)
{
    union control control;
    struct relayed relayed;
    struct iovec piece = {.iov_base = &relayed, .iov_len = sizeof(relayed)};
    struct msghdr header = {.msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(peer->relay, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    uint32_t came;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got != sizeof(relayed))
        return ae_error_set(err, -ECONNRESET, "vhost-user: the process that receives has ended");
    came = take_fds(&header, relayed.message.fds);
    if (relayed.rc < 0)
        return ae_error_set(err, relayed.rc, "%s", relayed.text);
    *message = relayed.message;
    if (came == message->fd_count)
        return 1;
    message->fd_count = came;
    ae_vhost_close_fds(message);
    return ae_error_set(err, -EMFILE, "vhost-user: no room for descriptors of the peer's");
}

bool ae_vhost_peer_gone(const struct ae_vhost_peer *peer)
{
    struct pollfd end = {.fd = peer->fd, .events = POLLRDHUP};

    return poll(&end, 1, 0) == 1;
}

void ae_vhost_peer_close(struct ae_vhost_peer *peer)
{
    if (peer->fd < 0)
        return;
    /* The process may be kept from letting go of it; the other end is to know nevertheless. */
    shutdown(peer->fd, SHUT_RDWR);
    ae_descriptor_close(&peer->fd);
    ae_descriptor_close(&peer->relay);
    syscall(SYS_pidfd_send_signal, peer->process, SIGKILL, NULL, 0);
    ae_descriptor_close(&peer->process);
}

int ae_vhost_let_go(struct ae_vhost_receivers *receivers, int fd)
{
    int unread = 1, relay = -1, process = -1;

    shutdown(fd, SHUT_RDWR); /* from here on nothing comes */
    if (ioctl(fd, FIONREAD, &unread) || unread) {
        process = start(receivers, fd, NULL, &relay, NULL);
        if (process < 0)
            return -EBUSY;
    }
    ae_descriptor_close(&fd);
    ae_descriptor_close(&relay);
    ae_descriptor_close(&process);
    return 0;
}
