/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/back/handover.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

union control {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(VHOST_USER_MAX_REGIONS * sizeof(int))];
};

int ae_vhost_send_handover(int fd, const struct ae_vhost_handover *handover, const int *fds,
                           struct ae_error *err)
{
    union control control = {.bytes = {0}};
    struct iovec piece = {.iov_base = (void *)(uintptr_t)handover, .iov_len = sizeof(*handover)};
    struct msghdr header = {.msg_iov = &piece, .msg_iovlen = 1};
    size_t size = handover->region_count * sizeof(int);

    if (size) {
        control.align = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.align), fds, size);
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE(size);
    }
    if (sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(*handover))
        return ae_error_set(err, -errno, "vhost-user-server: telling the worker: %s",
                            strerror(errno));
    return 0;
}

/* 1: a message with all of its descriptors. 0: none. */
static int receive_one(int fd, struct ae_vhost_handover *handover, int *fds)
{
    union control control;
    struct iovec piece = {.iov_base = handover, .iov_len = sizeof(*handover)};
    struct msghdr header = {.msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control)};
    ssize_t got = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct cmsghdr *cmsg = got > 0 ? CMSG_FIRSTHDR(&header) : NULL;
    uint32_t count = 0;

    if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS) {
        count = (uint32_t)((cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(cmsg), count * sizeof(int));
    }
    if (got == sizeof(*handover) && count == handover->region_count)
        return 1;
    for (uint32_t i = 0; i < count; i++)
        close(fds[i]);
    return 0;
}

int ae_vhost_receive_handover(int fd, struct ae_vhost_handover *handover,
                              int fds[VHOST_USER_MAX_REGIONS])
{
    struct ae_vhost_handover newer;
    int newer_fds[VHOST_USER_MAX_REGIONS];

    if (!receive_one(fd, handover, fds))
        return 0;
    while (receive_one(fd, &newer, newer_fds)) {
        for (uint32_t i = 0; i < handover->region_count; i++)
            close(fds[i]);
        *handover = newer;
        memcpy(fds, newer_fds, sizeof(newer_fds));
    }
    return 1;
}
