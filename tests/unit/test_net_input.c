/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct ae_net *net;
static struct ae_datagram datagram;
static uint8_t frame[FRAME_MAX];
static uint8_t pattern[FRAME_MAX];

static int begin(void **state)
{
    (void)state;
    net = frame_net(NULL);
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)(i * 31 + (i >> 8) + 5);
    memset(&datagram, 0, sizeof(datagram));
    return 0;
}

static int end(void **state)
{
    (void)state;
    ae_net_destroy(net);
    return 0;
}

/* What becomes of the frame; a reply is copied back. */
static enum ae_net_verdict input_flagged(size_t length, uint32_t flags, size_t *reply)
{
    struct ae_packet *packet = frame_packet(frame, length);
    enum ae_net_verdict verdict;

    packet->flags = flags;
    verdict = ae_net_input(net, packet, 1000, &datagram);
    if (verdict == AE_NET_REPLY) {
        assert_true(packet->length <= length);
        memcpy(frame, packet->data, packet->length);
    }
    if (verdict == AE_NET_UDP) {
        assert_true(datagram.payload >= packet->data + AT_PAYLOAD);
        assert_true(datagram.payload + datagram.length <= packet->data + packet->length);
        /* The payload goes with the packet; what is compared is a copy. */
        memcpy(frame + FRAME_MAX / 2, datagram.payload,
               datagram.length < FRAME_MAX / 2 ? datagram.length : FRAME_MAX / 2);
    }
    if (reply)
        *reply = packet->length;
    frame_release(packet);
    return verdict;
}

static enum ae_net_verdict input(size_t length)
{
    return input_flagged(length, 0, NULL);
}

/* The frame is dropped, and exactly this counter says so. */
static void assert_dropped(size_t length, const char *counter)
{
    struct ae_net_counter before[64], after[64];
    unsigned count = ae_net_get_counters(net, before, COUNT(before));

    assert_int_equal(input(length), AE_NET_DROP);
    ae_net_get_counters(net, after, COUNT(after));
    for (unsigned i = 0; i < count; i++)
        if (after[i].value != before[i].value + (strcmp(after[i].name, counter) == 0))
            fail_msg("%s instead of %s", after[i].name, counter);
}

/* ---- Ethernet ---- */

static void frames_for_others_are_dropped(void **state)
{
    size_t length = frame_udp(frame, pattern, 20);

    (void)state;
    frame[5] ^= 1;
    assert_dropped(length, "ethernet_other_host");
    frame_udp(frame, pattern, 20);
    frame[6] |= 1;
    assert_dropped(length, "ethernet_bad_source");
    frame_udp(frame, pattern, 20);
    memset(frame + 6, 0, 6);
    assert_dropped(length, "ethernet_bad_source");
    frame_udp(frame, pattern, 20);
    frame_put16(frame + AT_TYPE, 0x8100);
    assert_dropped(length, "ethernet_vlan");
    frame_put16(frame + AT_TYPE, 0x88a8);
    assert_dropped(length, "ethernet_vlan");
    frame_put16(frame + AT_TYPE, 0x86dd);
    assert_dropped(length, "ethernet_unknown_type");
    frame_put16(frame + AT_TYPE, 46); /* IEEE 802.3: a length */
    assert_dropped(length, "ethernet_unknown_type");
}

static void every_cut_frame_is_dropped(void **state)
{
    size_t udp = frame_udp(frame, pattern, 30);

    (void)state;
    for (size_t length = 0; length < 14; length++)
        assert_dropped(length, "ethernet_short");
    for (size_t length = 14; length < udp; length++)
        assert_dropped(length, "ipv4_malformed");
    for (size_t length = 14; length < frame_arp(frame, 1, FRAME_PEER, FRAME_HOST); length++)
        assert_dropped(length, "arp_malformed");
}

static void every_flipped_bit_is_noticed(void **state)
{
    size_t udp = frame_udp(frame, pattern, 33);

    (void)state;
    assert_int_equal(input(udp), AE_NET_UDP);
    for (size_t bit = AT_IP * 8; bit < udp * 8; bit++) {
        frame_udp(frame, pattern, 33);
        frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (input(udp) != AE_NET_DROP)
            fail_msg("bit %zu", bit);
    }
}

/* ---- IPv4 ---- */

static void bad_headers_are_dropped(void **state)
{
    static const struct {
        const char *counter;
        unsigned at; /* in the IPv4 header */
        unsigned size;
        uint32_t value;
    } cases[] = {
        {"ipv4_malformed", 0, 1, 0x55},
        {"ipv4_malformed", 0, 1, 0x65},
        {"ipv4_malformed", 0, 1, 0x40},
        {"ipv4_malformed", 0, 1, 0x44},
        {"ipv4_malformed", 0, 1, 0x4f}, /* 60 bytes of header in 58 of packet */
        {"ipv4_malformed", 2, 2, 0},
        {"ipv4_malformed", 2, 2, 19},
        {"ipv4_malformed", 2, 2, 59},
        {"ipv4_malformed", 2, 2, 0xffff},
        {"udp_malformed", 2, 2, 20},
        {"udp_malformed", 2, 2, 27},
        {"ipv4_fragment", 6, 2, 0x2000},
        {"ipv4_fragment", 6, 2, 0x0001},
        {"ipv4_fragment", 6, 2, 0x1fff},
        {"ipv4_fragment", 6, 2, 0x6000},
        {"ipv4_unknown_protocol", 9, 1, 6},
        {"ipv4_unknown_protocol", 9, 1, 2},
        {"ipv4_bad_source", 12, 4, 0x00000001},
        {"ipv4_bad_source", 12, 4, 0x7f000001},
        {"ipv4_bad_source", 12, 4, 0xe0000001},
        {"ipv4_bad_source", 12, 4, 0xffffffff},
        {"ipv4_bad_source", 12, 4, FRAME_HOST},
        {"ipv4_bad_source", 12, 4, 0x0a4d00ff},
        {"ipv4_not_for_us", 16, 4, 0x0a4d0003},
        {"ipv4_not_for_us", 16, 4, 0x0a4d0000},
        {"ipv4_not_for_us", 16, 4, 0xe0000001},
        {"ipv4_not_for_us", 16, 4, 0x0a4dffff},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t length = frame_udp(frame, pattern, 30);
        uint8_t *at = frame + AT_IP + cases[i].at;

        if (cases[i].size == 1)
            *at = (uint8_t)cases[i].value;
        else if (cases[i].size == 2)
            frame_put16(at, cases[i].value);
        else
            frame_put32(at, cases[i].value);
        frame_seal_ipv4(frame);
        assert_dropped(length, cases[i].counter);
    }
}

static void a_wrong_header_checksum_is_dropped(void **state)
{
    size_t length = frame_udp(frame, pattern, 30);

    (void)state;
    frame[AT_IP + 8]--; /* a router that forgot to change the checksum */
    assert_dropped(length, "ipv4_bad_checksum");
}

static void the_cards_verdict_replaces_ours(void **state)
{
    size_t length = frame_udp(frame, pattern, 30);

    (void)state;
    assert_int_equal(input_flagged(length, AE_PACKET_IPV4_BAD, NULL), AE_NET_DROP);
    assert_int_equal(frame_counted(net, "ipv4_bad_checksum"), 1);
    assert_int_equal(input_flagged(length, AE_PACKET_L4_BAD, NULL), AE_NET_DROP);
    assert_int_equal(frame_counted(net, "udp_bad_checksum"), 1);
    assert_int_equal(input_flagged(length, AE_PACKET_IPV4_GOOD, NULL), AE_NET_UDP);
    frame[AT_IP + 10] ^= 1;
    frame[AT_L4 + 6] ^= 1;
    assert_int_equal(input_flagged(length, AE_PACKET_L4_GOOD, NULL), AE_NET_DROP);
    assert_int_equal(input_flagged(length, AE_PACKET_IPV4_GOOD, NULL), AE_NET_DROP);
    assert_int_equal(input_flagged(length, AE_PACKET_IPV4_GOOD | AE_PACKET_L4_GOOD, NULL),
                     AE_NET_UDP);
}

static void options_are_skipped(void **state)
{
    (void)state;
    for (unsigned words = 1; words <= 10; words++) {
        size_t length = frame_udp(frame, pattern, 30);

        length = frame_add_options(frame, length, words);
        assert_int_equal(input(length), AE_NET_UDP);
        assert_int_equal(datagram.length, 30);
        assert_memory_equal(frame + FRAME_MAX / 2, pattern, 30);
        assert_int_equal(datagram.source_port, 4000);
    }
}

static void padding_is_no_payload(void **state)
{
    size_t length = frame_udp(frame, pattern, 3), left;

    (void)state;
    memset(frame + length, 0xee, 60 - length);
    assert_int_equal(input_flagged(60, 0, &left), AE_NET_UDP);
    assert_int_equal(datagram.length, 3);
    assert_int_equal(left, length);
    length = frame_echo(frame, 9);
    memset(frame + length, 0xee, 60 - length);
    assert_int_equal(input_flagged(60, 0, &left), AE_NET_REPLY);
    assert_int_equal(left, length);
}

static void broadcasts_reach_us(void **state)
{
    static const uint32_t to[] = {0xffffffff, 0x0a4d00ff};

    (void)state;
    for (size_t i = 0; i < COUNT(to); i++) {
        size_t length = frame_udp(frame, pattern, 8);

        memcpy(frame, frame_broadcast_mac, 6);
        frame_put32(frame + AT_IP + 16, to[i]);
        frame_seal_ipv4(frame);
        frame_seal_udp(frame);
        assert_int_equal(input(length), AE_NET_UDP);
        assert_int_equal(datagram.destination.be, frame_address(to[i]).be);
    }
}

/* RFC 3021: no address of a /31 is a broadcast. */
static void both_hosts_of_a_31_are_hosts(void **state)
{
    const struct ae_net_options options = {.address = frame_address(0x0a4d0000), .prefix = 31};
    size_t length = frame_udp(frame, pattern, 8), reply;

    (void)state;
    ae_net_destroy(net);
    net = frame_net(&options);
    frame_put32(frame + AT_IP + 16, 0x0a4d0000);
    frame_seal_ipv4(frame);
    frame_seal_udp(frame);
    assert_int_equal(input(length), AE_NET_UDP);
    length = frame_arp(frame, 1, FRAME_PEER, 0x0a4d0000);
    assert_int_equal(input_flagged(length, 0, &reply), AE_NET_REPLY);
    assert_int_equal(frame_get32(frame + AT_ARP + 24), FRAME_PEER);
}

/* ---- UDP ---- */

static void every_length_is_received(void **state)
{
    (void)state;
    for (size_t payload = 0; payload <= 1472; payload++) {
        size_t length = frame_udp(frame, pattern, payload);

        if (input(length) != AE_NET_UDP || datagram.length != payload)
            fail_msg("%zu bytes", payload);
        if (payload <= FRAME_MAX / 2)
            assert_memory_equal(frame + FRAME_MAX / 2, pattern, payload);
    }
    assert_int_equal(datagram.source.be, frame_address(FRAME_PEER).be);
    assert_int_equal(datagram.destination.be, frame_address(FRAME_HOST).be);
    assert_int_equal(datagram.destination_port, 5000);
    assert_int_equal(frame_counted(net, "udp_received"), 1473);
}

static void lengths_that_disagree(void **state)
{
    size_t length = frame_udp(frame, pattern, 30);

    (void)state;
    for (unsigned lie = 0; lie < 8; lie++) {
        frame_put16(frame + AT_L4 + 4, lie);
        assert_dropped(length, "udp_malformed");
    }
    frame_put16(frame + AT_L4 + 4, 39);
    assert_dropped(length, "udp_malformed");
    frame_put16(frame + AT_L4 + 4, 0xffff);
    assert_dropped(length, "udp_malformed");
    /* Shorter than IPv4 says is legal: the rest is not ours. */
    frame_put16(frame + AT_L4 + 4, 20);
    frame_seal_udp(frame);
    assert_int_equal(input(length), AE_NET_UDP);
    assert_int_equal(datagram.length, 12);
}

static void a_checksum_of_zero_is_none(void **state)
{
    size_t length = frame_udp(frame, pattern, 30);

    (void)state;
    frame_put16(frame + AT_L4 + 6, 0);
    frame[AT_PAYLOAD] ^= 0xff;
    assert_int_equal(input(length), AE_NET_UDP);
    /* One that comes out as zero is sent as all ones, and is verified. */
    frame_udp(frame, pattern, 30);
    frame_put16(frame + AT_PAYLOAD, 0);
    frame_seal_udp(frame);
    frame_put16(frame + AT_PAYLOAD, frame_get16(frame + AT_L4 + 6));
    frame_seal_udp(frame);
    assert_int_equal(frame_get16(frame + AT_L4 + 6), 0xffff);
    assert_int_equal(input(length), AE_NET_UDP);
    frame[AT_PAYLOAD] ^= 1;
    assert_dropped(length, "udp_bad_checksum");
}

/* ---- ICMP ---- */

static void every_length_is_echoed(void **state)
{
    (void)state;
    for (size_t icmp = 8; icmp <= 1480; icmp++) {
        size_t length = frame_echo(frame, icmp), reply;
        uint8_t sent[FRAME_MAX];

        memcpy(sent, frame, length);
        if (input_flagged(length, AE_PACKET_IPV4_GOOD, &reply) != AE_NET_REPLY || reply != length)
            fail_msg("%zu bytes", icmp);
        assert_memory_equal(frame, frame_peer_mac, 6);
        assert_memory_equal(frame + 6, frame_host_mac, 6);
        assert_true(frame_ipv4_is_right(frame) && frame_icmp_is_right(frame));
        assert_int_equal(frame_get32(frame + AT_IP + 12), FRAME_HOST);
        assert_int_equal(frame_get32(frame + AT_IP + 16), FRAME_PEER);
        assert_int_equal(frame[AT_L4], 0);
        assert_memory_equal(frame + AT_L4 + 4, sent + AT_L4 + 4, icmp - 4);
    }
}

/* Sequence numbers give every checksum there is; the answer to one is all zeros but for it. */
static void every_echo_sum_is_right(void **state)
{
    (void)state;
    for (unsigned sequence = 0; sequence <= 0xffff; sequence++) {
        size_t length = frame_echo(frame, 8);

        frame_put16(frame + AT_L4 + 4, 0);
        frame_put16(frame + AT_L4 + 6, sequence);
        frame_seal_icmp(frame);
        assert_int_equal(input(length), AE_NET_REPLY);
        if (!frame_icmp_is_right(frame))
            fail_msg("sequence %u", sequence);
    }
}

static void an_echo_with_options_is_answered(void **state)
{
    size_t length = frame_echo(frame, 40), reply;

    (void)state;
    length = frame_add_options(frame, length, 3);
    assert_int_equal(input_flagged(length, 0, &reply), AE_NET_REPLY);
    assert_true(frame_ipv4_is_right(frame) && frame_icmp_is_right(frame));
}

static void other_icmp_is_ignored(void **state)
{
    size_t length = frame_echo(frame, 40);

    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        frame[AT_L4] = (uint8_t)type;
        frame[AT_L4 + 1] = type == 8; /* there is no echo request with code 1 */
        frame_seal_icmp(frame);
        assert_dropped(length, "icmp_ignored");
    }
    /* An answer to a broadcast would make us an amplifier (RFC 1122, 3.2.2.6). */
    frame_echo(frame, 40);
    memcpy(frame, frame_broadcast_mac, 6);
    frame_put32(frame + AT_IP + 16, 0x0a4d00ff);
    frame_seal_ipv4(frame);
    assert_dropped(length, "icmp_ignored");
    frame_echo(frame, 40);
    frame[AT_L4 + 9] ^= 4;
    assert_dropped(length, "icmp_bad_checksum");
    for (size_t icmp = 0; icmp < 8; icmp++) {
        frame_echo(frame, 40);
        frame_put16(frame + AT_IP + 2, (unsigned)(20 + icmp));
        frame_seal_ipv4(frame);
        assert_dropped(AT_L4 + icmp, "icmp_malformed");
    }
}

/* ---- ARP ---- */

static void a_question_for_us_is_answered(void **state)
{
    static const uint32_t askers[] = {FRAME_PEER, 0 /* a probe, RFC 5227 */, 0xc0a80101};

    (void)state;
    for (size_t i = 0; i < COUNT(askers); i++) {
        size_t length = frame_arp(frame, 1, askers[i], FRAME_HOST), reply;

        memset(frame + length, 0, 60 - length);
        assert_int_equal(input_flagged(60, 0, &reply), AE_NET_REPLY);
        assert_int_equal(reply, length);
        assert_memory_equal(frame, frame_peer_mac, 6);
        assert_memory_equal(frame + 6, frame_host_mac, 6);
        assert_int_equal(frame_get16(frame + AT_ARP + 6), 2);
        assert_memory_equal(frame + AT_ARP + 8, frame_host_mac, 6);
        assert_int_equal(frame_get32(frame + AT_ARP + 14), FRAME_HOST);
        assert_memory_equal(frame + AT_ARP + 18, frame_peer_mac, 6);
        assert_int_equal(frame_get32(frame + AT_ARP + 24), askers[i]);
    }
    assert_int_equal(frame_counted(net, "arp_replies_sent"), COUNT(askers));
}

static void bad_arp_is_dropped(void **state)
{
    static const struct {
        const char *counter;
        unsigned at; /* in the ARP packet; two bytes */
        unsigned value;
    } cases[] = {
        {"arp_malformed", 0, 6},        {"arp_malformed", 2, 0x86dd},
        {"arp_malformed", 4, 0x0804},   {"arp_malformed", 4, 0x0610},
        {"arp_malformed", 6, 0},        {"arp_malformed", 6, 3},
        {"arp_malformed", 6, 0x0100},   {"arp_bad_sender", 8, 0x0152},
        {"arp_bad_sender", 14, 0x7f00}, {"arp_bad_sender", 14, 0xe000},
        {"arp_bad_sender", 14, 0xffff}, {"arp_bad_sender", 16, 0x00ff},
        {"arp_conflict", 16, 0x0002},   {"arp_not_for_us", 26, 0x0003},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t length = frame_arp(frame, 1, FRAME_PEER, FRAME_HOST);

        frame_put16(frame + AT_ARP + cases[i].at, cases[i].value);
        assert_dropped(length, cases[i].counter);
    }
}

static bool knows_the_peer(void)
{
    struct ae_udp_flow flow;

    return ae_net_flow(net, &flow, frame_address(FRAME_PEER), 1, 2, NULL) == 0;
}

static void only_answers_to_questions_are_learnt(void **state)
{
    struct ae_packet *request = frame_packet(frame, 60);
    size_t length = frame_arp(frame, 2, FRAME_PEER, FRAME_HOST);

    (void)state;
    assert_int_equal(input(length), AE_NET_DROP);
    frame_arp(frame, 1, FRAME_PEER, FRAME_HOST);
    assert_int_equal(input(length), AE_NET_REPLY);
    assert_false(knows_the_peer());
    assert_int_equal(ae_net_resolve(net, frame_address(FRAME_PEER), request, 1000), -EAGAIN);
    frame_arp(frame, 2, FRAME_PEER, FRAME_HOST);
    memset(frame + AT_ARP + 8, 0, 6); /* nobody has that address */
    assert_int_equal(input(length), AE_NET_DROP);
    assert_false(knows_the_peer());
    frame_arp(frame, 2, FRAME_PEER, FRAME_HOST);
    assert_int_equal(input(length), AE_NET_DROP);
    assert_true(knows_the_peer());
    assert_int_equal(frame_counted(net, "arp_learnt"), 1);
    frame_release(request);
}

/* A virtual router answers with its virtual address, from that of a card (RFC 5798, 8.1.2). */
static void the_body_says_where_a_host_is(void **state)
{
    static const uint8_t virtual[6] = {0x00, 0x00, 0x5e, 0x00, 0x01, 0x05};
    struct ae_packet *request = frame_packet(frame, 60);
    size_t length = frame_arp(frame, 2, FRAME_PEER, FRAME_HOST);
    struct ae_udp_flow flow;

    (void)state;
    assert_int_equal(ae_net_resolve(net, frame_address(FRAME_PEER), request, 1000), -EAGAIN);
    memcpy(frame + AT_ARP + 8, virtual, 6);
    assert_int_equal(input(length), AE_NET_DROP);
    assert_int_equal(ae_net_flow(net, &flow, frame_address(FRAME_PEER), 1, 2, NULL), 0);
    assert_memory_equal(flow.header, virtual, 6);
    /* Its questions are answered to that address, too. */
    frame_arp(frame, 1, FRAME_PEER, FRAME_HOST);
    memcpy(frame + AT_ARP + 8, virtual, 6);
    assert_int_equal(input(length), AE_NET_REPLY);
    assert_memory_equal(frame, virtual, 6);
    frame_release(request);
}

/* Puts a tag before the type. */
static size_t tag(size_t length, unsigned type, unsigned control)
{
    memmove(frame + AT_TYPE + 4, frame + AT_TYPE, length - AT_TYPE);
    frame_put16(frame + AT_TYPE, type);
    frame_put16(frame + AT_TYPE + 2, control);
    return length + 4;
}

static void a_priority_is_no_vlan(void **state)
{
    static const unsigned priorities[] = {0x0000, 0x6000, 0xe000, 0x1000 /* drop eligible */};
    size_t reply;

    (void)state;
    for (size_t i = 0; i < COUNT(priorities); i++) {
        assert_int_equal(input(tag(frame_udp(frame, pattern, 20), 0x8100, priorities[i])),
                         AE_NET_UDP);
        assert_int_equal(datagram.length, 20);
        assert_int_equal(
            input_flagged(tag(frame_arp(frame, 1, FRAME_PEER, FRAME_HOST), 0x8100, priorities[i]),
                          0, &reply),
            AE_NET_REPLY);
        assert_int_equal(frame_get16(frame + AT_TYPE), 0x0806);
        assert_memory_equal(frame, frame_peer_mac, 6);
        assert_memory_equal(frame + 6, frame_host_mac, 6);
    }
    assert_dropped(tag(frame_udp(frame, pattern, 20), 0x8100, 0x0001), "ethernet_vlan");
    assert_dropped(tag(frame_udp(frame, pattern, 20), 0x8100, 0x6fff), "ethernet_vlan");
    assert_dropped(tag(frame_udp(frame, pattern, 20), 0x8100, 0x0100), "ethernet_vlan");
    assert_dropped(tag(frame_udp(frame, pattern, 20), 0x88a8, 0), "ethernet_vlan");
    assert_dropped(tag(tag(frame_udp(frame, pattern, 20), 0x8100, 5), 0x8100, 0), "ethernet_vlan");
    tag(frame_udp(frame, pattern, 20), 0x8100, 0);
    for (size_t length = 14; length < 18; length++)
        assert_dropped(length, "ethernet_vlan");
}

static void some_datagrams_are_not_to_be_returned(void **state)
{
    static const struct {
        uint32_t destination;
        unsigned from, to;
        bool may;
    } cases[] = {
        {FRAME_HOST, 4000, 7, true},     {FRAME_HOST, 40007, 5000, true},
        {UINT32_MAX, 4000, 7, false},    {FRAME_HOST, 0, 7, false},
        {FRAME_HOST, 7, 7, false},       {FRAME_HOST, 7, 4000, false},
        {FRAME_HOST, 9000, 9000, false}, {(FRAME_HOST & ~0xffu) | 0xff, 4000, 7, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t length = frame_udp(frame, pattern, 20);

        frame_put32(frame + AT_IP + 16, cases[i].destination);
        frame_put16(frame + AT_L4, cases[i].from);
        frame_put16(frame + AT_L4 + 2, cases[i].to);
        frame_seal_ipv4(frame);
        frame_seal_udp(frame);
        assert_int_equal(input(length), AE_NET_UDP);
        assert_int_equal(ae_net_may_return(net, &datagram), cases[i].may);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_for_others_are_dropped),
        TEST(every_cut_frame_is_dropped),
        TEST(every_flipped_bit_is_noticed),
        TEST(bad_headers_are_dropped),
        TEST(a_wrong_header_checksum_is_dropped),
        TEST(the_cards_verdict_replaces_ours),
        TEST(options_are_skipped),
        TEST(padding_is_no_payload),
        TEST(broadcasts_reach_us),
        TEST(both_hosts_of_a_31_are_hosts),
        TEST(every_length_is_received),
        TEST(lengths_that_disagree),
        TEST(a_checksum_of_zero_is_none),
        TEST(every_length_is_echoed),
        TEST(every_echo_sum_is_right),
        TEST(an_echo_with_options_is_answered),
        TEST(other_icmp_is_ignored),
        TEST(a_question_for_us_is_answered),
        TEST(bad_arp_is_dropped),
        TEST(only_answers_to_questions_are_learnt),
        TEST(the_body_says_where_a_host_is),
        TEST(a_priority_is_no_vlan),
        TEST(some_datagrams_are_not_to_be_returned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
