/* SPDX-License-Identifier: Apache-2.0 */

/* A back end that tracks what it has in flight dies and returns: rings go on where they stood. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <aether/clock.h>

#include "base/now.h"
#include "descriptors.h"
#include "port/vhost/front/front.h"
#include "vhost_back.h"
#include "vhost_front.h"

#define INFLIGHT_BIT (UINT64_C(1) << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD)

static int64_t soon(void)
{
    return ae_now_ms() + WAIT_S * 1000;
}

/* ---- Numbered frames, each of which must come back once ---- */

struct traffic {
    struct ae_port *port;
    struct ae_queue *queue;
    uint32_t sent; /* frames, numbered from 0 */
    uint32_t received;
    uint8_t back[1u << 18]; /* how often, by number */
    bool in_order;
};

static struct traffic traffic;

static void begin(struct ae_port *port, unsigned index, bool in_order)
{
    memset(&traffic, 0, sizeof(traffic));
    traffic.port = port;
    traffic.queue = ae_port_queue(port, index);
    traffic.in_order = in_order;
}

static bool send_one(void)
{
    struct ae_packet *packet = ae_packet_get(traffic.queue->pool);

    assert_non_null(packet);
    packet->length = 60 + traffic.sent % 200;
    memset(packet->data, (int)traffic.sent, packet->length);
    memcpy(packet->data, &traffic.sent, sizeof(traffic.sent));
    if (!ae_send(traffic.queue, &packet, 1)) {
        ae_packet_put(packet);
        return false;
    }
    traffic.sent++;
    return true;
}

static void send_frames(unsigned count)
{
    while (count--)
        assert_true(send_one());
}

static void collect_some(unsigned most)
{
    struct ae_packet *packet;
    uint32_t number;

    while (most-- && ae_receive(traffic.queue, &packet, 1)) {
        memcpy(&number, packet->data, sizeof(number));
        assert_true(number < traffic.sent);
        assert_int_equal(packet->length, 60 + number % 200);
        assert_int_equal(packet->data[packet->length - 1], number & 0xff);
        assert_int_equal(traffic.back[number]++, 0); /* none comes twice */
        if (traffic.in_order)
            assert_int_equal(number, traffic.received);
        traffic.received++;
        ae_packet_put(packet);
    }
}

static void collect(void)
{
    collect_some(UINT32_MAX);
}

static void turn_and_collect(void)
{
    turn_owner(ae_port_get_owner(traffic.port));
    collect();
}

static void collect_all(void)
{
    for (int64_t end = soon(); traffic.received < traffic.sent; collect())
        if (ae_now_ms() > end)
            fail_msg("%u frames of %u came back", traffic.received, traffic.sent);
}

static void wait_for_count(const atomic_uint *counter, unsigned count)
{
    for (int64_t end = soon(); *counter < count; usleep(100))
        if (ae_now_ms() > end)
            fail_msg("the back end counted %u of %u", *counter, count);
}

static void bring_link(bool up)
{
    for (int64_t end = soon(); link_is_up(traffic.port) != up; turn_and_collect())
        if (ae_now_ms() > end)
            fail_msg("the link did not go %s: %s", up ? "up" : "down",
                     ae_port_owner_trouble(ae_port_get_owner(traffic.port)));
}

/* Not looked at by the worker. */
static void lose_link(void)
{
    for (int64_t end = soon(); link_is_up(traffic.port);
         turn_owner(ae_port_get_owner(traffic.port)))
        assert_true(ae_now_ms() < end);
}

/* ---- It dies ---- */

/* Some frames are back and not received, some are held, some wait in the ring. */
static void die_with_all_kinds(struct back *back, bool shuffle)
{
    unsigned echoed = back->echoed, held = back->held;

    send_frames(5);
    wait_for_count(&back->echoed, echoed + 5);
    back->hold = 7;
    send_frames(7);
    wait_for_count(&back->held, held + 7);
    if (shuffle) {
        back->use_last = 2;
        wait_for_count(&back->echoed, echoed + 7);
    }
    back_be_quiet(back);
    send_frames(9);
    back->hang_up = true;
    lose_link();
    back->quiet = false;
}

/* The send ring is full, and the worker learns of the death from that. Some of what came before is
 * received while nobody is there, some later. */
static void die_with_a_full_ring(struct back *back)
{
    unsigned echoed = back->echoed, received = traffic.received;

    send_frames(5);
    wait_for_count(&back->echoed, echoed + 5);
    back_be_quiet(back);
    while (send_one())
        ;
    back->hang_up = true;
    lose_link();
    assert_false(send_one());
    assert_false(send_one());
    collect_some(2);
    assert_int_equal(traffic.received, received + 2);
    back->quiet = false;
    for (int64_t end = soon(); !link_is_up(traffic.port); send_one()) {
        turn_owner(ae_port_get_owner(traffic.port));
        assert_true(ae_now_ms() < end);
    }
}

static void die_while_using(struct back *back, enum tracker_death death)
{
    unsigned echoed = back->echoed;

    send_frames(5);
    wait_for_count(&back->echoed, echoed + 5);
    back->death = death;
    send_frames(8);
    lose_link();
}

static void die(struct back *back, unsigned how, bool shuffle)
{
    if (how % 4 == 0)
        die_with_all_kinds(back, shuffle);
    else if (how % 4 == 1)
        die_with_a_full_ring(back);
    else
        die_while_using(back, how % 4 == 2 ? TRACKER_DIES_EARLY : TRACKER_DIES_LATE);
}

static void exchange(unsigned count)
{
    for (unsigned done = 0; done < count; done += 16) {
        send_frames(count - done < 16 ? count - done : 16);
        collect_all();
    }
}

static void survive(const char *choices, unsigned before, unsigned deaths)
{
    bool in_order = !strstr(choices, "in_order=off");
    unsigned fds = 0;
    struct ae_port *port;
    unsigned long inode;
    struct back back;

    back_init(&back);
    back_track(&back);
    back_start(&back);
    port = open_port(&back, choices);
    begin(port, 0, in_order);
    assert_int_equal(back.buffers_given, 1);
    inode = back.buffer_inode;
    exchange(before);
    for (unsigned i = 0; i < deaths; i++) {
        die(&back, i, !in_order);
        bring_link(true);
        collect_all();
        assert_int_equal(back.buffer_inode, inode);
        assert_int_equal(back.buffers_set, 2 + i);
        if (i == 0)
            fds = count_fds();
    }
    exchange(200);
    assert_int_equal(count_fds(), fds);
    assert_int_equal(back.buffers_given, 1);
    assert_int_equal(back.connections, 1 + deaths);
    assert_int_equal(traffic.queue->counters->receive_bad_descriptors, 0);
    ae_port_close(port);
    back_stop(&back);
    assert_true(back.laid_out);
}

static void no_frame_is_lost_and_none_comes_twice(void **state)
{
    (void)state;
    survive("", 0, 24);
    survive(",packed=off", 0, 24);
    survive(",in_order=off", 0, 24);
    survive(",packed=off,in_order=off", 0, 24);
    survive(",mrg_rxbuf=on", 50, 4);
}

/* Indices of split rings run over 16 bits; places of packed ones over the ring, at each of its
 * ends. */
static void over_the_wrap(void **state)
{
    (void)state;
    survive(",packed=off", 65536 - 40, 4);
    survive(",packed=off,in_order=off", 65536 - 40, 4);
    for (unsigned before = 56; before < 66; before++) {
        survive("", before, 1);
        survive(",in_order=off", before, 1);
    }
}

static void all_pairs_go_on(void **state)
{
    struct ae_port_options two = options;
    struct ae_port *port;
    struct ae_error err;
    struct back back;

    (void)state;
    two.queues = 2;
    two.send_ring = 128;
    back_init(&back);
    back.queues = 2;
    back_track(&back);
    back_start(&back);
    if (ae_port_open(&port, spec_of(&back, ""), &two, &err))
        fail_msg("%s", err.text);
    assert_int_equal(back.vrings_told, 4);
    assert_int_equal(back.size_told, 128);
    for (unsigned i = 0; i < 8; i++) {
        struct ae_packet *packet;

        begin(port, i % 2, true);
        exchange(30);
        back.hold = 3;
        send_frames(3);
        wait_for_count(&back.held, 3 * (i + 1));
        back.hang_up = true;
        lose_link();
        /* The other worker polls as well. */
        for (int64_t end = soon(); !link_is_up(port) || back.enabled_pairs < 2;) {
            assert_true(ae_now_ms() < end);
            turn_and_collect();
            assert_int_equal(ae_receive(ae_port_queue(port, (i + 1) % 2), &packet, 1), 0);
        }
        collect_all();
        assert_int_equal(back.buffers_set, 2 + i);
    }
    assert_int_equal(back.buffers_given, 1);
    ae_port_close(port);
    back_stop(&back);
    assert_true(back.laid_out);
}

/* ---- Rings begin anew ---- */

static void a_new_worker_has_a_new_buffer(void **state)
{
    struct ae_port_handoff handoff;
    struct ae_port_owner *owner;
    unsigned long inode = 0;
    struct ae_link link;
    struct ae_error err;
    struct back back;

    (void)state;
    back_init(&back);
    back_track(&back);
    back_start(&back);
    if (ae_port_owner_open(&owner, spec_of(&back, ""), &options, &err))
        fail_msg("%s", err.text);
    for (unsigned i = 0; i < 6; i++) {
        struct ae_port *port;

        assert_int_equal(ae_port_owner_get_handoff(owner, 0, 1, &handoff), 0);
        assert_int_equal(ae_port_attach(&port, &handoff, &err), 0);
        begin(port, 0, true);
        for (int64_t end = soon(); ae_port_owner_get_link(owner, &link), !link.up; collect()) {
            turn_owner(owner);
            assert_true(ae_now_ms() < end);
        }
        assert_int_not_equal(back.buffer_inode, inode);
        inode = back.buffer_inode;
        exchange(50);
        back.hold = 3;
        send_frames(3);
        wait_for_count(&back.held, 3 * (i + 1));
        if (i % 2) { /* the back end dies too, before or after */
            back.hang_up = true;
            do
                turn_owner(owner);
            while (ae_port_owner_get_link(owner, &link), link.up);
        }
        ae_port_close(port);
        back.hold = 0;
        assert_int_equal(ae_port_owner_restart(owner, &err), 0);
    }
    ae_port_owner_close(owner);
    back_stop(&back);
    assert_true(back.laid_out);
}

static void a_broken_ring_is_not_gone_on_with(void **state)
{
    static const char *const choices[] = {",packed=off", ""};
    struct ae_port *port;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct back back;

        back_init(&back);
        back_track(&back);
        back_start(&back);
        port = open_port(&back, choices[i / 2]);
        begin(port, 0, true);
        exchange(10);
        back_be_quiet(&back);
        if (i % 2) { /* it spoils the ring before it goes: found when it is back */
            back.hang_up = true;
            lose_link();
        }
        if (i < 2) {
            struct virtq_used *used =
                (void *)((uint8_t *)ae_memory_base(ae_port_get_owner(port)->memory) +
                         ae_virtio_ring_layout(64, false).device);

            __atomic_fetch_add(&used->idx, 1000, __ATOMIC_RELEASE);
        } else {
            struct pvirtq_desc *ring = ae_memory_base(ae_port_get_owner(port)->memory);

            ring[10].id = 63; /* a batch longer than what it has, or none of its: in order */
            ring[10].len = 72;
            ring[10].id = 9;
            __atomic_fetch_or(&ring[10].flags, VIRTQ_DESC_F_USED, __ATOMIC_RELEASE);
        }
        for (int64_t end = soon(); back.buffers_given < 2; turn_and_collect())
            assert_true(ae_now_ms() < end);
        back.quiet = false;
        bring_link(true);
        exchange(100);
        assert_int_equal(back.buffers_given, 2);
        assert_int_equal(traffic.queue->counters->receive_bad_descriptors, 1);
        ae_port_close(port);
        back_stop(&back);
        assert_true(back.laid_out);
    }
}

/* One that no longer tracks, then one that does, with a worker that sleeps through both or does
 * not. */
static void one_that_does_not_track_gets_new_rings(void **state)
{
    struct ae_port *port;
    struct back back;

    (void)state;
    for (unsigned sleeps = 0; sleeps < 2; sleeps++) {
        back_init(&back);
        back_track(&back);
        back_start(&back);
        port = open_port(&back, "");
        begin(port, 0, false);
        exchange(10);
        die_with_all_kinds(&back, false);
        back.sin = BACK_DIES; /* until it is another one */
        back.sin_at = 1;
        back.sin_times = 1000000;
        if (!sleeps) {
            for (unsigned i = 0; i < 20; i++)
                turn_and_collect();
            assert_int_equal(traffic.received, 15); /* what was used came, and the link is down */
        }
        back_stop(&back);
        back.sin = BACK_GOOD;
        back.protocol &= ~INFLIGHT_BIT;
        back.connections = back.heard = 0;
        back_start(&back);
        for (int64_t end = soon(); !sleeps && !link_is_up(port); turn_and_collect())
            assert_true(ae_now_ms() < end);
        /* The worker may sleep, but the back end knows the memory by its twelfth message. */
        for (int64_t end = soon(); back.heard < 12; turn_owner(ae_port_get_owner(port)))
            assert_true(ae_now_ms() < end);
        for (unsigned i = 0; i < 20; i++)
            turn_owner(ae_port_get_owner(port));
        if (!sleeps) {
            assert_int_equal(ae_pool_available(traffic.queue->pool), 128);
            begin(port, 0, true);
            exchange(10);
        }
        back_stop(&back);
        back_track(&back);
        back_start(&back);
        for (int64_t end = soon(); back.buffers_given < 2; turn_owner(ae_port_get_owner(port)))
            assert_true(ae_now_ms() < end);
        collect();
        assert_int_equal(traffic.received, sleeps ? 15 : 10); /* what it slept over is good */
        begin(port, 0, true);
        bring_link(true);
        exchange(100);
        ae_port_close(port);
        back_stop(&back);
        assert_true(back.laid_out);
    }
}

/* Which message of a connection SET_INFLIGHT_FD is, from 1. */
static unsigned place_of_set(const struct back *back)
{
    unsigned at = 0;

    while (back->order[at++] != VHOST_USER_SET_INFLIGHT_FD)
        assert_true(at < 64);
    return at;
}

static void a_return_that_fails_is_given_up(void **state)
{
    struct ae_port *port;
    struct back back;

    (void)state;
    for (unsigned times = 2; times <= 3; times++) {
        back_init(&back);
        back_track(&back);
        back_start(&back);
        port = open_port(&back, "");
        begin(port, 0, true);
        exchange(10);
        back.sin = times == 2 ? BACK_REFUSES : BACK_DIES;
        back.sin_at = place_of_set(&back) - 1; /* which is without GET_INFLIGHT_FD before it */
        back.sin_times = times;
        back.hold = 3;
        send_frames(3);
        wait_for_count(&back.held, 3);
        back.hang_up = true;
        lose_link();
        if (times == 2) {
            bring_link(true);
            collect_all(); /* the third attempt went well */
        } else {
            bring_link(true);
            begin(port, 0, true);
        }
        exchange(10);
        assert_int_equal(back.buffers_given, times == 2 ? 1 : 2);
        ae_port_close(port);
        back_stop(&back);
        assert_true(back.laid_out);
    }
}

/* ---- Buffers that are none ---- */

static void a_bad_buffer_is_refused(void **state)
{
    static const char *const said[BACK_BUFFERS] = {
        [BACK_NO_FD] = "no descriptor came",
        [BACK_TWO_FDS] = "with 2 descriptors",
        [BACK_EMPTY] = "0 bytes at 0",
        [BACK_HUGE] = "cannot be: 4096 bytes at 18446744073709547520",
        [BACK_BEYOND] = "its file has",
        [BACK_NO_FILE] = "is not a file in memory",
    };

    (void)state;
    for (enum back_buffer kind = BACK_NO_FD; kind < BACK_BUFFERS; kind++) {
        unsigned before = count_fds();
        struct ae_error err = {0};
        struct ae_port *port;
        struct back back;

        back_init(&back);
        back_track(&back);
        back.buffer_kind = kind;
        back_start(&back);
        assert_int_equal(ae_port_open(&port, spec_of(&back, ""), &options, &err), -EPROTO);
        if (!strstr(err.text, said[kind]))
            fail_msg("'%s' does not say '%s'", err.text, said[kind]);
        back_stop(&back);
        assert_int_equal(count_fds(), before);
    }
}

/* When it returns with one: as often as it likes, and nothing is left open. */
static void a_bad_buffer_later(void **state)
{
    struct ae_port *port;
    unsigned fds;
    struct back back;

    (void)state;
    back_init(&back);
    back_start(&back);
    port = open_port(&back, "");
    begin(port, 0, true);
    exchange(10);
    back_stop(&back);
    bring_link(false);
    fds = count_fds();
    back_track(&back);
    for (enum back_buffer kind = BACK_NO_FD; kind < BACK_BUFFERS; kind++) {
        back.buffer_kind = kind;
        back.buffers_given = 0;
        back_start(&back);
        for (int64_t end = soon(); back.buffers_given < 2; turn_and_collect())
            assert_true(ae_now_ms() < end);
        back_stop(&back);
        /* When its end is seen, and by which turn, nobody says. */
        for (int64_t end = soon(); count_fds() != fds; turn_and_collect())
            assert_true(ae_now_ms() < end);
        assert_false(link_is_up(port));
    }
    back.buffer_kind = BACK_BUFFER;
    back_start(&back);
    bring_link(true);
    exchange(10);
    ae_port_close(port);
    back_stop(&back);
    assert_true(back.laid_out);
}

static int set_up(void **state)
{
    (void)state;
    return ae_clock_calibrate(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_frame_is_lost_and_none_comes_twice),
        cmocka_unit_test(over_the_wrap),
        cmocka_unit_test(all_pairs_go_on),
        cmocka_unit_test(a_new_worker_has_a_new_buffer),
        cmocka_unit_test(a_broken_ring_is_not_gone_on_with),
        cmocka_unit_test(one_that_does_not_track_gets_new_rings),
        cmocka_unit_test(a_return_that_fails_is_given_up),
        cmocka_unit_test(a_bad_buffer_is_refused),
        cmocka_unit_test(a_bad_buffer_later),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
