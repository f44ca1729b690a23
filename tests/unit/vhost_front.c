/* SPDX-License-Identifier: Apache-2.0 */
#include "vhost_front.h"
#include "base/now.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "port/vhost/front/front.h"

const struct ae_port_options options = {
    .page_size = 4096, .receive_ring = 64, .send_ring = 64, .packets = 64};

char *spec_of(const struct back *back, const char *choices)
{
    static char spec[AE_PORT_SPEC];

    snprintf(spec, sizeof(spec), "vhost-user:%s%s", back->path, choices);
    return spec;
}

struct ae_port *open_port(struct back *back, const char *choices)
{
    struct ae_port *port = NULL;
    struct ae_error err = {0};

    if (ae_port_open(&port, spec_of(back, choices), &options, &err))
        fail_msg("%s", err.text);
    return port;
}

void turn_owner(struct ae_port_owner *owner)
{
    struct pollfd due = {.fd = ae_port_owner_fd(owner), .events = POLLIN};

    ae_port_owner_step(owner);
    if (poll(&due, 1, 1) == 1)
        ae_port_owner_step(owner);
}

void turn(struct ae_port *port)
{
    struct ae_packet *packet;

    turn_owner(ae_port_get_owner(port));
    if (ae_receive(ae_port_queue(port, 0), &packet, 1))
        ae_packet_put(packet);
}

bool link_is_up(const struct ae_port *port)
{
    struct ae_link link;

    ae_port_get_link(port, &link);
    return link.up;
}

void wait_for_link(struct ae_port *port, bool up)
{
    for (int64_t end = ae_now_ms() + WAIT_S * 1000; link_is_up(port) != up;) {
        turn(port);
        if (ae_now_ms() > end)
            fail_msg("the link did not go %s", up ? "up" : "down");
    }
}

struct ae_packet *make_frame(struct ae_queue *queue, uint8_t mark)
{
    struct ae_packet *packet = ae_packet_get(queue->pool);

    assert_non_null(packet);
    packet->length = 60u + mark;
    memset(packet->data, mark, packet->length);
    return packet;
}

void wait_for(struct ae_port *port, const atomic_uint *counter, unsigned count)
{
    for (int64_t end = ae_now_ms() + WAIT_S * 1000; *counter < count;) {
        turn(port);
        assert_true(ae_now_ms() < end);
    }
}
