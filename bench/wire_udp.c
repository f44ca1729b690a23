/* SPDX-License-Identifier: Apache-2.0 */

/* A connected UDP socket of the kernel's: for a contender on another machine to which there is no
 * other way, and to be compared with other people's tools, which have no other. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

struct udp_wire {
    struct wire wire;
    int fd;
    uint8_t payload[FRAME_MOST];
};

static uint16_t send_frames(struct wire *wire, const struct wire_frame *frames, uint16_t count)
{
    struct udp_wire *own = (struct udp_wire *)wire;
    uint16_t sent = 0;

    for (; sent < count; sent++) {
        struct frame_stamp stamp = {wire->mark, frames[sent].number};

        if (!frames[sent].size) /* the kernel asks by ARP */
            continue;
        memcpy(own->payload, &stamp, sizeof(stamp));
        if (send(own->fd, own->payload, frames[sent].size - FRAME_HEADERS, MSG_DONTWAIT) < 0)
            break;
    }
    return sent;
}

static uint16_t receive_frames(struct wire *wire, struct wire_frame *frames, uint16_t most)
{
    struct udp_wire *own = (struct udp_wire *)wire;
    struct frame_stamp stamp;
    uint16_t count = 0;
    ssize_t length;

    while (count < most &&
           (length = recv(own->fd, own->payload, sizeof(own->payload), MSG_DONTWAIT)) > 0) {
        if ((size_t)length >= sizeof(stamp))
            memcpy(&stamp, own->payload, sizeof(stamp));
        if ((size_t)length < sizeof(stamp) || stamp.mark != wire->mark) {
            wire->strange++;
            continue;
        }
        frames[count++] =
            (struct wire_frame){stamp.number, (uint16_t)((size_t)length + FRAME_HEADERS)};
    }
    return count;
}

static void close_wire(struct wire *wire)
{
    close(((struct udp_wire *)wire)->fd);
    free(wire);
}

struct wire *wire_udp(const char *address, struct ae_error *err)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7)}; /* echo, RFC 862 */
    struct udp_wire *own = calloc(1, sizeof(*own));
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (!own || fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&to, sizeof(to))) {
        snprintf(err->text, sizeof(err->text), "udp:%s: an IPv4 address that is reached is needed",
                 address);
        if (fd >= 0)
            close(fd);
        free(own);
        return NULL;
    }
    own->fd = fd;
    own->wire.send = send_frames;
    own->wire.receive = receive_frames;
    own->wire.close = close_wire;
    return &own->wire;
}
