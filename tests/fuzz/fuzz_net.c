/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Frames off the wire. The first byte is what the card said of the checksums, how the host is set
 * up and in how many packets the frame is; then come the lengths of all of them but the last, and
 * the frame. Each packet is a buffer of its own size, so that a step outside is seen. A reply must
 * come from us to one host and fit, and a datagram lie inside its frame. What is made of several
 * packets is made of the same bytes in one.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <aether/net.h>

#define FRAME_MAX 1600
#define HEADERS   42
#define PACKETS   4
#define BUFFER    2048

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

static uint8_t memory[2 * PACKETS * BUFFER] __attribute__((aligned(BUFFER)));

static struct ae_pool *make_pool(void)
{
    struct ae_pool *pool;

    if (ae_pool_create(&pool,
                       &(struct ae_pool_options){.memory = memory,
                                                 .memory_size = sizeof(memory),
                                                 .count = sizeof(memory) / BUFFER},
                       NULL))
        abort();
    return pool;
}

/* At the very end of what is allocated. */
static struct ae_packet *make_packet(struct ae_pool *pool, const uint8_t *bytes, size_t length,
                                     uint8_t **allocated)
{
    struct ae_packet *packet = ae_packet_get(pool);

    *allocated = malloc(length + 1);
    if (!packet || !*allocated)
        abort();
    packet->data = *allocated + 1;
    packet->length = (uint32_t)length;
    memcpy(packet->data, bytes, length);
    return packet;
}

struct given {
    struct ae_packet *packet;
    uint8_t *allocated[PACKETS];
};

/* `cuts` lengths come before the bytes; each packet has a byte or more. */
static struct given give(struct ae_pool *pool, const uint8_t *lengths, unsigned cuts,
                         const uint8_t *bytes, size_t size)
{
    struct ae_packet *last = NULL;
    struct given given = {0};

    for (unsigned i = 0; i <= cuts; i++) {
        size_t most = size - (cuts - i), length = i == cuts ? size : 1u + lengths[i];
        struct ae_packet *packet;

        length = length < most ? length : most;
        packet = make_packet(pool, bytes, length, &given.allocated[i]);
        packet->more = (uint8_t)(cuts - i);
        if (last)
            last->next = packet;
        else
            given.packet = packet;
        last = packet;
        bytes += length;
        size -= length;
    }
    return given;
}

static void take_back(const struct given *given)
{
    ae_packet_put(given->packet);
    for (unsigned i = 0; i < PACKETS; i++)
        free(given->allocated[i]);
}

static void check_datagram(const struct ae_packet *packet, const struct ae_datagram *datagram)
{
    if (datagram->payload < packet->data + HEADERS ||
        datagram->payload > packet->data + packet->length ||
        (size_t)(datagram->payload - packet->data) + datagram->length > ae_packet_total(packet))
        abort();
}

/* Our own MAC address is the source, a single host the destination. */
static void check_reply(const struct ae_packet *packet, size_t length)
{
    static const uint8_t ours[] = {2, 0, 0, 0, 0, 2};

    if (packet->length < HEADERS || ae_packet_total(packet) > length || packet->flags ||
        memcmp(packet->data + 6, ours, 6) != 0 || packet->data[0] & 1)
        abort();
}

static enum ae_net_verdict look_at(struct ae_net *net, struct ae_packet *packet)
{
    uint32_t length = ae_packet_total(packet);
    struct ae_datagram datagram;
    enum ae_net_verdict verdict = ae_net_input(net, packet, 2, &datagram);

    if (verdict == AE_NET_UDP) {
        check_datagram(packet, &datagram);
        datagram.changed = length & 1;
        ae_net_udp_reply(net, packet, &datagram);
    }
    if (verdict != AE_NET_DROP)
        check_reply(packet, length);
    return verdict;
}

static void check_alike(const struct ae_packet *several, const struct ae_packet *one)
{
    static uint8_t bytes[FRAME_MAX];

    if (ae_packet_read(several, 0, bytes, FRAME_MAX) != one->length ||
        memcmp(bytes, one->data, one->length) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned prefixes[] = {24, 31, 32, 1};
    static struct ae_pool *pool;
    unsigned cuts = size ? data[0] >> 4 & 3 : 0;
    struct given one, several;
    enum ae_net_verdict verdict;
    struct ae_net *net;

    if (size < 2 + 2 * cuts || size > FRAME_MAX)
        return 0;
    if (!pool)
        pool = make_pool();
    one = give(pool, NULL, 0, data + 1 + cuts, size - 1 - cuts);
    several = give(pool, data + 1, cuts, data + 1 + cuts, size - 1 - cuts);
    one.packet->flags = several.packet->flags = data[0] & 0xf;
    net = make_net(prefixes[data[0] >> 6]);
    ask(net);
    verdict = look_at(net, several.packet);
    if (verdict != AE_NET_DROP || !cuts) {
        if (look_at(net, one.packet) != verdict)
            abort();
        check_alike(several.packet, one.packet);
    }
    take_back(&one);
    take_back(&several);
    ae_net_destroy(net);
    return 0;
}
