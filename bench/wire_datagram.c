/* SPDX-License-Identifier: Apache-2.0 */

/* The far end of an emulated card: each frame is one datagram of a Unix socket, as QEMU's "-netdev
 * dgram" sends it. It shares a CPU with the emulator, so it waits instead of polling. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire.h"

#define TRIES    600
#define PAUSE_US 50000

struct datagram_wire {
    struct wire wire;
    int fd;
    uint8_t frame[2048];
};

static uint16_t send_frames(struct wire *wire, const struct wire_frame *frames, uint16_t count)
{
    struct datagram_wire *own = (struct datagram_wire *)wire;
    uint16_t sent = 0;

    for (; sent < count; sent++) {
        uint16_t length = wire_make(wire, own->frame, &frames[sent]);

        if (send(own->fd, own->frame, length, MSG_DONTWAIT) < 0)
            break;
    }
    return sent;
}

static uint16_t receive_frames(struct wire *wire, struct wire_frame *frames, uint16_t most)
{
    struct datagram_wire *own = (struct datagram_wire *)wire;
    uint16_t count = 0;
    ssize_t length;

    while (count < most &&
           (length = recv(own->fd, own->frame, sizeof(own->frame), MSG_DONTWAIT)) > 0)
        count += wire_take(wire, own->frame, (uint32_t)length, &frames[count]);
    return count;
}

static void wait_for_frames(struct wire *wire, uint64_t ns)
{
    struct pollfd fd = {((struct datagram_wire *)wire)->fd, POLLIN, 0};
    struct timespec most = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

    ppoll(&fd, 1, &most, NULL);
}

static void close_wire(struct wire *wire)
{
    close(((struct datagram_wire *)wire)->fd);
    free(wire);
}

static int name(struct sockaddr_un *address, const char *path, size_t length)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (!length || length >= sizeof(address->sun_path))
        return -ENAMETOOLONG;
    memcpy(address->sun_path, path, length);
    return 0;
}

static int join(int *fd, const char *paths)
{
    size_t length = strcspn(paths, ",");
    struct sockaddr_un own, other;

    *fd = -1;
    if (name(&own, paths, length) || !paths[length] ||
        name(&other, paths + length + 1, strlen(paths + length + 1)))
        return -EINVAL;
    *fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    unlink(own.sun_path);
    if (*fd < 0 || bind(*fd, (struct sockaddr *)&own, sizeof(own)))
        return -errno;
    /* The emulator may still be starting. */
    for (unsigned i = 0; connect(*fd, (struct sockaddr *)&other, sizeof(other)); i++)
        if ((errno != ENOENT && errno != ECONNREFUSED) || i == TRIES || usleep(PAUSE_US))
            return -errno;
    return 0;
}

struct wire *wire_datagram(const char *paths, struct ae_error *err)
{
    struct datagram_wire *own = calloc(1, sizeof(*own));
    int rc = own ? join(&own->fd, paths) : -ENOMEM;

    if (rc) {
        snprintf(err->text, sizeof(err->text), "datagram:%s: %s", paths, strerror(-rc));
        if (own && own->fd >= 0)
            close(own->fd);
        free(own);
        return NULL;
    }
    own->wire.send = send_frames;
    own->wire.receive = receive_frames;
    own->wire.wait = wait_for_frames;
    own->wire.close = close_wire;
    return &own->wire;
}
