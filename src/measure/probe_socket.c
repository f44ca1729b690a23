/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

static bool send_probe(void *context, const uint8_t *payload, uint16_t length)
{
    return send(*(const int *)context, payload, length, MSG_DONTWAIT) == length;
}

static bool receive_probe(void *context, uint8_t *payload, uint16_t *length)
{
    ssize_t got = recv(*(const int *)context, payload, AE_PROBE_PAYLOAD_MAX, MSG_DONTWAIT);

    if (got < 0)
        return false;
    *length = (uint16_t)got;
    return true;
}

void ae_probe_socket_wire(int *fd, struct ae_probe_wire *wire)
{
    *wire = (struct ae_probe_wire){fd, send_probe, receive_probe};
}

static int poll_busily(int fd, uint32_t us, struct ae_error *err)
{
    int value = (int)us, prefer = 1;

    if (us == 0)
        return 0;
    if (setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &value, sizeof(value)))
        return ae_error_set(err, -errno,
                            "a socket that polls its card for %u us (SO_BUSY_POLL): %s; it "
                            "takes CAP_NET_ADMIN, or as much in net.core.busy_read",
                            us, strerror(errno));
    if (setsockopt(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &prefer, sizeof(prefer)))
        return ae_error_set(err, -errno,
                            "a socket that would rather be polled than interrupted "
                            "(SO_PREFER_BUSY_POLL): %s; it takes CAP_NET_ADMIN",
                            strerror(errno));
    return 0;
}

int ae_probe_socket_open(int *fd, ae_ipv4_t to, uint16_t to_port, uint32_t busy_poll_us,
                         struct ae_error *err)
{
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(to_port)};
    char text[AE_IPV4_TEXT];
    int rc;

    peer.sin_addr.s_addr = to.be;
    *fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (*fd >= 0 && !connect(*fd, (struct sockaddr *)&peer, sizeof(peer))) {
        rc = poll_busily(*fd, busy_poll_us, err);
        if (rc)
            close(*fd);
        return rc;
    }
    rc = -errno;
    ae_ipv4_format(to, text);
    ae_error_set(err, rc, "%s: %s", text, strerror(-rc));
    if (*fd >= 0)
        close(*fd);
    return rc;
}
