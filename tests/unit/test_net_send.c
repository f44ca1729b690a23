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
#define SECOND       UINT64_C(1000000000)

static struct ae_net *net;
static struct ae_pool *pool;
static struct ae_packet *packet;
static struct ae_udp_flow flow;
static uint8_t memory[4 * 2048] __attribute__((aligned(2048)));
static uint8_t pattern[FRAME_MAX];

static int begin(void **state)
{
    const struct ae_pool_options options = {
        .memory = memory, .memory_size = sizeof(memory), .count = 4};

    (void)state;
    net = frame_net(NULL);
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)(i * 31 + (i >> 8) + 5);
    if (ae_pool_create(&pool, &options, NULL))
        return -1;
    packet = ae_packet_get(pool);
    return 0;
}

static int end(void **state)
{
    (void)state;
    ae_pool_destroy(pool);
    ae_net_destroy(net);
    return 0;
}

/* Lets a host answer for itself, at `now`. */
static void answer_from(uint32_t address, uint8_t mac, uint64_t now)
{
    struct ae_datagram datagram;
    uint8_t frame[64];
    size_t length = frame_arp(frame, 2, address, FRAME_HOST);
    struct ae_packet *reply;

    frame[11] = frame[AT_ARP + 13] = mac;
    reply = frame_packet(frame, length);
    assert_int_equal(ae_net_input(net, reply, now, &datagram), AE_NET_DROP);
    frame_release(reply);
}

static int resolve(uint32_t address, uint64_t now)
{
    return ae_net_resolve(net, frame_address(address), packet, now);
}

static void make_flow(void)
{
    assert_int_equal(resolve(FRAME_PEER, 0), -EAGAIN);
    answer_from(FRAME_PEER, 1, 1);
    assert_int_equal(ae_net_flow(net, &flow, frame_address(FRAME_PEER), 4000, 5000, NULL), 0);
    packet->length = 0;
}

/* ---- Resolving ---- */

static void a_question_is_a_right_one(void **state)
{
    uint8_t wanted[64];

    (void)state;
    assert_int_equal(resolve(FRAME_PEER, 5), -EAGAIN);
    frame_arp(wanted, 1, FRAME_HOST, FRAME_PEER);
    memcpy(wanted + 6, frame_host_mac, 6);
    memcpy(wanted + AT_ARP + 8, frame_host_mac, 6);
    assert_int_equal(packet->length, 42);
    assert_memory_equal(packet->data, wanted, 42);
}

static void questions_come_once_a_second_and_thrice(void **state)
{
    uint64_t now = 7;

    (void)state;
    for (unsigned i = 0; i < 3; i++, now += SECOND) {
        assert_int_equal(resolve(FRAME_PEER, now), -EAGAIN);
        assert_int_equal(packet->length, 42);
        assert_int_equal(resolve(FRAME_PEER, now + SECOND - 1), -EAGAIN);
        assert_int_equal(packet->length, 0);
    }
    assert_int_equal(resolve(FRAME_PEER, now), -EHOSTUNREACH);
    assert_int_equal(packet->length, 0);
    assert_int_equal(resolve(FRAME_PEER, now + 20 * SECOND - 1), -EHOSTUNREACH);
    assert_int_equal(resolve(FRAME_PEER, now + 20 * SECOND), -EAGAIN);
    assert_int_equal(packet->length, 42);
    assert_int_equal(frame_counted(net, "arp_requests_sent"), 4);
    answer_from(FRAME_PEER, 1, now + 20 * SECOND);
    assert_int_equal(resolve(FRAME_PEER, now + 20 * SECOND), 0);
}

static void a_late_answer_ends_the_failure(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        resolve(FRAME_PEER, i * SECOND);
    assert_int_equal(resolve(FRAME_PEER, 4 * SECOND), -EHOSTUNREACH);
    answer_from(FRAME_PEER, 1, 4 * SECOND);
    assert_int_equal(resolve(FRAME_PEER, 4 * SECOND), 0);
}

static bool known(void)
{
    return ae_net_flow(net, &flow, frame_address(FRAME_PEER), 1, 2, NULL) == 0;
}

static void what_is_known_is_asked_anew_after_a_minute(void **state)
{
    static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    (void)state;
    resolve(FRAME_PEER, 0);
    answer_from(FRAME_PEER, 1, 100);
    assert_int_equal(resolve(FRAME_PEER, 100 + 60 * SECOND - 1), 0);
    assert_int_equal(packet->length, 0);
    assert_int_equal(resolve(FRAME_PEER, 100 + 60 * SECOND), 0);
    assert_int_equal(packet->length, 42);
    assert_int_equal(packet->data[5], 1); /* the one that it was */
    assert_true(known());
    assert_int_equal(resolve(FRAME_PEER, 99 + 61 * SECOND), 0);
    assert_int_equal(packet->length, 0); /* once a second */
    assert_int_equal(resolve(FRAME_PEER, 100 + 61 * SECOND), 0);
    assert_int_equal(packet->length, 42);
    assert_memory_equal(packet->data, everybody, 6);
    answer_from(FRAME_PEER, 9, 101 + 61 * SECOND); /* another card meanwhile */
    assert_int_equal(resolve(FRAME_PEER, 102 + 61 * SECOND), 0);
    assert_int_equal(packet->length, 0);
    assert_true(known());
    assert_int_equal(flow.header[5], 9);
    assert_int_equal(resolve(FRAME_PEER, 101 + 121 * SECOND), 0);
    assert_int_equal(packet->length, 42); /* and the next minute */
}

/* A lost frame or three make nobody unknown; a host that is gone is found to be, in time. */
static void a_host_that_answers_no_more_is_used_for_a_while(void **state)
{
    unsigned asked = 0;

    (void)state;
    resolve(FRAME_PEER, 0);
    answer_from(FRAME_PEER, 1, 0);
    for (uint64_t now = 1000 * SECOND; now < 1020 * SECOND; now += SECOND / 4) {
        assert_int_equal(resolve(FRAME_PEER, now), 0);
        assert_true(known());
        asked += packet->length == 42;
    }
    assert_int_equal(asked, 20);
    assert_int_equal(resolve(FRAME_PEER, 1020 * SECOND), -EHOSTUNREACH);
    assert_false(known());
    assert_int_equal(packet->length, 0);
    answer_from(FRAME_PEER, 1, 1021 * SECOND);
    assert_int_equal(resolve(FRAME_PEER, 1021 * SECOND), 0);
    assert_true(known());
}

/* Nobody asked: the flow of whoever follows the header stays good, however long ago it was
 * learnt. */
static void what_nobody_asks_for_stays_known(void **state)
{
    (void)state;
    resolve(FRAME_PEER, 0);
    answer_from(FRAME_PEER, 1, 0);
    assert_true(known());
    assert_int_equal(resolve(FRAME_PEER, 100000 * SECOND), 0);
    assert_int_equal(packet->length, 42);
    assert_true(known());
    assert_int_equal(resolve(FRAME_PEER, 100005 * SECOND), 0);
    assert_int_equal(packet->length, 42);
}

static void far_hosts_are_reached_through_the_gateway(void **state)
{
    const struct ae_net_options options = {
        .address = frame_address(FRAME_HOST), .prefix = 24, .gateway = frame_address(0x0a4d00fe)};
    struct ae_error err;

    (void)state;
    assert_int_equal(resolve(0x08080808, 0), -ENETUNREACH);
    assert_int_equal(packet->length, 0);
    assert_int_equal(ae_net_flow(net, &flow, frame_address(0x08080808), 1, 2, &err), -EHOSTUNREACH);
    ae_net_destroy(net);
    net = frame_net(&options);
    assert_int_equal(resolve(0x08080808, 0), -EAGAIN);
    assert_int_equal(frame_get32(packet->data + AT_ARP + 24), 0x0a4d00fe);
    answer_from(0x0a4d00fe, 0xfe, 1);
    assert_int_equal(resolve(0x08080808, 2), 0);
    assert_int_equal(ae_net_flow(net, &flow, frame_address(0x08080808), 1, 2, NULL), 0);
    assert_int_equal(flow.header[5], 0xfe);
    assert_int_equal(frame_get32(flow.header + AT_IP + 16), 0x08080808);
}

/* One more host than there is room for; the one heard of longest ago makes way. */
static void a_full_table_forgets_the_oldest(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 64; i++) {
        assert_int_equal(resolve(0x0a4d0010 + i, i), -EAGAIN);
        answer_from(0x0a4d0010 + i, (uint8_t)i, i);
    }
    answer_from(0x0a4d0010, 0, 100); /* renewed */
    assert_int_equal(resolve(FRAME_PEER, 200), -EAGAIN);
    assert_int_equal(resolve(0x0a4d0010, 200), 0);
    assert_int_equal(resolve(0x0a4d0011, 200), -EAGAIN);
    assert_int_equal(resolve(0x0a4d0013, 200), 0);
}

static void no_flow_without_an_address(void **state)
{
    struct ae_error err;

    (void)state;
    assert_int_equal(ae_net_flow(net, &flow, frame_address(FRAME_PEER), 1, 2, &err), -EHOSTUNREACH);
    assert_non_null(strstr(err.text, "10.77.0.1"));
    resolve(FRAME_PEER, 0);
    assert_int_equal(ae_net_flow(net, &flow, frame_address(FRAME_PEER), 1, 2, NULL), -EHOSTUNREACH);
}

/* ---- Sending ---- */

static void put_payload(const uint8_t *payload, size_t length)
{
    packet->data = packet->buffer + AE_PACKET_HEADROOM;
    packet->length = (uint32_t)length;
    packet->flags = AE_PACKET_L4_GOOD; /* of an earlier life */
    memcpy(packet->data, payload, length);
}

static void every_length_is_sent_right(void **state)
{
    (void)state;
    make_flow();
    for (size_t length = 0; length <= 1472; length++) {
        put_payload(pattern, length);
        assert_int_equal(ae_net_udp_send(net, &flow, packet), 0);
        assert_int_equal(packet->length, AT_PAYLOAD + length);
        assert_int_equal(packet->flags, 0);
        assert_int_equal(frame_get16(packet->data + AT_IP + 2), 28 + length);
        assert_int_equal(frame_get16(packet->data + AT_L4 + 4), 8 + length);
        if (!frame_ipv4_is_right(packet->data) || !frame_udp_is_right(packet->data))
            fail_msg("a checksum at %zu bytes", length);
        assert_memory_equal(packet->data + AT_PAYLOAD, pattern, length);
    }
    assert_memory_equal(packet->data, frame_peer_mac, 6);
    assert_memory_equal(packet->data + 6, frame_host_mac, 6);
    assert_int_equal(frame_get16(packet->data + AT_L4), 5000);
    assert_int_equal(frame_get16(packet->data + AT_L4 + 2), 4000);
    assert_int_equal(frame_counted(net, "udp_sent"), 1473);
}

/* Payloads of two bytes give every sum there is: none may come out as "no checksum". */
static void no_sum_comes_out_as_none(void **state)
{
    unsigned all_ones = 0;

    (void)state;
    make_flow();
    for (unsigned value = 0; value <= 0xffff; value++) {
        uint8_t payload[2];

        frame_put16(payload, value);
        put_payload(payload, 2);
        assert_int_equal(ae_net_udp_send(net, &flow, packet), 0);
        if (!frame_udp_is_right(packet->data))
            fail_msg("payload %04x", value);
        all_ones += frame_get16(packet->data + AT_L4 + 6) == 0xffff;
    }
    assert_int_equal(all_ones, 1);
}

static void what_the_card_fills_in_is_prepared(void **state)
{
    struct ae_net_options options = {.address = frame_address(FRAME_HOST),
                                     .prefix = 24,
                                     .offload_ipv4_checksum = true,
                                     .offload_udp_checksum = true};

    (void)state;
    ae_net_destroy(net);
    net = frame_net(&options);
    make_flow();
    for (size_t length = 0; length <= 1472; length += 7) {
        const uint8_t *udp;
        uint32_t sum;

        put_payload(pattern, length);
        assert_int_equal(ae_net_udp_send(net, &flow, packet), 0);
        assert_int_equal(packet->flags, AE_PACKET_SEND_IPV4_CHECKSUM | AE_PACKET_SEND_UDP_CHECKSUM);
        assert_int_equal(packet->l3_offset, AT_IP);
        assert_int_equal(packet->l4_offset, AT_L4);
        assert_int_equal(frame_get16(packet->data + AT_IP + 10), 0);
        /* What a card does: add up from the UDP header to the end, write the complement. */
        udp = packet->data + AT_L4;
        sum = frame_sum(udp, 8 + length, 0);
        frame_put16(packet->data + AT_L4 + 6, 0xffff - sum);
        if (!frame_udp_is_right(packet->data))
            fail_msg("%zu bytes", length);
    }
}

static void too_long_a_datagram_is_left_alone(void **state)
{
    static const struct {
        uint32_t length;
        uint32_t headroom;
    } cases[] = {{1473, 42},       {1 << 20, 42}, {UINT32_MAX - 27, 42},
                 {UINT32_MAX, 42}, {10, 41},      {10, 0}};

    (void)state;
    make_flow();
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t *data = packet->data = packet->buffer + cases[i].headroom;

        packet->length = cases[i].length;
        assert_int_equal(ae_net_udp_send(net, &flow, packet), -EMSGSIZE);
        assert_ptr_equal(packet->data, data);
        assert_int_equal(packet->length, cases[i].length);
    }
    assert_int_equal(frame_counted(net, "udp_sent"), 0);
}

static void the_mtu_is_the_largest_packet(void **state)
{
    struct ae_net_options options = {.address = frame_address(FRAME_HOST), .prefix = 24, .mtu = 68};

    (void)state;
    ae_net_destroy(net);
    net = frame_net(&options);
    make_flow();
    put_payload(pattern, 40);
    assert_int_equal(ae_net_udp_send(net, &flow, packet), 0);
    put_payload(pattern, 41);
    assert_int_equal(ae_net_udp_send(net, &flow, packet), -EMSGSIZE);
}

static void a_datagram_is_turned_around(void **state)
{
    (void)state;
    for (unsigned words = 0; words <= 10; words += 5)
        for (size_t payload = 0; payload <= 1472 - 4 * words; payload += 3) {
            struct ae_datagram datagram;
            struct ae_packet *got;
            uint8_t frame[FRAME_MAX];
            const uint8_t *udp;
            size_t length = frame_udp(frame, pattern, payload);

            length = frame_add_options(frame, length, words);
            got = frame_packet(frame, length);
            got->flags = AE_PACKET_L4_GOOD | AE_PACKET_IPV4_GOOD;
            assert_int_equal(ae_net_input(net, got, 0, &datagram), AE_NET_UDP);
            ae_net_udp_reply(net, got, &datagram);
            assert_int_equal(got->flags, 0);
            assert_int_equal(got->length, length);
            assert_true(frame_ipv4_is_right(got->data) && frame_udp_is_right(got->data));
            assert_memory_equal(got->data, frame_peer_mac, 6);
            assert_memory_equal(got->data + 6, frame_host_mac, 6);
            assert_int_equal(frame_get32(got->data + AT_IP + 16), FRAME_PEER);
            assert_int_equal(frame_get32(got->data + AT_IP + 12), FRAME_HOST);
            udp = got->data + AT_L4 + 4 * words;
            assert_int_equal(frame_get16(udp), 5000);
            assert_int_equal(frame_get16(udp + 2), 4000);
            assert_memory_equal(udp + 8, pattern, payload);
            frame_release(got);
        }
}

/* Receives what is in the frame and sends it back; `write` goes over the payload's first two bytes.
 */
static void return_frame(uint8_t *frame, size_t length, const uint8_t *write)
{
    struct ae_packet *got = frame_packet(frame, length);
    struct ae_datagram datagram;

    assert_int_equal(ae_net_input(net, got, 0, &datagram), AE_NET_UDP);
    assert_false(datagram.changed);
    if (write) {
        memcpy(datagram.payload, write, 2);
        datagram.changed = true;
    }
    ae_net_udp_reply(net, got, &datagram);
    assert_int_equal(got->length, length);
    if (!frame_ipv4_is_right(got->data) || !frame_udp_is_right(got->data))
        fail_msg("a checksum at %zu bytes", length);
    assert_int_equal(frame_get32(got->data + AT_IP + 12), FRAME_HOST);
    assert_memory_equal(got->data + AT_PAYLOAD, write ? write : frame + AT_PAYLOAD, 2);
    frame_release(got);
}

/* Payloads of two bytes give every checksum there is, to us and to everybody. */
static void every_checksum_is_kept(void **state)
{
    static const uint32_t to[] = {FRAME_HOST, 0x0a4d00ff, UINT32_MAX};
    uint8_t frame[FRAME_MAX], payload[2];
    size_t length;

    (void)state;
    for (size_t i = 0; i < COUNT(to); i++)
        for (unsigned value = 0; value <= 0xffff; value++) {
            frame_put16(payload, value);
            length = frame_udp(frame, payload, 2);
            frame_put32(frame + AT_IP + 16, to[i]);
            frame_seal_ipv4(frame);
            frame_seal_udp(frame);
            return_frame(frame, length, NULL);
        }
}

static void what_was_changed_is_summed_anew(void **state)
{
    uint8_t frame[FRAME_MAX], payload[2];

    (void)state;
    for (unsigned value = 0; value <= 0xffff; value++) {
        frame_put16(payload, value);
        return_frame(frame, frame_udp(frame, pattern, 21), payload);
    }
}

static void what_came_without_a_checksum_gets_one(void **state)
{
    uint8_t frame[FRAME_MAX];

    (void)state;
    for (size_t payload = 2; payload <= 1472; payload++) {
        size_t length = frame_udp(frame, pattern, payload);

        frame_put16(frame + AT_L4 + 6, 0);
        return_frame(frame, length, NULL);
    }
}

/* ---- Text and options ---- */

static void addresses_are_read_and_written(void **state)
{
    static const char *const bad[] = {"",           "10.77.0",     "10.77.0.256", "10.77.0.1 ",
                                      "10.77.0.1.", "10.77.0.1/8", "::1",         "host"};
    char text[AE_IPV4_TEXT];
    ae_ipv4_t address;

    (void)state;
    assert_int_equal(ae_ipv4_parse("255.0.17.203", &address), 0);
    assert_int_equal(address.be, frame_address(0xff0011cb).be);
    ae_ipv4_format(address, text);
    assert_string_equal(text, "255.0.17.203");
    ae_ipv4_format(frame_address(UINT32_MAX), text);
    assert_string_equal(text, "255.255.255.255");
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(ae_ipv4_parse(bad[i], &address), -EINVAL);
}

static void prefixes_are_read(void **state)
{
    static const char *const bad[] = {"",
                                      "10.77.0.2",
                                      "10.77.0.2/",
                                      "10.77.0.2/0",
                                      "10.77.0.2/33",
                                      "10.77.0.2/-8",
                                      "10.77.0.2/ 8",
                                      "10.77.0.2/8x",
                                      "/8",
                                      "10.77.0/8",
                                      "10.77.0.2/4294967304",
                                      "10.77.0.2222222222/8",
                                      "10.77.0.2/99999999999999999999999"};
    ae_ipv4_t address;
    uint8_t prefix = 0;

    (void)state;
    assert_int_equal(ae_ipv4_parse_prefix("10.77.0.2/24", &address, &prefix), 0);
    assert_int_equal(address.be, frame_address(FRAME_HOST).be);
    assert_int_equal(prefix, 24);
    assert_int_equal(ae_ipv4_parse_prefix("255.255.255.255/32", &address, &prefix), 0);
    for (size_t i = 0; i < COUNT(bad); i++)
        if (ae_ipv4_parse_prefix(bad[i], &address, &prefix) != -EINVAL)
            fail_msg("'%s'", bad[i]);
}

static void impossible_hosts_are_refused(void **state)
{
    static const struct {
        uint32_t address;
        uint8_t prefix;
        uint8_t mac;
        uint16_t mtu;
        const char *says;
    } cases[] = {
        {0x00000001, 24, 2, 0, "0.0.0.1"},     {0x7f000001, 8, 2, 0, "127.0.0.1"},
        {0xe0000001, 24, 2, 0, "224.0.0.1"},   {0xffffffff, 24, 2, 0, "255.255.255.255"},
        {FRAME_HOST, 0, 2, 0, "1 to 32"},      {FRAME_HOST, 33, 2, 0, "1 to 32"},
        {FRAME_HOST, 24, 2, 67, "68 to 9000"}, {FRAME_HOST, 24, 2, 9001, "68 to 9000"},
        {FRAME_HOST, 24, 3, 0, "multicast"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ae_net_options options = {.address = frame_address(cases[i].address),
                                         .prefix = cases[i].prefix,
                                         .mac = {cases[i].mac},
                                         .mtu = cases[i].mtu};
        struct ae_net *none = NULL;
        struct ae_error err = {0};

        assert_int_equal(ae_net_create(&none, &options, &err), -EINVAL);
        assert_null(none);
        if (!strstr(err.text, cases[i].says))
            fail_msg("%s", err.text);
    }
    ae_net_destroy(NULL);
}

static void counters_fill_what_there_is_room_for(void **state)
{
    struct ae_net_counter counters[64] = {{0}};
    unsigned all = ae_net_get_counters(net, NULL, 0);

    (void)state;
    assert_true(all > 20 && all < COUNT(counters));
    assert_int_equal(ae_net_get_counters(net, counters, 3), all);
    assert_non_null(counters[2].name);
    assert_null(counters[3].name);
    assert_int_equal(ae_net_get_counters(net, counters, COUNT(counters)), all);
    for (unsigned i = 0; i < all; i++) {
        assert_true(strlen(counters[i].description) > 5);
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(counters[i].name, counters[j].name);
    }
    assert_null(counters[all].name);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

/* RFC 1112, 6.4: the low 23 bits. */
static void groups_have_an_address(void **state)
{
    static const struct {
        const char *group;
        uint8_t mac[6];
    } right[] = {
        {"224.0.0.1", {1, 0, 0x5e, 0, 0, 1}},
        {"239.129.2.3", {1, 0, 0x5e, 1, 2, 3}},
        {"239.255.255.255", {1, 0, 0x5e, 0x7f, 0xff, 0xff}},
    };
    static const char *const wrong[] = {"223.255.255.255", "240.0.0.0", "255.255.255.255",
                                        "0.0.0.0"};
    ae_ipv4_t address;
    uint8_t mac[6];

    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        assert_int_equal(ae_ipv4_parse(right[i].group, &address), 0);
        assert_int_equal(ae_ipv4_group_mac(address, mac), 0);
        assert_memory_equal(mac, right[i].mac, 6);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(ae_ipv4_parse(wrong[i], &address), 0);
        assert_int_equal(ae_ipv4_group_mac(address, mac), -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_have_an_address),
        TEST(a_question_is_a_right_one),
        TEST(questions_come_once_a_second_and_thrice),
        TEST(a_late_answer_ends_the_failure),
        TEST(what_is_known_is_asked_anew_after_a_minute),
        TEST(a_host_that_answers_no_more_is_used_for_a_while),
        TEST(what_nobody_asks_for_stays_known),
        TEST(far_hosts_are_reached_through_the_gateway),
        TEST(a_full_table_forgets_the_oldest),
        TEST(no_flow_without_an_address),
        TEST(every_length_is_sent_right),
        TEST(no_sum_comes_out_as_none),
        TEST(what_the_card_fills_in_is_prepared),
        TEST(too_long_a_datagram_is_left_alone),
        TEST(the_mtu_is_the_largest_packet),
        TEST(a_datagram_is_turned_around),
        TEST(every_checksum_is_kept),
        TEST(what_was_changed_is_summed_anew),
        TEST(what_came_without_a_checksum_gets_one),
        TEST(addresses_are_read_and_written),
        TEST(prefixes_are_read),
        TEST(impossible_hosts_are_refused),
        TEST(counters_fill_what_there_is_room_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
