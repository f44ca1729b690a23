/* SPDX-License-Identifier: Apache-2.0 */

/* What a worker mirrors of its ports, and what a reader makes of that. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <aether/clock.h>
#include <aether/owner.h>

#include "chains.h"
#include "port/port.h"
#include "worker/mirror.h"
#include "worker/shared.h"

#define SLOTS 64
#define MTU   "9000"

static struct ae_worker *worker;
static struct ae_port *far_port;
static struct ae_queue *near, *far;
static void *memory;
static size_t size;
static struct ae_mirror_reader reader;

static struct ae_port *open_port(void)
{
    const struct ae_port_options options = {.packets = 256};
    struct ae_port *port;
    struct ae_error err;

    if (ae_port_open(&port, "pair:mirrored,mtu=" MTU, &options, &err))
        fail_msg("%s", err.text);
    return port;
}

static int begin(void **state)
{
    struct ae_error err;

    (void)state;
    srand(1);
    assert_int_equal(ae_worker_start(&worker, &err), 0);
    worker->ports[0] = open_port();
    worker->port_count = 1;
    far_port = open_port();
    near = ae_port_queue(worker->ports[0], 0);
    far = ae_port_queue(far_port, 0);
    size = ae_broadcast_size(SLOTS, AE_MIRROR_SLOT);
    memory = aligned_alloc(128, (size + 127) / 128 * 128);
    assert_int_equal(ae_broadcast_create(memory, SLOTS, AE_MIRROR_SLOT, &err), 0);
    assert_int_equal(ae_mirror_open(worker, memory, size, &err), 0);
    assert_int_equal(ae_mirror_open_reader(&reader, memory, size, false, &err), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    ae_worker_finish(worker);
    ae_port_close(far_port);
    free(memory);
    return 0;
}

static void ask(uint32_t most)
{
    worker->shared->capture[0] = most;
    worker->shared->head.asked = most ? AE_WORKER_CAPTURE : 0;
    assert_true(ae_worker_running(worker));
}

static void move(struct ae_queue *from, struct ae_queue *to, uint32_t number, uint32_t length,
                 uint32_t segments)
{
    struct ae_packet *packet = chain_make(from->pool, number, length, segments), *got;

    assert_non_null(packet);
    assert_int_equal(ae_send(from, &packet, 1), 1);
    assert_int_equal(ae_receive(to, &got, 1), 1);
    chain_check(got, to->pool, number, length);
    ae_packet_put(got);
}

static void expect(uint32_t number, uint32_t length, uint32_t kept, bool sent)
{
    struct ae_mirror_frame frame;

    assert_true(ae_mirror_read(&reader, &frame));
    assert_int_equal(frame.length, length);
    assert_int_equal(frame.kept, kept);
    assert_int_equal(frame.sent, sent);
    assert_int_equal(frame.port, 0);
    assert_int_equal(frame.queue, 0);
    assert_true(frame.ticks <= ae_clock_ticks());
    for (uint32_t i = 0; i < kept; i++)
        assert_int_equal(frame.bytes[i], chain_byte(number, i));
}

static void expect_nothing(void)
{
    struct ae_mirror_frame frame;

    assert_false(ae_mirror_read(&reader, &frame));
}

/* ---- What is mirrored ---- */

static void nothing_is_unless_it_is_asked_for(void **state)
{
    uint16_t (*receive)(struct ae_queue *, struct ae_packet **, uint16_t) = near->receive;
    uint16_t (*send)(struct ae_queue *, struct ae_packet **, uint16_t) = near->send;

    (void)state;
    move(near, far, 1, 60, 1);
    assert_ptr_equal(near->receive, receive);
    ask(64);
    assert_ptr_not_equal(near->receive, receive);
    assert_ptr_not_equal(near->send, send);
    move(near, far, 2, 60, 1);
    expect(2, 60, 60, true);
    ask(0);
    move(near, far, 3, 60, 1);
    move(far, near, 4, 60, 1);
    assert_ptr_equal(near->receive, receive);
    assert_ptr_equal(near->send, send);
    expect_nothing();
}

static void frames_of_any_length_go_both_ways(void **state)
{
    (void)state;
    ask(300);
    for (uint32_t length = 14; length < 9000; length += 431) {
        move(near, far, length, length, 16);
        expect(length, length, length < 300 ? length : 300, true);
        move(far, near, length + 1, length, 16);
        expect(length + 1, length, length < 300 ? length : 300, false);
    }
    ask(UINT32_MAX);
    move(near, far, 7, 9000, 16);
    expect(7, 9000, 9000, true);
    expect_nothing();
    assert_int_equal(reader.lost + reader.broken, 0);
}

/* Chains between packets that are a frame each, in one burst. */
static void a_burst_of_both_kinds_is_mirrored_in_order(void **state)
{
    struct ae_packet *packets[16], *got[16];

    (void)state;
    ask(100);
    for (uint32_t i = 0; i < 16; i++)
        packets[i] = chain_make(near->pool, i, 200 + i, i % 3 == 1 ? 4 : 1);
    assert_int_equal(ae_send(near, packets, 16), 16);
    assert_int_equal(ae_receive(far, got, 16), 16);
    ae_packet_put_burst(got, 16);
    for (uint32_t i = 0; i < 16; i++)
        expect(i, 200 + i, 100, true);
    expect_nothing();
}

static void what_the_driver_refused_was_not_sent(void **state)
{
    struct ae_packet *packets[4];

    (void)state;
    ask(100);
    for (uint32_t i = 0; i < 4; i++)
        packets[i] = chain_make(near->pool, i, 60, 1);
    packets[2]->length = 3;
    assert_int_equal(ae_send(near, packets, 4), 2);
    assert_int_equal(near->refusal, AE_REFUSAL_LENGTH);
    expect(0, 60, 60, true);
    expect(1, 60, 60, true);
    packets[2]->length = 60;
    packets[2]->more = 3; /* no chain: what it says is behind it is not there */
    packets[2]->next = NULL;
    assert_int_equal(ae_send(near, packets + 2, 1), 0);
    assert_int_equal(near->refusal, AE_REFUSAL_SEGMENTS);
    expect_nothing();
    packets[2]->more = 0;
    ae_packet_put_burst(packets + 2, 2);
}

static uint16_t receive_nothing(struct ae_queue *queue, struct ae_packet **packets, uint16_t count)
{
    (void)queue;
    (void)packets;
    (void)count;
    return 0;
}

static uint16_t (*plain_receive)(struct ae_queue *, struct ae_packet **, uint16_t);
static uint16_t (*plain_send)(struct ae_queue *, struct ae_packet **, uint16_t);

static uint16_t receive_anew(struct ae_queue *queue, struct ae_packet **packets, uint16_t count)
{
    queue->receive = plain_receive;
    queue->send = plain_send;
    return queue->receive(queue, packets, count);
}

/* A peer that comes has them do so in a call. */
static void a_driver_may_do_so_at_any_time(void **state)
{
    struct ae_packet *packet;

    (void)state;
    plain_receive = near->receive;
    plain_send = near->send;
    near->receive = receive_anew;
    ask(100);
    assert_int_equal(ae_receive(near, &packet, 1), 0);
    move(near, far, 1, 60, 1);
    expect(1, 60, 60, true);
    move(far, near, 2, 60, 1);
    expect(2, 60, 60, false);
    expect_nothing();
}

/* A peer that goes away and comes has drivers set other functions. */
static void a_driver_may_set_its_functions_anew(void **state)
{
    uint16_t (*receive)(struct ae_queue *, struct ae_packet **, uint16_t) = near->receive;
    struct ae_packet *packet;

    (void)state;
    ask(100);
    near->receive = receive_nothing;
    ask(100);
    assert_ptr_not_equal(near->receive, receive_nothing);
    assert_int_equal(ae_receive(near, &packet, 1), 0);
    near->receive = receive;
    ask(100);
    move(far, near, 1, 60, 1);
    expect(1, 60, 60, false);
    near->receive = receive_nothing;
    ask(0);
    move(near, far, 2, 60, 1); /* takes the tap out */
    assert_ptr_equal(near->receive, receive_nothing);
    near->receive = receive;
    expect_nothing();
}

/* ---- What is lost ---- */

static void a_slow_reader_is_told_how_many_it_missed(void **state)
{
    struct ae_mirror_frame frame;
    uint64_t read = 0;

    (void)state;
    ask(1000); /* four messages */
    for (uint32_t i = 0; i < 10 * SLOTS; i++)
        move(near, far, i, 1000, 1);
    while (ae_mirror_read(&reader, &frame)) {
        assert_int_equal(frame.bytes[999], chain_byte(reader.next - 1, 999));
        read++;
    }
    assert_true(read > 0 && read <= SLOTS / 4);
    assert_int_equal(read + reader.lost, 10 * SLOTS);
    assert_int_equal(reader.broken, 0);
}

static void who_comes_later_begins_where_it_is(void **state)
{
    struct ae_error err;

    (void)state;
    ask(1000);
    for (uint32_t i = 0; i < SLOTS; i++)
        move(near, far, i, 100, 1);
    assert_int_equal(ae_mirror_open_reader(&reader, memory, size, false, &err), 0);
    for (uint32_t i = 0; i < 2 * SLOTS; i++)
        move(near, far, i, 100, 1);
    for (uint32_t i = 0; i < 3 * SLOTS / 4 - 1; i++) {
        struct ae_mirror_frame frame;

        assert_true(ae_mirror_read(&reader, &frame));
    }
    assert_true(reader.lost >= SLOTS);
    while (reader.messages.next < reader.messages.shared->head)
        expect((uint32_t)(reader.next - SLOTS), 100, 100, true);
    expect_nothing();
    assert_int_equal(reader.next, 3 * SLOTS);
}

/* ---- What a hostile worker writes ---- */

static const struct ae_mirror_record sound = {.length = 700, .kept = 600, .at = 0};

static void write_record(struct ae_mirror_record record, uint32_t bytes)
{
    struct ae_broadcast_writer writer;

    assert_int_equal(ae_broadcast_open_writer(&writer, memory, size, NULL), 0);
    assert_true(ae_broadcast_put(&writer, &record,
                                 (uint32_t)offsetof(struct ae_mirror_record, bytes) + bytes));
}

static void a_record_that_cannot_be_is_counted(void **state)
{
    struct ae_mirror_record record;

    (void)state;
    for (unsigned wrong = 0; wrong < 7; wrong++) {
        record = sound;
        if (wrong == 0)
            record.kept = 0;
        if (wrong == 1)
            record.kept = 701;
        if (wrong == 2)
            record.length = UINT32_MAX;
        if (wrong == 3)
            record.at = 600;
        if (wrong == 4)
            record.at = 500; /* and 280 bytes */
        if (wrong == 5)
            record.at = 60000;
        if (wrong == 6)
            record.sent = 2;
        write_record(record, AE_MIRROR_BYTES);
        expect_nothing();
        assert_int_equal(reader.broken, wrong + 1);
    }
    write_record(sound, 0);
    expect_nothing();
    assert_int_equal(reader.broken, 8);
}

/* The rest of another frame, of one that was skipped, and again what was there. */
static void a_frame_is_whole_or_lost(void **state)
{
    struct ae_mirror_record record = sound;
    struct ae_mirror_frame frame;

    (void)state;
    write_record(record, 280);
    record.at = 300;
    write_record(record, 280);
    record.number = 1;
    record.at = 280;
    write_record(record, 280);
    expect_nothing();
    record.number = 5;
    record.at = 0;
    write_record(record, 280);
    expect_nothing();
    assert_int_equal(reader.lost, 5);
    record.at = 280;
    write_record(record, 280);
    record.at = 560;
    write_record(record, 40);
    assert_true(ae_mirror_read(&reader, &frame));
    assert_int_equal(frame.kept, 600);
    record.number = 3;
    record.kept = 10;
    record.at = 0;
    write_record(record, 10);
    assert_true(ae_mirror_read(&reader, &frame));
    assert_int_equal(reader.broken, 1);
}

static void what_is_no_mirror_is_not_opened(void **state)
{
    struct ae_error err;

    (void)state;
    assert_int_equal(ae_broadcast_create(memory, SLOTS, 256, &err), 0);
    assert_int_equal(ae_mirror_open_reader(&reader, memory, size, false, &err), -EPROTO);
    assert_int_equal(ae_mirror_open(worker, memory, size, &err), -EPROTO);
    memset(memory, 0, size);
    assert_int_equal(ae_mirror_open_reader(&reader, memory, size, false, &err), -EPROTO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_unless_it_is_asked_for),
        TEST(frames_of_any_length_go_both_ways),
        TEST(a_burst_of_both_kinds_is_mirrored_in_order),
        TEST(what_the_driver_refused_was_not_sent),
        TEST(a_driver_may_set_its_functions_anew),
        TEST(a_driver_may_do_so_at_any_time),
        TEST(a_slow_reader_is_told_how_many_it_missed),
        TEST(who_comes_later_begins_where_it_is),
        TEST(a_record_that_cannot_be_is_counted),
        TEST(a_frame_is_whole_or_lost),
        TEST(what_is_no_mirror_is_not_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
