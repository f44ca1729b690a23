/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <aether/clock.h>

#include "base/error.h"
#include "base/unset.h"
#include "net/net.h"

#define PATIENCE_NS UINT64_C(5000000000)
#define LINK_NS     UINT64_C(10000000000)
#define BURST       32

static void send_or_put(struct ae_queue *queue, struct ae_packet *packet)
{
    if (ae_send(queue, &packet, 1) == 0)
        ae_packet_put(packet);
}

static bool send_probe(void *context, const uint8_t *payload, uint16_t length)
{
    struct ae_probe_port *probe = context;
    struct ae_packet *packet = ae_packet_get(probe->queue->pool);

    if (!packet)
        return false;
    memcpy(packet->data, payload, length);
    packet->length = length;
    if (ae_net_udp_send(probe->net, &probe->flow, packet) ||
        ae_send(probe->queue, &packet, 1) == 0) {
        ae_packet_put(packet);
        return false;
    }
    return true;
}

/* One packet: answered, dropped, or a datagram for us, whose payload is copied out. */
static bool look_at(struct ae_probe_port *probe, struct ae_packet *packet, uint8_t *payload,
                    uint16_t *length)
{
    struct ae_datagram datagram AE_UNSET;
    bool ours = false;

    switch (ae_net_input(probe->net, packet, ae_clock_to_ns(ae_clock_ticks()), &datagram)) {
    case AE_NET_REPLY:
        send_or_put(probe->queue, packet);
        return false;
    case AE_NET_UDP:
        ours =
            datagram.destination_port == probe->own_port && datagram.length <= AE_PROBE_PAYLOAD_MAX;
        if (ours) {
            ae_packet_read(packet, (uint32_t)(datagram.payload - packet->data), payload,
                           datagram.length);
            *length = datagram.length;
        }
        break;
    case AE_NET_DROP:
        break;
    }
    ae_packet_put(packet);
    return ours;
}

static bool receive_probe(void *context, uint8_t *payload, uint16_t *length)
{
    struct ae_probe_port *probe = context;

    for (;;) {
        if (probe->waiting_next == probe->waiting_count) {
            probe->waiting_next = 0;
            probe->waiting_count = ae_receive(probe->queue, probe->waiting, BURST);
            if (probe->waiting_count == 0)
                return false;
        }
        if (look_at(probe, probe->waiting[probe->waiting_next++], payload, length))
            return true;
    }
}

void ae_probe_port_wire(struct ae_probe_port *probe, struct ae_probe_wire *wire)
{
    *wire = (struct ae_probe_wire){probe, send_probe, receive_probe};
}

/* A card negotiates for seconds after the reset that it was given. */
static int await_link(const struct ae_port *port, struct ae_error *err)
{
    uint64_t start = ae_clock_ticks();
    struct ae_link link;

    do {
        ae_port_get_link(port, &link);
        if (link.up)
            return 0;
    } while (!link.device_gone && ae_clock_to_ns(ae_clock_ticks() - start) < LINK_NS);
    return ae_error_set(err, -ENETDOWN,
                        link.device_gone
                            ? "the port's device is gone"
                            : "the port's link is down, after 10 s still; is the cable "
                              "in, and the far end up?");
}

static int unresolved(const struct ae_probe_port *probe, ae_ipv4_t to, int rc, struct ae_error *err)
{
    uint64_t strange = probe->net->counts.arp_bad_sender;
    char text[AE_IPV4_TEXT], hop_text[AE_IPV4_TEXT], refused[96] = "";
    ae_ipv4_t hop = to;

    ae_arp_next_hop(probe->net, to, &hop);
    ae_ipv4_format(to, text);
    ae_ipv4_format(hop, hop_text);
    if (rc == -ENETUNREACH)
        return ae_error_set(
            err, rc, "%s: not on this port's subnet, and no gateway is set (--gateway)", text);
    if (strange)
        snprintf(refused, sizeof(refused), "; %llu ARP packets came from senders that cannot be",
                 (unsigned long long)strange);
    if (hop.be == to.be)
        return ae_error_set(err, rc, "%s does not answer ARP; is it up, and on this wire?%s", text,
                            refused);
    return ae_error_set(
        err, rc, "%s: the gateway to it, %s, does not answer ARP; is it up, and on this wire?%s",
        text, hop_text, refused);
}

static int resolve(struct ae_probe_port *probe, ae_ipv4_t to, struct ae_error *err)
{
    uint64_t start = ae_clock_ticks();
    uint8_t payload[AE_PROBE_PAYLOAD_MAX];
    uint16_t length;
    int rc;

    do {
        uint64_t ticks = ae_clock_ticks();
        struct ae_packet *request = ae_packet_get(probe->queue->pool);

        if (!request)
            return ae_error_set(err, -ENOBUFS, "asking for the peer: no free packet");
        rc = ae_net_resolve(probe->net, to, request, ae_clock_to_ns(ticks));
        if (request->length)
            send_or_put(probe->queue, request);
        else
            ae_packet_put(request);
        receive_probe(probe, payload, &length);
        if (ae_clock_to_ns(ticks - start) > PATIENCE_NS)
            rc = -EHOSTUNREACH;
    } while (rc == -EAGAIN);
    return rc ? unresolved(probe, to, rc, err) : 0;
}

int ae_probe_port_open(struct ae_probe_port *probe, const struct ae_port *port,
                       struct ae_queue *queue, struct ae_net *net, ae_ipv4_t to, uint16_t to_port,
                       uint16_t own_port, struct ae_error *err)
{
    int rc;

    memset(probe, 0, sizeof(*probe));
    probe->queue = queue;
    probe->net = net;
    probe->own_port = own_port;
    rc = await_link(port, err);
    if (!rc)
        rc = resolve(probe, to, err);
    return rc ? rc : ae_net_flow(net, &probe->flow, to, to_port, own_port, err);
}
