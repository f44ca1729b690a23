/* SPDX-License-Identifier: Apache-2.0 */

/* The network and frames in several packets: what becomes of them is what becomes of one. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

#define PACKETS 256
#define BUFFER  2048
#define JUMBO   9000

static struct ae_net *net;
static struct ae_pool *pool;
static struct ae_datagram datagram;
static uint8_t memory[PACKETS * BUFFER] __attribute__((aligned(BUFFER)));
static uint8_t frame[FRAME_MAX], pattern[JUMBO], whole[JUMBO + AT_PAYLOAD];

static int begin(void **state)
{
    const struct ae_pool_options options = {
        .memory = memory, .memory_size = sizeof(memory), .count = PACKETS};
    const struct ae_net_options jumbo = {
        .address = frame_address(FRAME_HOST), .prefix = 24, .mtu = JUMBO};

    (void)state;
    net = frame_net(&jumbo);
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)(i * 31 + (i >> 8) + 5);
    return ae_pool_create(&pool, &options, NULL);
}

static int end(void **state)
{
    (void)state;
    assert_int_equal(ae_pool_available(pool), PACKETS);
    ae_pool_destroy(pool);
    ae_net_destroy(net);
    return 0;
}

/* In a first packet and others behind it, of so many bytes each. */
static struct ae_packet *cut(const uint8_t *bytes, size_t length, size_t first, size_t rest)
{
    struct ae_packet *packet = ae_packet_get(pool), *last = packet;
    size_t at = first < length ? first : length;
    size_t more = (length - at + rest - 1) / rest;

    memcpy(packet->data, bytes, at);
    packet->length = (uint32_t)at;
    packet->more = (uint8_t)more;
    while (more-- > 0) {
        size_t here = length - at < rest ? length - at : rest;

        last = last->next = ae_packet_get(pool);
        last->more = (uint8_t)more;
        last->length = (uint32_t)here;
        memcpy(last->data, bytes + at, here);
        at += here;
    }
    return packet;
}

static enum ae_net_verdict input(struct ae_packet *packet)
{
    return ae_net_input(net, packet, 1000, &datagram);
}

static void assert_dropped(struct ae_packet *packet, const char *counter)
{
    uint64_t before = frame_counted(net, counter);

    assert_int_equal(input(packet), AE_NET_DROP);
    assert_int_equal(frame_counted(net, counter), before + 1);
    ae_packet_put(packet);
}

/* What the packets hold, which are put. */
static size_t gather(struct ae_packet *packet)
{
    size_t length = ae_packet_read(packet, 0, whole, sizeof(whole));

    assert_int_equal(length, ae_packet_total(packet));
    ae_packet_put(packet);
    return length;
}

static void a_datagram_is_received_and_returned(void **state)
{
    static const size_t rests[] = {7, 64, 333};
    const size_t payload = 300;
    size_t length = frame_udp(frame, pattern, payload);

    (void)state;
    for (size_t first = AT_PAYLOAD; first <= length; first++)
        for (size_t i = 0; i < sizeof(rests) / sizeof(rests[0]); i++) {
            struct ae_packet *packet = cut(frame, length, first, rests[i]);
            uint8_t got[300];

            assert_int_equal(input(packet), AE_NET_UDP);
            assert_int_equal(datagram.length, payload);
            assert_int_equal(ae_packet_read(packet, (uint32_t)(datagram.payload - packet->data),
                                            got, datagram.length),
                             payload);
            assert_memory_equal(got, pattern, payload);
            if (first > AT_PAYLOAD)
                datagram.payload[0] ^= 0xff;
            datagram.changed = first > AT_PAYLOAD;
            ae_net_udp_reply(net, packet, &datagram);
            assert_int_equal(gather(packet), length);
            assert_true(frame_ipv4_is_right(whole) && frame_udp_is_right(whole));
            assert_int_equal(frame_get16(whole + AT_L4), 5000);
            assert_memory_equal(whole + AT_PAYLOAD + 1, pattern + 1, payload - 1);
        }
}

static void every_byte_is_summed(void **state)
{
    size_t length = frame_udp(frame, pattern, 90);

    (void)state;
    for (size_t at = AT_PAYLOAD; at < length; at++) {
        frame[at] ^= 0x10;
        assert_dropped(cut(frame, length, AT_PAYLOAD + at % 20, 1 + at % 9), "udp_bad_checksum");
        frame[at] ^= 0x10;
    }
    length = frame_echo(frame, 90);
    for (size_t at = AT_PAYLOAD; at < length; at++) {
        frame[at] ^= 0x10;
        assert_dropped(cut(frame, length, AT_PAYLOAD + at % 20, 1 + at % 9), "icmp_bad_checksum");
        frame[at] ^= 0x10;
    }
}

static void headers_are_in_the_first(void **state)
{
    size_t udp = frame_udp(frame, pattern, 60);
    struct ae_packet *packet;

    (void)state;
    for (size_t first = 1; first < AT_PAYLOAD; first++)
        assert_dropped(cut(frame, udp, first, 50), first < AT_IP   ? "ethernet_short"
                                                   : first < AT_L4 ? "ipv4_malformed"
                                                                   : "ipv4_segments");
    udp = frame_add_options(frame, udp, 10);
    for (size_t first = AT_L4; first < AT_PAYLOAD + 40; first++)
        assert_dropped(cut(frame, udp, first, 50), "ipv4_segments");
    packet = cut(frame, udp, AT_PAYLOAD + 40, 50);
    assert_int_equal(input(packet), AE_NET_UDP);
    ae_packet_put(packet);
    assert_dropped(cut(frame, frame_arp(frame, 1, FRAME_PEER, FRAME_HOST), 41, 1), "arp_malformed");
    assert_dropped(cut(frame, 60, 42, 18), "arp_malformed");
}

static void lengths_that_disagree(void **state)
{
    size_t length = frame_udp(frame, pattern, 60);

    (void)state;
    for (size_t missing = 1; missing <= 60; missing++)
        assert_dropped(cut(frame, length - missing, AT_PAYLOAD, 20), "ipv4_malformed");
    frame_put16(frame + AT_L4 + 4, 69);
    assert_dropped(cut(frame, length, AT_PAYLOAD, 20), "udp_malformed");
    frame_put16(frame + AT_IP + 2, 27);
    frame_seal_ipv4(frame);
    assert_dropped(cut(frame, length, AT_PAYLOAD, 20), "udp_malformed");
}

static void padding_goes_back(void **state)
{
    size_t length = frame_udp(frame, pattern, 30);

    (void)state;
    for (size_t first = AT_PAYLOAD; first <= length + 1; first++) {
        struct ae_packet *packet = cut(frame, length + 100, first, 25);

        assert_int_equal(input(packet), AE_NET_UDP);
        assert_int_equal(ae_packet_total(packet), length);
        assert_int_equal(ae_pool_available(pool), PACKETS - 1 - packet->more);
        assert_int_equal(gather(packet), length);
    }
}

static void an_echo_is_answered(void **state)
{
    (void)state;
    for (size_t bytes = 8; bytes <= 1900; bytes += 43) {
        size_t length = frame_echo(frame, bytes);

        for (size_t first = AT_PAYLOAD; first < 100; first++) {
            struct ae_packet *packet = cut(frame, length, first, 9 + first);

            assert_int_equal(input(packet), AE_NET_REPLY);
            assert_int_equal(gather(packet), length);
            assert_true(frame_ipv4_is_right(whole) && frame_icmp_is_right(whole));
            assert_int_equal(whole[AT_L4], 0);
            assert_memory_equal(whole + AT_L4 + 4, frame + AT_L4 + 4, bytes - 4);
        }
    }
}

static void a_priority_is_no_vlan(void **state)
{
    size_t length = frame_udp(frame, pattern, 200);

    (void)state;
    memmove(frame + 16, frame + AT_TYPE, length - AT_TYPE);
    frame_put16(frame + AT_TYPE, 0x8100);
    frame_put16(frame + 14, 0xa000);
    for (size_t first = AT_PAYLOAD + 4; first < 80; first++) {
        struct ae_packet *packet = cut(frame, length + 4, first, 50);

        assert_int_equal(input(packet), AE_NET_UDP);
        assert_int_equal(gather(packet), length);
    }
    assert_dropped(cut(frame, length + 4, 17, 100), "ethernet_vlan");
    assert_dropped(cut(frame, length + 4, AT_PAYLOAD + 3, 100), "ipv4_segments");
}

static void make_flow(struct ae_udp_flow *flow)
{
    uint8_t answer[64];
    struct ae_packet *packet = ae_packet_get(pool);
    size_t length = frame_arp(answer, 2, FRAME_PEER, FRAME_HOST);

    assert_int_equal(ae_net_resolve(net, frame_address(FRAME_PEER), packet, 0), -EAGAIN);
    ae_packet_put(packet);
    packet = cut(answer, length, length, 1);
    assert_int_equal(input(packet), AE_NET_DROP);
    ae_packet_put(packet);
    assert_int_equal(ae_net_flow(net, flow, frame_address(FRAME_PEER), 4000, 5000, NULL), 0);
}

static void a_datagram_is_sent(void **state)
{
    const size_t longest = JUMBO - 28;
    struct ae_udp_flow flow;
    struct ae_packet *packet;

    (void)state;
    make_flow(&flow);
    for (size_t length = longest; length >= 9; length -= 9) {
        packet = cut(pattern, length, length % 50, 1000 + length % 900);
        assert_int_equal(ae_net_udp_send(net, &flow, packet), 0);
        assert_int_equal(gather(packet), AT_PAYLOAD + length);
        assert_true(frame_ipv4_is_right(whole) && frame_udp_is_right(whole));
        assert_int_equal(frame_get16(whole + AT_L4 + 4), 8 + length);
        assert_memory_equal(whole + AT_PAYLOAD, pattern, length);
    }
    packet = cut(pattern, longest + 1, 1000, 1000);
    assert_int_equal(ae_net_udp_send(net, &flow, packet), -EMSGSIZE);
    assert_int_equal(gather(packet), longest + 1);
    assert_memory_equal(whole, pattern, longest + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_datagram_is_received_and_returned),
        TEST(every_byte_is_summed),
        TEST(headers_are_in_the_first),
        TEST(lengths_that_disagree),
        TEST(padding_goes_back),
        TEST(an_echo_is_answered),
        TEST(a_priority_is_no_vlan),
        TEST(a_datagram_is_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
