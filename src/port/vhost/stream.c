/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/now.h"
#include "port/vhost/format.h"

/* Until `deadline`. False: it has passed. */
static bool wait_for(int fd, short events, int64_t deadline)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int64_t left = deadline - ae_now_ms();

    if (left <= 0)
        return false;
    return poll(&poll_fd, 1, (int)left) >= 0 || errno == EINTR;
}

void ae_vhost_stream_init(struct vhost_user_stream *stream, int fd)
{
    memset(stream, 0, sizeof(*stream));
    stream->fd = fd;
}

void ae_vhost_stream_drop(struct vhost_user_stream *stream)
{
    ae_vhost_close_fds(&stream->partial);
    for (unsigned i = 0; i < stream->excess_count; i++)
        close(stream->excess[i]);
    ae_vhost_stream_init(stream, stream->fd);
}

/*
 * Takes over what came with some bytes. None is closed here, those that are too many neither: who
 * closes one may have to wait, and has to say first that it is no good.
 */
static int take_fds(struct vhost_user_stream *stream, struct msghdr *header, struct ae_error *err)
{
    struct vhost_user_message *message = &stream->partial;
    bool too_many = header->msg_flags & MSG_CTRUNC;

    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
        size_t count;

        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd), sizeof(fd));
            if (message->fd_count < VHOST_USER_MAX_FDS) {
                message->fds[message->fd_count++] = fd;
            } else if (stream->excess_count < VHOST_USER_SENT_FDS) {
                stream->excess[stream->excess_count++] = fd;
                too_many = true;
            }
        }
    }
    if (too_many)
        return ae_error_set(err, -EPROTO, "vhost-user: more than %d descriptors with one message",
                            VHOST_USER_MAX_FDS);
    return 0;
}

/* Up to `want` bytes. 1: some came, 0: none are there. */
static int read_some(struct vhost_user_stream *stream, void *to, size_t want, struct ae_error *err)
{
    /* Room for all that there may be: what there is no room for is closed. */
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(VHOST_USER_SENT_FDS * sizeof(int))];
    } control;
    struct iovec piece = {.iov_base = to, .iov_len = want};
    struct msghdr header = {.msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(stream->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return 0;
    if (got < 0)
        return ae_error_set(err, -errno, "vhost-user: receiving: %s", strerror(errno));
    if (got == 0)
        return ae_error_set(err, -ECONNRESET, "vhost-user: the other end closed the connection%s",
                            stream->have ? " in the middle of a message" : "");
    stream->have += (uint32_t)got;
    return take_fds(stream, &header, err) ?: 1;
}

int ae_vhost_stream_read(struct vhost_user_stream *stream, enum vhost_user_kind kind,
                         struct ae_error *err)
{
    struct vhost_user_message *message = &stream->partial;
    int rc;

    while (stream->have < VHOST_USER_HEADER_SIZE) {
        rc = read_some(stream, (uint8_t *)message + stream->have,
                       VHOST_USER_HEADER_SIZE - stream->have, err);
        if (rc <= 0)
            return rc;
        if (stream->have == VHOST_USER_HEADER_SIZE) {
            rc = ae_vhost_check_header(message, kind, err);
            if (rc)
                return rc;
        }
    }
    while (stream->have < VHOST_USER_HEADER_SIZE + message->size) {
        uint32_t done = stream->have - VHOST_USER_HEADER_SIZE;

        rc = read_some(stream, (uint8_t *)&message->payload + done, message->size - done, err);
        if (rc <= 0)
            return rc;
    }
    return ae_vhost_check(message, kind, err) ?: 1;
}

int ae_vhost_receive(struct vhost_user_stream *stream, enum vhost_user_kind kind, int timeout_ms,
                     struct vhost_user_message *message, struct ae_error *err)
{
    int64_t deadline = timeout_ms > 0 ? ae_now_ms() + timeout_ms : 0;
    int rc;

    do
        rc = ae_vhost_stream_read(stream, kind, err);
    while (rc == 0 && timeout_ms > 0 && wait_for(stream->fd, POLLIN, deadline));
    if (rc < 0) {
        ae_vhost_stream_drop(stream);
    } else if (rc > 0) {
        *message = stream->partial;
        ae_vhost_stream_init(stream, stream->fd);
    }
    return rc;
}

/* A message is far smaller than the socket's buffer, so that the kernel takes all of it or
 * nothing. */
int ae_vhost_send(int fd, const struct vhost_user_message *message, int timeout_ms,
                  struct ae_error *err)
{
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(VHOST_USER_MAX_FDS * sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec pieces[2] = {
        {.iov_base = (void *)(uintptr_t)message, .iov_len = VHOST_USER_HEADER_SIZE},
        {.iov_base = (void *)(uintptr_t)&message->payload, .iov_len = message->size},
    };
    struct msghdr header = {.msg_iov = pieces, .msg_iovlen = 2};
    int64_t deadline = timeout_ms > 0 ? ae_now_ms() + timeout_ms : 0;
    ssize_t sent;

    if (message->size > sizeof(message->payload) || message->fd_count > VHOST_USER_MAX_FDS)
        return ae_error_set(err, -EINVAL, "vhost-user: sending %u bytes with %u descriptors",
                            message->size, message->fd_count);
    if (message->fd_count) {
        size_t size = message->fd_count * sizeof(int);

        control.align = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.align), message->fds, size);
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE(size);
    }
    do
        sent = sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && (errno == EAGAIN || errno == EINTR) && timeout_ms > 0 &&
           wait_for(fd, POLLOUT, deadline));
    if (sent < 0)
        return ae_error_set(err, errno == EINTR ? -EAGAIN : -errno,
                            "vhost-user: sending message %u: %s", message->request,
                            strerror(errno));
    if ((size_t)sent != VHOST_USER_HEADER_SIZE + message->size)
        return ae_error_set(err, -EIO, "vhost-user: message %u was sent in part", message->request);
    return 0;
}
