/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/letter.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/now.h"
#include "base/root.h"

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(AE_LETTER_FDS * sizeof(int))];
};

int ae_letter_connect(const char *path, struct ae_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int64_t end = ae_now_ms() + AE_LETTER_PATIENCE_MS;
    struct stat status;
    int fd, rc;

    if (ae_root_path(address.sun_path, sizeof(address.sun_path), path))
        return ae_error_set(err, -ENAMETOOLONG, "%s: the path is too long", path);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ae_error_set(err, -errno, "making a socket: %s", strerror(errno));
    /* Many may come at once, and are let in one after another. */
    do
        rc = connect(fd, (const struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
    while (rc == -EAGAIN && ae_now_ms() < end && !usleep(1000));
    if (!rc)
        return fd;
    close(fd);
    if (rc == -EACCES && !lstat(address.sun_path, &status))
        return ae_error_set(err, rc, "only root and the user %u, whose its workers are, may look",
                            status.st_uid);
    return ae_error_set(err, rc, "connecting to %s: %s%s", path, strerror(-rc),
                        rc == -EAGAIN ? "; too many look at once" : "");
}

/* By a socket of another type: of one that listens the kernel says so, and of one that is dead that
 * it refuses. */
bool ae_letter_is_dead(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool dead;

    dead = fd >= 0 && !ae_root_path(address.sun_path, sizeof(address.sun_path), path) &&
           connect(fd, (const struct sockaddr *)&address, sizeof(address)) && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return dead;
}

/* Away from its place first, where somebody may listen meanwhile who found it dead, too. */
void ae_letter_forget(const char *path)
{
    char away[PATH_MAX], full[PATH_MAX], dead[PATH_MAX + 32];

    snprintf(dead, sizeof(dead), "%s.%d.dead", path, getpid());
    if (ae_root_path(full, sizeof(full), path) || ae_root_path(away, sizeof(away), dead) ||
        !ae_letter_is_dead(path) || rename(full, away))
        return;
    /* Of two names one goes; whoever has the place by now keeps it. */
    if (ae_letter_is_dead(dead) || !link(away, full) || errno == EEXIST)
        unlink(away);
}

static void take_fds(struct ae_letter *letter, struct msghdr *header)
{
    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
        size_t count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < count && letter->fd_count < AE_LETTER_FDS; i++)
            memcpy(&letter->fds[letter->fd_count++], CMSG_DATA(cmsg) + i * sizeof(int),
                   sizeof(int));
    }
}

/* There is room for AE_LETTER_FDS descriptors: the kernel hands over no more. */
int ae_letter_receive(int fd, struct ae_letter *letter, void *message, size_t size,
                      struct ae_error *err)
{
    union control control;
    struct iovec piece = {message, size};
    struct msghdr header = {.msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control)};
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    ssize_t got;

    letter->fd_count = 0;
    if (poll(&ready, 1, AE_LETTER_PATIENCE_MS) <= 0)
        return ae_error_set(err, -ETIMEDOUT, "its supervisor does not answer (is it stopped?)");
    got = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got <= 0)
        return ae_error_set(err, got ? -errno : -EPERM,
                            got ? "its supervisor's answer: %s"
                                : "its supervisor gave no answer: it shows itself to root and to "
                                  "its workers' user, and needs descriptors to do so",
                            strerror(errno));
    take_fds(letter, &header);
    letter->length = (size_t)got;
    letter->cut = header.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
    return 0;
}

void ae_letter_close(struct ae_letter *letter)
{
    for (unsigned i = 0; i < letter->fd_count; i++)
        close(letter->fds[i]);
    letter->fd_count = 0;
}

bool ae_letter_send(int fd, const void *message, size_t size, const int *fds, unsigned count)
{
    union control control = {.bytes = {0}};
    size_t bytes = count * sizeof(int);
    struct iovec piece = {(void *)(uintptr_t)message, size};
    struct msghdr header = {.msg_iov = &piece, .msg_iovlen = 1};

    if (count) {
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE(bytes);
        control.align = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(bytes), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.align), fds, bytes);
    }
    return sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size;
}
