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

int ae_probe_socket_open(int *fd, ae_ipv4_t to, uint16_t to_port, struct ae_error *err)
{
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(to_port)};
    char text[AE_IPV4_TEXT];

    peer.sin_addr.s_addr = to.be;
    *fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (*fd >= 0 && !connect(*fd, (struct sockaddr *)&peer, sizeof(peer)))
        return 0;
    ae_ipv4_format(to, text);
    ae_error_set(err, -errno, "%s: %s", text, strerror(errno));
    if (*fd >= 0)
        close(*fd);
    return err ? err->code : -EIO;
}
