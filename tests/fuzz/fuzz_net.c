/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Frames off the wire. The first byte is what the card said of the checksums and how the host is
 * set up, the rest is a frame; it is given in a buffer of its own size, so that a step outside is
 * seen. A reply must come from us to one host and fit, and a datagram lie inside its frame.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <aether/net.h>

#define FRAME_MAX 1600
#define HEADERS   42

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ae_net *make_net(unsigned prefix)
{
    struct ae_net_options options = {.mac = {2, 0, 0, 0, 0, 2}, .prefix = (uint8_t)prefix};
    struct ae_net *net;

    if (ae_ipv4_parse("10.77.0.2", &options.address) ||
        ae_ipv4_parse("10.77.0.9", &options.gateway) || ae_net_create(&net, &options, NULL))
        abort();
    return net;
}

/* The host has asked for its peer, so that an answer is learnt. */
static void ask(struct ae_net *net)
{
    static uint8_t frame[HEADERS];
    struct ae_packet request = {.data = frame};
    ae_ipv4_t peer;

    ae_ipv4_parse("10.77.0.1", &peer);
    ae_net_resolve(net, peer, &request, 1);
}

static void check_datagram(const struct ae_packet *packet, const struct ae_datagram *datagram)
{
    if (datagram->payload < packet->data + HEADERS ||
        datagram->payload + datagram->length > packet->data + packet->length)
        abort();
}

/* Our own MAC address is the source, a single host the destination. */
static void check_reply(const struct ae_packet *packet, size_t length)
{
    static const uint8_t ours[] = {2, 0, 0, 0, 0, 2};

    if (packet->length < HEADERS || packet->length > length || packet->flags ||
        memcmp(packet->data + 6, ours, 6) != 0 || packet->data[0] & 1)
        abort();
}

static void look_at(struct ae_net *net, struct ae_packet *packet)
{
    uint32_t length = packet->length;
    struct ae_datagram datagram;

    switch (ae_net_input(net, packet, 2, &datagram)) {
    case AE_NET_UDP:
        check_datagram(packet, &datagram);
        ae_net_udp_reply(net, packet, &datagram);
        check_reply(packet, length);
        break;
    case AE_NET_REPLY:
        check_reply(packet, length);
        break;
    case AE_NET_DROP:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned prefixes[] = {24, 31, 32, 1};
    struct ae_packet packet = {.flags = 0};
    struct ae_net *net;
    uint8_t *buffer;

    if (size < 1 || size > FRAME_MAX)
        return 0;
    net = make_net(prefixes[data[0] >> 6]);
    ask(net);
    packet.length = (uint32_t)(size - 1);
    packet.flags = data[0] & 0xf;
    buffer = malloc(size);
    if (!buffer)
        abort();
    /* At the very end of what was allocated. */
    packet.data = buffer + 1;
    memcpy(packet.data, data + 1, size - 1);
    look_at(net, &packet);
    free(buffer);
    ae_net_destroy(net);
    return 0;
}
