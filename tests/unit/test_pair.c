/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aether/owner.h>

#include "chains.h"
#include "port/owner.h"
#include "sendable.h"

#define RING 64

struct ends {
    struct ae_port *port[2];
    struct ae_queue *queue[2];
};

static const struct ae_port_options small = {
    .receive_ring = RING, .send_ring = RING, .packets = 64};

static void open_end(struct ends *ends, int end, const char *spec)
{
    struct ae_error err = {0};

    if (ae_port_open(&ends->port[end], spec, &small, &err))
        fail_msg("%s", err.text);
    ends->queue[end] = ae_port_queue(ends->port[end], 0);
}

static int open_both(void **state)
{
    static struct ends ends;

    open_end(&ends, 0, "pair:wire");
    open_end(&ends, 1, "pair:wire");
    *state = &ends;
    return 0;
}

static int close_both(void **state)
{
    struct ends *ends = *state;

    ae_port_close(ends->port[0]);
    ae_port_close(ends->port[1]);
    return 0;
}

static struct ae_packet *frame(struct ae_queue *queue, uint32_t number, uint32_t length)
{
    struct ae_packet *packet = ae_packet_get(queue->pool);

    assert_non_null(packet);
    memset(packet->data, (int)(number & 0xff), length);
    memcpy(packet->data, &number, sizeof(number));
    packet->length = length;
    return packet;
}

static void send_one(struct ae_queue *queue, uint32_t number, uint32_t length)
{
    struct ae_packet *packet = frame(queue, number, length);

    assert_int_equal(ae_send(queue, &packet, 1), 1);
}

static void expect_one(struct ae_queue *queue, uint32_t number, uint32_t length)
{
    struct ae_packet *packet;
    uint8_t expected[2048];

    assert_int_equal(ae_receive(queue, &packet, 1), 1);
    memset(expected, (int)(number & 0xff), length);
    memcpy(expected, &number, sizeof(number));
    assert_int_equal(packet->length, length);
    assert_memory_equal(packet->data, expected, length);
    assert_ptr_equal(packet->pool, queue->pool);
    ae_packet_put(packet);
}

static bool link_is_up(struct ae_port *port)
{
    struct ae_link link;

    ae_port_get_link(port, &link);
    return link.up;
}

static void what_one_sends_the_other_receives(void **state)
{
    struct ends *ends = *state;
    uint32_t free_before = ae_pool_available(ends->queue[0]->pool);
    struct ae_packet *none;

    for (uint32_t length = 14; length <= 1518; length += 47) {
        send_one(ends->queue[0], length, length);
        send_one(ends->queue[1], length + 1, length);
        expect_one(ends->queue[0], length + 1, length);
        expect_one(ends->queue[1], length, length);
    }
    assert_int_equal(ae_receive(ends->queue[0], &none, 1), 0);
    assert_int_equal(ae_pool_available(ends->queue[0]->pool), free_before);
    assert_int_equal(ends->queue[0]->counters->sent_frames, 33);
    assert_int_equal(ends->queue[0]->counters->received_frames, 33);
}

static void its_capabilities_are_told(void **state)
{
    struct ends *ends = *state;
    struct ae_port_owner *owner = ae_port_get_owner(ends->port[0]);
    struct ae_port_capabilities capabilities;
    struct ae_port_time time;
    struct ae_error err;

    ae_port_owner_get_capabilities(owner, &capabilities);
    assert_int_equal(capabilities.path, AE_PATH_DEVICE);
    assert_int_equal(capabilities.caller, AE_CALLER_NONE);
    assert_int_equal(capabilities.queues, AE_PORT_QUEUES);
    assert_int_equal(capabilities.possible, 0);
    assert_false(capabilities.steering);
    assert_int_equal(capabilities.ring_max, 4096);
    assert_int_equal(capabilities.filter_addresses, 0);
    assert_int_equal(capabilities.frame_max, 1518);
    assert_int_equal(capabilities.mtu_max, 9000);
    assert_int_equal(capabilities.segments_max, 16);
    assert_false(capabilities.clock);
    assert_int_equal(ae_port_owner_clock(owner, &time, &err), -EOPNOTSUPP);
    assert_non_null(strstr(err.text, "pair has no clock"));
    assert_int_equal(ae_port_owner_steer(owner, &(struct ae_port_flow){0}, 0, &err), -EOPNOTSUPP);
    assert_non_null(strstr(err.text, "a flow's queue"));
    assert_int_equal(ae_port_owner_steer(owner, &(struct ae_port_flow){0}, 1, &err), -EINVAL);
}

/* Frames are copied, and nobody stamps them. */
static void what_was_accepted_is_sent(void **state)
{
    struct ends *ends = *state;
    struct ae_packet *packet = frame(ends->queue[0], 1, 60);
    uint64_t ns;

    assert_int_equal(ae_send(ends->queue[0], &packet, 1), 1);
    assert_int_equal(ae_unsent(ends->queue[0]), 0);
    packet = frame(ends->queue[0], 2, 60);
    packet->flags = AE_PACKET_SEND_TIMESTAMP;
    assert_int_equal(ae_send(ends->queue[0], &packet, 1), 0);
    assert_int_equal(ends->queue[0]->refusal, AE_REFUSAL_OFFLOAD);
    assert_int_equal(ae_sent_timestamp(ends->queue[0], &ns), -EOPNOTSUPP);
    ae_packet_put(packet);
    expect_one(ends->queue[1], 1, 60);
}

static void a_full_wire_takes_no_more(void **state)
{
    struct ends *ends = *state;
    struct ae_packet *packets[RING + 8], *received[RING + 8];

    for (uint32_t i = 0; i < RING + 8; i++)
        packets[i] = frame(ends->queue[0], i, 60);
    assert_int_equal(ae_send(ends->queue[0], packets, RING + 8), RING);
    assert_int_equal(ends->queue[0]->counters->send_full, 8);
    assert_int_equal(ae_receive(ends->queue[1], received, 1), 1);
    assert_int_equal(ae_send(ends->queue[0], packets + RING, 8), 1);
    assert_int_equal(ae_receive(ends->queue[1], received + 1, RING + 7), RING);
    for (uint32_t i = 0; i <= RING; i++) {
        assert_memory_equal(received[i]->data, &i, sizeof(i));
        ae_packet_put(received[i]);
    }
    for (uint32_t i = RING + 1; i < RING + 8; i++)
        ae_packet_put(packets[i]);
}

static void an_empty_pool_loses_nothing(void **state)
{
    struct ends *ends = *state;
    struct ae_packet *held[1024], *packet;
    unsigned count = 0;

    send_one(ends->queue[0], 7, 60);
    while (ae_pool_available(ends->queue[1]->pool))
        held[count++] = ae_packet_get(ends->queue[1]->pool);
    assert_int_equal(ae_receive(ends->queue[1], &packet, 1), 0);
    assert_int_equal(ends->queue[1]->counters->receive_no_buffer, 1);
    while (count)
        ae_packet_put(held[--count]);
    expect_one(ends->queue[1], 7, 60);
}

static void what_no_port_may_send_is_refused(void **state)
{
    struct ends *ends = *state;
    struct ae_packet *packets[3] = {frame(ends->queue[0], 1, 60), frame(ends->queue[0], 2, 1519),
                                    frame(ends->queue[0], 3, 60)};

    assert_int_equal(ae_send(ends->queue[0], packets, 3), 1);
    packets[1]->length = 13;
    assert_int_equal(ae_send(ends->queue[0], packets + 1, 2), 0);
    packets[1]->length = 60;
    packets[1]->flags = AE_PACKET_SEND_UDP_CHECKSUM;
    assert_int_equal(ae_send(ends->queue[0], packets + 1, 2), 0);
    assert_int_equal(ends->queue[0]->counters->send_bad, 3);
    ae_packet_put(packets[1]);
    ae_packet_put(packets[2]);
}

static void what_every_port_refuses_is_refused(void **state)
{
    struct ends *ends = *state;

    sendable_assert_rules(ends->queue[0], 1518, 0, AE_FRAME_SEGMENTS);
}

static void the_link_is_up_while_both_ends_are_open(void **state)
{
    struct ends *ends = *state;
    struct ae_link link;

    assert_true(link_is_up(ends->port[0]) && link_is_up(ends->port[1]));
    ae_port_close(ends->port[0]);
    assert_false(link_is_up(ends->port[1]));
    send_one(ends->queue[1], 1, 60); /* lost */
    open_end(ends, 0, "pair:wire");
    assert_true(link_is_up(ends->port[0]) && link_is_up(ends->port[1]));
    ae_port_get_link(ends->port[1], &link);
    assert_int_equal(link.changes, 3);
    send_one(ends->queue[1], 2, 60);
    expect_one(ends->queue[0], 2, 60);
}

static void a_third_end_is_refused_and_another_name_is_another_wire(void **state)
{
    struct ends *ends = *state;
    struct ae_port *third;
    struct ae_packet *none;
    struct ae_error err;

    assert_int_equal(ae_port_open(&third, "pair:wire", &small, &err), -EBUSY);
    assert_non_null(strstr(err.text, "pair:wire"));
    assert_int_equal(ae_port_open(&third, "pair:", &small, &err), -EINVAL);
    assert_int_equal(ae_port_open(&third, "pair:other", &small, &err), 0);
    assert_false(link_is_up(third));
    send_one(ends->queue[0], 5, 60);
    assert_int_equal(ae_receive(ae_port_queue(third, 0), &none, 1), 0);
    ae_port_close(third);
    expect_one(ends->queue[1], 5, 60);
}

static void ends_must_agree(void **state)
{
    struct ae_port_options other = small;
    struct ae_port *first, *second;
    struct ae_error err;

    (void)state;
    assert_int_equal(ae_port_open(&first, "pair:sizes", &small, &err), 0);
    other.send_ring = 2 * RING;
    assert_int_equal(ae_port_open(&second, "pair:sizes", &other, &err), -EINVAL);
    assert_int_equal(ae_port_open(&second, "pair:sizes,mtu=1501", &small, &err), -EINVAL);
    assert_non_null(strstr(err.text, "an MTU of 1500"));
    other = small;
    other.queues = 2;
    assert_int_equal(ae_port_open(&second, "pair:sizes", &other, &err), -EINVAL);
    assert_false(link_is_up(first));
    assert_int_equal(ae_port_open(&second, "pair:sizes", &small, &err), 0);
    ae_port_close(first);
    ae_port_close(second);
}

static void an_mtu_is_chosen_within_its_range(void **state)
{
    static const char *const bad[] = {"67", "9001", "-1", "1500x", "70000"};
    struct ae_port_info info;
    struct ae_port *port;
    struct ae_error err;
    char spec[32];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(spec, sizeof(spec), "pair:mtu,mtu=%s", bad[i]);
        assert_int_equal(ae_port_open(&port, spec, &small, &err), -EINVAL);
        assert_non_null(strstr(err.text, "a number from 68 to 9000 is needed"));
    }
    assert_int_equal(ae_port_open(&port, "pair:mtu,mtu=", &small, &err), -EINVAL);
    assert_non_null(strstr(err.text, "nothing stands behind 'mtu='"));
    assert_int_equal(ae_port_open(&port, "pair:mtu,mtu=1500,mtu=9000", &small, &err), -EINVAL);
    assert_non_null(strstr(err.text, "'mtu' stands there twice"));
    for (unsigned mtu = 68; mtu <= 9000; mtu += 8932) {
        snprintf(spec, sizeof(spec), "pair:mtu,mtu=%u", mtu);
        assert_int_equal(ae_port_open(&port, spec, &small, &err), 0);
        ae_port_get_info(port, &info);
        assert_int_equal(info.mtu, mtu);
        ae_port_close(port);
    }
}

/* Frames of any length, in any number of packets, by bursts that the wire has no room for. */
static void frames_in_several_packets_come_whole(void **state)
{
    static const char *const specs[] = {"pair:chains", "pair:chains,mtu=9000"};
    static const uint32_t longest[] = {1518, 9018};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint32_t lengths[2 * RING], sent = 0, received = 0;
        struct ae_packet *packets[8], *too_long;
        struct ends ends;

        open_end(&ends, 0, specs[i]);
        open_end(&ends, 1, specs[i]);
        while (received < 3000) {
            uint16_t count = 0, accepted;

            for (; count < 8; count++) {
                uint32_t *length = &lengths[(sent + count) % (2 * RING)];

                *length = 14 + (uint32_t)rand() % (longest[i] - 13);
                packets[count] = chain_make(ends.queue[0]->pool, sent + count, *length, 12);
                if (!packets[count])
                    break;
            }
            accepted = ae_send(ends.queue[0], packets, count);
            sent += accepted;
            while (accepted < count)
                ae_packet_put(packets[accepted++]);
            count = ae_receive(ends.queue[1], packets, (uint16_t)(1 + rand() % 8));
            for (uint16_t j = 0; j < count; j++, received++) {
                chain_check(packets[j], ends.queue[1]->pool, received,
                            lengths[received % (2 * RING)]);
                ae_packet_put(packets[j]);
            }
        }
        assert_int_equal(ends.queue[0]->counters->send_bad, 0);
        too_long = chain_make(ends.queue[0]->pool, 0, longest[i] + 1, 12);
        assert_int_equal(ae_send(ends.queue[0], &too_long, 1), 0);
        assert_int_equal(ends.queue[0]->refusal, AE_REFUSAL_LENGTH);
        ae_packet_put(too_long);
        for (unsigned end = 0; end < 2; end++) {
            assert_int_equal(ae_pool_available(ends.queue[end]->pool),
                             ends.queue[end]->pool->count);
            assert_int_equal(ends.queue[end]->pool->misuse, 0);
            ae_port_close(ends.port[end]);
        }
    }
}

static void a_long_frame_waits_for_packets(void **state)
{
    struct ae_packet *held[256], *packet;
    struct ends ends;
    unsigned count = 0;

    (void)state;
    open_end(&ends, 0, "pair:waits,mtu=9000");
    open_end(&ends, 1, "pair:waits,mtu=9000");
    packet = chain_make(ends.queue[0]->pool, 1, 9018, 1);
    assert_int_equal(packet->more, 4);
    assert_int_equal(ae_send(ends.queue[0], &packet, 1), 1);
    while (ae_pool_available(ends.queue[1]->pool) > 4)
        held[count++] = ae_packet_get(ends.queue[1]->pool);
    assert_int_equal(ae_receive(ends.queue[1], &packet, 1), 0);
    assert_int_equal(ends.queue[1]->counters->receive_no_buffer, 1);
    assert_int_equal(ae_pool_available(ends.queue[1]->pool), 4);
    ae_packet_put_burst(held, count);
    assert_int_equal(ae_receive(ends.queue[1], &packet, 1), 1);
    chain_check(packet, ends.queue[1]->pool, 1, 9018);
    ae_packet_put(packet);
    ae_port_close(ends.port[0]);
    ae_port_close(ends.port[1]);
}

static void another_process_cannot_attach(void **state)
{
    struct ends *ends = *state;
    struct ae_port_handoff handoff;
    struct ae_port *port;
    struct ae_error err;

    assert_int_equal(ae_port_owner_get_handoff(ae_port_get_owner(ends->port[0]), 0, 1, &handoff),
                     -EBUSY);
    ae_port_owner_make_handoff(ae_port_get_owner(ends->port[0]), 0, 1, &handoff);
    memset(handoff.driver_private, 0xff, 8); /* what this process does not know */
    assert_int_equal(ae_port_attach(&port, &handoff, &err), -ESRCH);
}

#define MANY 200000

/* Sends what has come, and so back; by a thread of its own. */
static void *reflect(void *context)
{
    struct ae_queue *queue = context;
    uint32_t returned = 0;

    while (returned < MANY) {
        struct ae_packet *packets[8];
        uint16_t count = ae_receive(queue, packets, 8), sent = 0;

        while (sent < count)
            sent = (uint16_t)(sent + ae_send(queue, packets + sent, (uint16_t)(count - sent)));
        returned += count;
    }
    return NULL;
}

static void threads_at_both_ends_lose_nothing(void **state)
{
    struct ends *ends = *state;
    uint32_t sent = 0, received = 0;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, reflect, ends->queue[1]), 0);
    while (received < MANY) {
        struct ae_packet *packet = sent < MANY ? frame(ends->queue[0], sent, 60) : NULL;
        struct ae_packet *back[8];
        uint16_t count;

        if (packet && ae_send(ends->queue[0], &packet, 1) == 1)
            sent++;
        else if (packet)
            ae_packet_put(packet);
        count = ae_receive(ends->queue[0], back, 8);
        for (uint16_t i = 0; i < count; i++, received++) {
            assert_memory_equal(back[i]->data, &received, sizeof(received));
            ae_packet_put(back[i]);
        }
    }
    pthread_join(thread, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_both, close_both)
    const struct CMUnitTest tests[] = {
        TEST(what_one_sends_the_other_receives),
        TEST(its_capabilities_are_told),
        TEST(what_was_accepted_is_sent),
        TEST(a_full_wire_takes_no_more),
        TEST(an_empty_pool_loses_nothing),
        TEST(what_no_port_may_send_is_refused),
        TEST(what_every_port_refuses_is_refused),
        TEST(the_link_is_up_while_both_ends_are_open),
        TEST(a_third_end_is_refused_and_another_name_is_another_wire),
        cmocka_unit_test(ends_must_agree),
        cmocka_unit_test(an_mtu_is_chosen_within_its_range),
        cmocka_unit_test(frames_in_several_packets_come_whole),
        cmocka_unit_test(a_long_frame_waits_for_packets),
        TEST(another_process_cannot_attach),
        TEST(threads_at_both_ends_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
