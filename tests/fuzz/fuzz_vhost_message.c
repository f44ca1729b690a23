/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A peer that writes anything in any pieces, with any number of descriptors: what is let through is
 * what the table allows, and no descriptor is lost.
 *
 * Input: pieces of (length, descriptors, bytes).
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz_input.h"
#include "port/vhost/format.h"
#include "port/vhost/message.h"
#include "port/vhost/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void send_piece(int fd, const uint8_t *bytes, size_t size, unsigned count, int file)
{
    union {
        struct cmsghdr align;
        uint8_t room[CMSG_SPACE(16 * sizeof(int))];
    } control = {.room = {0}};
    struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct msghdr header = {.msg_iov = &piece, .msg_iovlen = 1};
    int fds[16];

    for (unsigned i = 0; i < count; i++)
        fds[i] = file;
    if (count) {
        control.align = (struct cmsghdr){.cmsg_len = CMSG_LEN(count * sizeof(int)),
                                         .cmsg_level = SOL_SOCKET,
                                         .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.align), fds, count * sizeof(int));
        header.msg_control = &control;
        header.msg_controllen = CMSG_SPACE(count * sizeof(int));
    }
    sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* False: the connection is done for. */
static int take_all(struct vhost_user_stream *stream)
{
    struct vhost_user_message message;
    int rc;

    while ((rc = ae_vhost_receive(stream, VHOST_USER_FRONTEND_REQUEST, 0, &message, NULL)) == 1) {
        if (ae_vhost_check(&message, VHOST_USER_FRONTEND_REQUEST, NULL) ||
            message.size > sizeof(message.payload) || message.fd_count > VHOST_USER_MAX_FDS)
            abort();
        for (uint32_t i = 0; i < message.fd_count; i++)
            if (fcntl(message.fds[i], F_GETFD) != FD_CLOEXEC)
                abort();
        ae_vhost_close_fds(&message);
    }
    return rc == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int file = -1;
    struct vhost_user_stream stream;
    int fds[2], free_before;

    if (file < 0)
        file = open("/dev/null", O_RDWR | O_CLOEXEC);
    free_before = lowest_free();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
        abort();
    ae_vhost_stream_init(&stream, fds[1]);
    while (size > 2) {
        size_t length = data[0];
        unsigned count = data[1] > 200 ? data[1] % 16u : data[1] < 8 ? data[1] : 0;

        data += 2;
        size -= 2;
        if (length > size)
            length = size;
        if (length)
            send_piece(fds[0], data, length, count, file);
        data += length;
        size -= length;
        if (!take_all(&stream))
            break;
    }
    close(fds[0]);
    if (take_all(&stream))
        abort(); /* an end that is gone has to be seen */
    ae_vhost_stream_drop(&stream);
    close(fds[1]);
    if (lowest_free() != free_before)
        abort();
    return 0;
}
