/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <stdlib.h>
#include <string.h>

const uint8_t frame_host_mac[6] = {0x02, 0, 0, 0, 0, 0x02};
const uint8_t frame_peer_mac[6] = {0x02, 0, 0, 0, 0, 0x01};
const uint8_t frame_broadcast_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

void frame_put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

void frame_put32(uint8_t *at, uint32_t value)
{
    frame_put16(at, value >> 16);
    frame_put16(at + 2, value & 0xffff);
}

unsigned frame_get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

uint32_t frame_get32(const uint8_t *at)
{
    return (uint32_t)frame_get16(at) << 16 | frame_get16(at + 2);
}

/* The carry is added at once after every word. */
uint32_t frame_sum(const uint8_t *bytes, size_t length, uint32_t before)
{
    uint32_t sum = before;

    for (size_t i = 0; i < length; i++) {
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
        if (sum > 0xffff)
            sum -= 0xffff;
    }
    return sum;
}

static size_t header(const uint8_t *frame)
{
    return (size_t)(frame[AT_IP] & 15) * 4;
}

static uint32_t pseudo(const uint8_t *frame, unsigned length)
{
    uint8_t bytes[12];

    memcpy(bytes, frame + AT_IP + 12, 8);
    bytes[8] = 0;
    bytes[9] = frame[AT_IP + 9];
    frame_put16(bytes + 10, length);
    return frame_sum(bytes, sizeof(bytes), 0);
}

static size_t l4_length(const uint8_t *frame)
{
    return frame_get16(frame + AT_IP + 2) - header(frame);
}

void frame_seal_ipv4(uint8_t *frame)
{
    frame_put16(frame + AT_IP + 10, 0);
    frame_put16(frame + AT_IP + 10, 0xffff - frame_sum(frame + AT_IP, header(frame), 0));
}

void frame_seal_udp(uint8_t *frame)
{
    uint8_t *udp = frame + AT_IP + header(frame);
    unsigned length = frame_get16(udp + 4), sum;

    frame_put16(udp + 6, 0);
    sum = 0xffff - frame_sum(udp, length, pseudo(frame, length));
    frame_put16(udp + 6, sum ? sum : 0xffff);
}

void frame_seal_icmp(uint8_t *frame)
{
    uint8_t *icmp = frame + AT_IP + header(frame);

    frame_put16(icmp + 2, 0);
    frame_put16(icmp + 2, 0xffff - frame_sum(icmp, l4_length(frame), 0));
}

bool frame_ipv4_is_right(const uint8_t *frame)
{
    return frame_sum(frame + AT_IP, header(frame), 0) == 0xffff;
}

bool frame_udp_is_right(const uint8_t *frame)
{
    const uint8_t *udp = frame + AT_IP + header(frame);
    unsigned length = frame_get16(udp + 4);

    return frame_get16(udp + 6) != 0 && frame_sum(udp, length, pseudo(frame, length)) == 0xffff;
}

bool frame_icmp_is_right(const uint8_t *frame)
{
    return frame_sum(frame + AT_IP + header(frame), l4_length(frame), 0) == 0xffff;
}

static void put_ethernet(uint8_t *frame, const uint8_t *destination, unsigned type)
{
    memcpy(frame, destination, 6);
    memcpy(frame + 6, frame_peer_mac, 6);
    frame_put16(frame + AT_TYPE, type);
}

static void put_ipv4(uint8_t *frame, unsigned protocol, size_t payload)
{
    static const uint8_t start[] = {0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64};

    put_ethernet(frame, frame_host_mac, 0x0800);
    memcpy(frame + AT_IP, start, sizeof(start));
    frame_put16(frame + AT_IP + 2, (unsigned)(20 + payload));
    frame[AT_IP + 9] = (uint8_t)protocol;
    frame_put32(frame + AT_IP + 12, FRAME_PEER);
    frame_put32(frame + AT_IP + 16, FRAME_HOST);
    frame_seal_ipv4(frame);
}

size_t frame_udp(uint8_t *frame, const uint8_t *payload, size_t length)
{
    put_ipv4(frame, 17, 8 + length);
    frame_put16(frame + AT_L4, 4000);
    frame_put16(frame + AT_L4 + 2, 5000);
    frame_put16(frame + AT_L4 + 4, (unsigned)(8 + length));
    memcpy(frame + AT_PAYLOAD, payload, length);
    frame_seal_udp(frame);
    return AT_PAYLOAD + length;
}

size_t frame_echo(uint8_t *frame, size_t length)
{
    put_ipv4(frame, 1, length);
    for (size_t i = 0; i < length; i++)
        frame[AT_L4 + i] = (uint8_t)(i * 7);
    frame[AT_L4] = 8;
    frame[AT_L4 + 1] = 0;
    frame_seal_icmp(frame);
    return AT_L4 + length;
}

size_t frame_arp(uint8_t *frame, unsigned operation, uint32_t sender, uint32_t target)
{
    static const uint8_t start[] = {0, 1, 0x08, 0, 6, 4};

    put_ethernet(frame, operation == 1 ? frame_broadcast_mac : frame_host_mac, 0x0806);
    memcpy(frame + AT_ARP, start, sizeof(start));
    frame_put16(frame + AT_ARP + 6, operation);
    memcpy(frame + AT_ARP + 8, frame_peer_mac, 6);
    frame_put32(frame + AT_ARP + 14, sender);
    memset(frame + AT_ARP + 18, 0, 6);
    frame_put32(frame + AT_ARP + 24, target);
    return AT_ARP + 28;
}

size_t frame_add_options(uint8_t *frame, size_t length, unsigned words)
{
    memmove(frame + AT_L4 + words * 4, frame + AT_L4, length - AT_L4);
    memset(frame + AT_L4, 1, words * 4); /* no operation */
    frame[AT_IP] = (uint8_t)(0x45 + words);
    frame_put16(frame + AT_IP + 2, frame_get16(frame + AT_IP + 2) + words * 4);
    frame_seal_ipv4(frame);
    return length + words * 4;
}

struct ae_packet *frame_packet(const uint8_t *frame, size_t length)
{
    struct ae_packet *packet = aligned_alloc(64, sizeof(*packet));
    struct ae_pool *pool = calloc(1, sizeof(*pool));

    if (!packet || !pool)
        abort();
    memset(packet, 0, sizeof(*packet));
    pool->buffer_size = (uint32_t)(AE_PACKET_HEADROOM + length);
    pool->memory = malloc(pool->buffer_size);
    if (!pool->memory)
        abort();
    packet->pool = pool;
    packet->data = pool->memory + AE_PACKET_HEADROOM;
    packet->length = (uint32_t)length;
    if (length)
        memcpy(packet->data, frame, length);
    return packet;
}

void frame_release(struct ae_packet *packet)
{
    free(packet->pool->memory);
    free(packet->pool);
    free(packet);
}

ae_ipv4_t frame_address(uint32_t address)
{
    ae_ipv4_t result;
    uint8_t bytes[4];

    frame_put32(bytes, address);
    memcpy(&result.be, bytes, 4);
    return result;
}

struct ae_net *frame_net(const struct ae_net_options *change)
{
    struct ae_net_options options = {.address = frame_address(FRAME_HOST), .prefix = 24};
    struct ae_net *net;

    if (change)
        options = *change;
    memcpy(options.mac, frame_host_mac, 6);
    if (ae_net_create(&net, &options, NULL))
        abort();
    return net;
}

uint64_t frame_counted(const struct ae_net *net, const char *name)
{
    struct ae_net_counter counters[64];
    unsigned count = ae_net_get_counters(net, counters, 64);

    for (unsigned i = 0; i < count && i < 64; i++)
        if (strcmp(counters[i].name, name) == 0)
            return counters[i].value;
    abort();
}
