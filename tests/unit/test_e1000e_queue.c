/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chains.h"
#include "fake_card.h"
#include "frame.h"
#include "port/sendable.h"
#include "sendable.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RING         32
#define PACKETS      80
#define FREE         (PACKETS - (RING - 1)) /* when the receive ring is full: one slot is empty */
#define LEGAL        1518                   /* with a VLAN tag */
#define LONGEST      9230                   /* of MTU 9212 */
#define PIECE        1024                   /* by RCTL.BSIZE, where frames are that long */

static struct fake_card card;
static const struct ae_queue_counters *counters;
static uint8_t pattern[4096];
static struct ae_packet *packets[PACKETS];

static int begin(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)(i * 31 + (i >> 8) + 5);
    fake_card_make(&card, RING, RING, PACKETS);
    fake_card_attach(&card);
    counters = card.queue->counters;
    return 0;
}

static int begin_jumbo(void **state)
{
    (void)state;
    fake_card_make(&card, RING, RING, PACKETS);
    card.handoff.info.mtu = LONGEST - 18;
    fake_card_attach(&card);
    counters = card.queue->counters;
    return 0;
}

static int begin_wide(void **state)
{
    (void)state;
    fake_card_make(&card, RING, 256, 400);
    fake_card_attach(&card);
    counters = card.queue->counters;
    return 0;
}

static int end(void **state)
{
    uint64_t misuse = card.queue->pool->misuse;

    (void)state;
    fake_card_detach(&card);
    fake_card_destroy(&card);
    return misuse ? -1 : 0;
}

static void put_all(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        ae_packet_put(packets[i]);
}

static bool deliver(uint32_t length)
{
    return fake_card_deliver(&card, pattern + length % 97, length, RXD_EOP);
}

/* One frame is delivered, and the port gives it unchanged. */
static void assert_receives(uint32_t length)
{
    assert_true(deliver(length));
    assert_int_equal(ae_receive(card.queue, packets, 8), 1);
    assert_int_equal(packets[0]->length, length);
    assert_memory_equal(packets[0]->data, pattern + length % 97, length);
    ae_packet_put(packets[0]);
}

/* ---- Receive ---- */

static void the_ring_is_filled_when_attached(void **state)
{
    (void)state;
    assert_int_equal(fake_card_get(&card, RDT), RING - 1);
    assert_int_equal(fake_card_get(&card, TDT), 0);
    assert_int_equal(ae_pool_available(card.queue->pool), FREE);
    for (unsigned i = 0; i < RING - 1; i++) {
        uint64_t offset = card.receive[i].read.buffer_address - FAKE_DOMAIN;

        assert_int_equal(card.receive[i].read.reserved, 0);
        assert_true(offset >= AE_PACKET_HEADROOM);
        assert_true(offset + 1522 <= card.buffers_size);
        for (unsigned j = 0; j < i; j++)
            assert_true(card.receive[i].read.buffer_address != card.receive[j].read.buffer_address);
    }
}

static void every_length_is_received(void **state)
{
    (void)state;
    for (uint32_t length = 14; length <= LEGAL; length++)
        assert_receives(length);
    assert_int_equal(counters->received_frames, LEGAL - 13);
    assert_int_equal(counters->received_bytes, (LEGAL + 14) * (LEGAL - 13) / 2);
    assert_true(fake_card_room(&card) > RING / 2);
}

/* The frame first: descriptors are refilled when there is none, several at a time; or when there
 * are few left. */
static void refilling_waits_for_an_idle_moment(void **state)
{
    uint32_t tail = fake_card_get(&card, RDT);

    (void)state;
    for (unsigned i = 0; i < RING / 2 - 1; i++) {
        deliver(60);
        assert_int_equal(ae_receive(card.queue, packets, 1), 1);
        ae_packet_put(packets[0]);
        assert_int_equal(fake_card_get(&card, RDT), tail);
    }
    assert_int_equal(ae_receive(card.queue, packets, 1), 0);
    assert_int_equal(fake_card_room(&card), RING - 1);
    assert_receives(60);
    assert_int_equal(ae_receive(card.queue, packets, 1), 0);
    assert_int_equal(fake_card_room(&card), RING - 2);
    for (unsigned i = 0; i < 10 * RING; i++) {
        assert_receives(60 + i);
        assert_true(fake_card_room(&card) >= RING / 2 - 2);
    }
}

static void bursts_of_every_size_go_around(void **state)
{
    uint32_t sent = 0, got = 0;

    (void)state;
    for (unsigned burst = 1; burst < RING; burst++) {
        uint16_t count;

        for (unsigned i = 0; i < burst; i++)
            assert_true(deliver(60 + sent++ % 1000));
        count = ae_receive(card.queue, packets, (uint16_t)burst);
        assert_int_equal(count, burst);
        for (unsigned i = 0; i < count; i++, got++) {
            uint32_t length = 60 + got % 1000;

            assert_int_equal(packets[i]->length, length);
            assert_memory_equal(packets[i]->data, pattern + length % 97, length);
        }
        put_all(count);
        assert_int_equal(ae_receive(card.queue, packets, 8), 0);
    }
}

static void no_more_than_asked_for_is_given(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++)
        deliver(100 + i);
    assert_int_equal(ae_receive(card.queue, packets, 0), 0);
    assert_int_equal(ae_receive(card.queue, packets, 4), 4);
    assert_int_equal(ae_receive(card.queue, packets + 4, 20), 6);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(packets[i]->length, 100 + i);
    put_all(10);
}

static void impossible_lengths_are_dropped(void **state)
{
    uint64_t bad = 0;

    (void)state;
    for (uint32_t length = 0; length <= 0xffff; length++) {
        if (length >= 14 && length <= LEGAL)
            continue;
        assert_true(fake_card_deliver(&card, NULL, length, RXD_EOP));
        assert_int_equal(ae_receive(card.queue, packets, 8), 0);
        bad++;
    }
    assert_int_equal(counters->receive_bad_descriptors, bad);
    assert_int_equal(counters->received_frames, 0);
    assert_int_equal(ae_pool_available(card.queue->pool) + fake_card_room(&card), PACKETS);
    assert_receives(1514);
}

static void frames_with_errors_are_dropped(void **state)
{
    static const uint32_t errors[] = {RXD_CE, RXD_SE, RXD_SEQ, RXD_CXE, RXD_RXE};

    (void)state;
    for (size_t i = 0; i < COUNT(errors); i++) {
        assert_true(fake_card_deliver(&card, pattern, 100, RXD_EOP | errors[i]));
        assert_int_equal(ae_receive(card.queue, packets, 8), 0);
        assert_int_equal(counters->receive_errors, i + 1);
        assert_receives(100);
    }
}

static void checksum_verdicts_are_passed_on(void **state)
{
    static const struct {
        uint32_t status, flags;
    } cases[] = {
        {0, 0},
        {RXD_IPCS, AE_PACKET_IPV4_GOOD},
        {RXD_IPCS | RXD_IPE, AE_PACKET_IPV4_BAD},
        {RXD_IPE, 0}, /* did not look */
        {RXD_L4E, 0},
        {RXD_L4CS, AE_PACKET_L4_GOOD},
        {RXD_UDPCS | RXD_L4E, AE_PACKET_L4_BAD},
        {RXD_IPCS | RXD_L4CS | RXD_L4E, AE_PACKET_IPV4_GOOD | AE_PACKET_L4_BAD},
        {RXD_IXSM | RXD_IPCS | RXD_L4CS, 0}, /* to be ignored */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        fake_card_deliver(&card, pattern, 100, RXD_EOP | cases[i].status);
        assert_int_equal(ae_receive(card.queue, packets, 8), 1);
        assert_int_equal(packets[0]->flags, cases[i].flags);
        ae_packet_put(packets[0]);
    }
}

/* A frame over several descriptors is too long for this port: dropped as a whole, counted once. */
static void a_frame_in_pieces_is_dropped_whole(void **state)
{
    (void)state;
    for (unsigned pieces = 2; pieces < 8; pieces++) {
        for (unsigned i = 0; i < pieces; i++)
            fake_card_deliver(&card, pattern, i + 1 < pieces ? 2048 : 100,
                              i + 1 < pieces ? 0 : RXD_EOP);
        deliver(200);
        assert_int_equal(ae_receive(card.queue, packets, 8), 1);
        assert_int_equal(packets[0]->length, 200);
        ae_packet_put(packets[0]);
        assert_int_equal(counters->receive_errors, pieces - 1);
    }
    /* Its pieces may be seen in several rounds. */
    fake_card_deliver(&card, pattern, 2048, 0);
    assert_int_equal(ae_receive(card.queue, packets, 8), 0);
    fake_card_deliver(&card, pattern, 2048, 0);
    assert_int_equal(ae_receive(card.queue, packets, 8), 0);
    fake_card_deliver(&card, pattern, 60, RXD_EOP | RXD_CE);
    assert_int_equal(ae_receive(card.queue, packets, 8), 0);
    assert_int_equal(counters->receive_errors, 7);
    assert_receives(60);
}

/* As the card writes it: by whole buffers, what it says about the frame in the last one. */
static void deliver_long(uint32_t number, uint32_t length, uint32_t status)
{
    uint8_t bytes[PIECE];

    for (uint32_t at = 0; at < length; at += PIECE) {
        uint32_t here = length - at < PIECE ? length - at : PIECE;

        for (uint32_t i = 0; i < here; i++)
            bytes[i] = chain_byte(number, at + i);
        assert_true(
            fake_card_deliver(&card, bytes, here, at + here == length ? RXD_EOP | status : 0));
    }
}

static void long_frames_are_chains(void **state)
{
    uint64_t bytes = 0;

    (void)state;
    for (uint32_t number = 0; number < 2000; number++) {
        uint32_t length = 14 + (uint32_t)rand() % (LONGEST - 13);

        deliver_long(number, length, RXD_L4CS);
        deliver_long(number + 1, 14 + number % 50, 0);
        assert_int_equal(ae_receive(card.queue, packets, 1), 1);
        chain_check(packets[0], card.queue->pool, number, length);
        assert_int_equal(packets[0]->more, (length - 1) / PIECE);
        assert_int_equal(packets[0]->flags, AE_PACKET_L4_GOOD);
        assert_int_equal(ae_receive(card.queue, packets + 1, 1), 1);
        chain_check(packets[1], card.queue->pool, number + 1, 14 + number % 50);
        assert_int_equal(packets[1]->flags, 0);
        bytes += length + 14 + number % 50;
        put_all(2);
        ae_receive(card.queue, packets, 1); /* an idle moment */
        assert_int_equal(ae_pool_available(card.queue->pool) + fake_card_room(&card), PACKETS);
    }
    assert_int_equal(counters->received_frames, 4000);
    assert_int_equal(counters->received_bytes, bytes);
    assert_int_equal(counters->receive_errors + counters->receive_bad_descriptors, 0);
}

/* It is the caller's when its last part is there, however long that takes. */
static void parts_may_be_seen_one_by_one(void **state)
{
    uint8_t bytes[PIECE];

    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        for (uint32_t j = 0; j < PIECE; j++)
            bytes[j] = chain_byte(7, i * PIECE + j);
        fake_card_deliver(&card, bytes, i < 4 ? PIECE : 1, i < 4 ? 0 : RXD_EOP);
        assert_int_equal(ae_receive(card.queue, packets, 8), i == 4);
    }
    chain_check(packets[0], card.queue->pool, 7, 4 * PIECE + 1);
    put_all(1);
}

/* What cannot be a frame is dropped to its end, and what is behind it is received. */
static void impossible_chains_are_dropped_whole(void **state)
{
    static const struct {
        uint32_t lengths[12];
        uint32_t status;
    } cases[] = {
        {{1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 15}, RXD_EOP}, /* too long */
        {{1024, 1024, 100}, RXD_EOP | RXD_CE},
        {{1024, 0xffff, 100}, RXD_EOP},
        {{13, 1024}, RXD_EOP}, /* no header in the first */
        {{1024, 1024, 0xffff}, RXD_EOP},
    };
    uint64_t errors = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const uint32_t *lengths = cases[i].lengths;

        for (unsigned j = 0; lengths[j]; j++)
            fake_card_deliver(&card, NULL, lengths[j], lengths[j + 1] ? 0 : cases[i].status);
        deliver_long(3, 2000, 0);
        while (ae_receive(card.queue, packets, 8) != 1)
            ;
        chain_check(packets[0], card.queue->pool, 3, 2000);
        put_all(1);
        assert_int_equal(counters->receive_errors, ++errors);
        ae_receive(card.queue, packets, 1);
        assert_int_equal(ae_pool_available(card.queue->pool) + fake_card_room(&card), PACKETS);
    }
    for (unsigned i = 0; i < 17; i++) /* more parts than any frame has */
        fake_card_deliver(&card, NULL, 100, i < 16 ? 0 : RXD_EOP);
    fake_card_deliver(&card, NULL, 1024, 0);
    fake_card_deliver(&card, NULL, 0, RXD_EOP); /* nothing in the last */
    assert_int_equal(ae_receive(card.queue, packets, 8), 0);
    assert_int_equal(counters->receive_errors, errors + 2);
    assert_int_equal(counters->receive_bad_descriptors, 0);
}

/* What the ring holds is received; then the card has nowhere to put frames. Each descriptor without
 * a packet is counted once. */
static void without_free_packets_the_ring_runs_dry(void **state)
{
    unsigned held = 0;

    (void)state;
    while (ae_pool_available(card.queue->pool))
        packets[held++] = ae_packet_get(card.queue->pool);
    for (; deliver(100); held++)
        assert_int_equal(ae_receive(card.queue, packets + held, 8), 1);
    assert_int_equal(held, PACKETS);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(ae_receive(card.queue, packets, 8), 0);
    assert_int_equal(counters->receive_no_buffer, RING - 1);
    ae_packet_put(packets[--held]);
    assert_int_equal(ae_receive(card.queue, packets + held, 8), 0);
    assert_int_equal(fake_card_room(&card), 1);
    put_all(held);
    assert_receives(300);
    assert_int_equal(ae_receive(card.queue, packets, 8), 0);
    assert_true(fake_card_room(&card) >= RING - 2);
    assert_int_equal(counters->receive_no_buffer, RING - 1);
}

static void a_card_that_marks_everything_done_keeps_nobody(void **state)
{
    struct ae_packet *many[2 * RING];
    uint16_t got;

    (void)state;
    memset(card.receive, 0xff, RING * sizeof(card.receive[0]));
    got = ae_receive(card.queue, many, 2 * RING);
    assert_int_equal(got, 0);
    for (unsigned i = 0; i < RING; i++)
        card.receive[i].write_back.status_error = RXD_DD | RXD_EOP;
    for (unsigned i = 0; i < RING; i++)
        card.receive[i].write_back.length = 64;
    got = ae_receive(card.queue, many, 2 * RING);
    assert_true(got <= RING);
    for (unsigned i = 0; i < got; i++)
        ae_packet_put(many[i]);
}

/* ---- Send ---- */

static struct ae_packet *make_packet(uint32_t length)
{
    struct ae_packet *packet = ae_packet_get(card.queue->pool);

    assert_non_null(packet);
    packet->length = length;
    memcpy(packet->data, pattern + length % 97, length < 2048 ? length : 2048);
    return packet;
}

static bool send_one(struct ae_packet *packet)
{
    return ae_send(card.queue, &packet, 1) == 1;
}

static void every_length_is_sent(void **state)
{
    uint8_t frame[4096];

    (void)state;
    for (uint32_t length = 14; length <= LEGAL; length++) {
        struct ae_packet *packet = make_packet(length);
        uint32_t on_wire = length < 60 ? 60 : length;

        memset(packet->data + length, 0xee, 60); /* must not leave with a short frame */
        assert_true(send_one(packet));
        assert_int_equal(fake_card_take(&card, frame), on_wire);
        assert_memory_equal(frame, pattern + length % 97, length);
        for (uint32_t i = length; i < on_wire; i++)
            assert_int_equal(frame[i], 0);
    }
    assert_int_equal(counters->sent_frames, LEGAL - 13);
    assert_int_equal(counters->send_bad + counters->send_full, 0);
    ae_reclaim(card.queue, UINT16_MAX);
    assert_int_equal(ae_pool_available(card.queue->pool), FREE);
}

static void impossible_frames_are_refused(void **state)
{
    static const uint32_t lengths[] = {0, 1, 13, LEGAL + 1, 2048, 0xfffff, 0x100000, UINT32_MAX};
    struct ae_packet *mixed[3];
    uint8_t frame[4096];

    (void)state;
    for (size_t i = 0; i < COUNT(lengths); i++) {
        struct ae_packet *packet = make_packet(100);

        packet->length = lengths[i];
        assert_false(send_one(packet));
        assert_int_equal(counters->send_bad, i + 1);
        ae_packet_put(packet);
    }
    assert_int_equal(fake_card_take(&card, frame), 0);
    /* What comes before it is sent, what comes after it is left. */
    for (unsigned i = 0; i < 3; i++)
        mixed[i] = make_packet(100 + i);
    mixed[1]->length = 5;
    assert_int_equal(ae_send(card.queue, mixed, 3), 1);
    assert_int_equal(fake_card_take(&card, frame), 100);
    assert_int_equal(fake_card_take(&card, frame), 0);
    ae_packet_put(mixed[1]);
    ae_packet_put(mixed[2]);
}

static void what_every_port_refuses_is_refused(void **state)
{
    (void)state;
    sendable_assert_rules(card.queue, LEGAL, AE_SEND_OFFLOADS, AE_FRAME_SEGMENTS);
}

/* What lies in the receive ring is the card's as well. */
static void packets_in_rings_are_not_the_callers(void **state)
{
    struct ae_pool *pool = card.queue->pool;
    struct ae_packet *held;
    unsigned inside = 0;

    (void)state;
    deliver(100);
    assert_int_equal(ae_receive(card.queue, &held, 1), 1);
    assert_false(held->in_pool);
    for (uint32_t i = 0; i < PACKETS; i++)
        inside += pool->packets[i].in_pool;
    assert_int_equal(inside, PACKETS - 1);
    for (uint32_t i = 0; i < PACKETS; i++)
        if (&pool->packets[i] != held)
            ae_packet_put(&pool->packets[i]);
    assert_int_equal(pool->misuse, PACKETS - 1);
    assert_int_equal(ae_pool_available(pool), FREE);
    ae_packet_put(held);
    pool->misuse = 0;
    assert_receives(200);
}

static void assert_sends_chain(uint32_t number, uint32_t length)
{
    struct ae_packet *packet = chain_make(card.queue->pool, number, length, 16);
    uint8_t frame[LONGEST];

    assert_true(send_one(packet));
    assert_int_equal(fake_card_take(&card, frame), length < 60 ? 60 : length);
    for (uint32_t i = 0; i < length; i++)
        assert_int_equal(frame[i], chain_byte(number, i));
    for (uint32_t i = length; i < 60; i++)
        assert_int_equal(frame[i], 0);
}

static void chains_are_sent_by_a_descriptor_each(void **state)
{
    uint64_t bytes = 0;
    uint32_t length;

    (void)state;
    for (uint32_t number = 0; number < 2000; number++) {
        length = 14 + (uint32_t)rand() % (LONGEST - 13);
        assert_sends_chain(number, length);
        bytes += length;
    }
    for (length = 14; length < 70; length++, bytes += length - 1)
        assert_sends_chain(1, length);
    assert_int_equal(counters->sent_frames, 2056);
    assert_int_equal(counters->sent_bytes, bytes);
    assert_int_equal(card.reports, 2056);
    ae_reclaim(card.queue, UINT16_MAX);
    assert_int_equal(ae_pool_available(card.queue->pool), FREE);
}

/* Frames of all kinds in one burst; one that is in more packets than the port takes ends it. */
static void chains_and_others_share_a_burst(void **state)
{
    struct ae_packet *burst[5];
    uint8_t frame[LONGEST];

    (void)state;
    burst[0] = make_packet(100);
    burst[1] = chain_make(card.queue->pool, 1, 3000, 2);
    burst[2] = make_packet(101);
    burst[2]->flags = AE_PACKET_SEND_UDP_CHECKSUM;
    burst[2]->l3_offset = 14;
    burst[2]->l4_offset = 34;
    burst[3] = make_packet(20);
    for (unsigned i = 0; i < 16; i++) {
        struct ae_packet *packet = make_packet(20);

        packet->next = burst[3];
        packet->more = (uint8_t)(i + 1);
        burst[3] = packet;
    }
    burst[4] = make_packet(102);
    assert_int_equal(ae_send(card.queue, burst, 5), 3);
    assert_int_equal(card.queue->refusal, AE_REFUSAL_SEGMENTS);
    assert_int_equal(counters->send_bad, 1);
    assert_int_equal(fake_card_take(&card, frame), 100);
    assert_int_equal(fake_card_take(&card, frame), 3000);
    assert_int_equal(fake_card_take(&card, frame), 101);
    assert_int_equal(card.contexts, 1);
    assert_int_equal(card.reports, 1);
    ae_packet_put(burst[3]);
    ae_packet_put(burst[4]);
}

/* All of a frame's descriptors fit, or none is written; and room is made where there is some. */
static void a_chain_waits_for_room(void **state)
{
    uint8_t frame[LONGEST];

    (void)state;
    for (unsigned i = 0; i < 28; i++)
        packets[i] = make_packet(60);
    assert_int_equal(ae_send(card.queue, packets, 28), 28);
    packets[0] = chain_make(card.queue->pool, 9, 7000, 1);
    assert_int_equal(packets[0]->more, 3);
    assert_false(send_one(packets[0]));
    assert_int_equal(card.queue->refusal, AE_REFUSAL_FULL);
    assert_int_equal(fake_card_get(&card, TDT), 28);
    for (unsigned i = 0; i < 28; i++)
        assert_int_equal(fake_card_take(&card, frame), 60);
    assert_true(send_one(packets[0]));
    assert_int_equal(fake_card_take(&card, frame), 7000);
}

static void the_cards_checksum_goes_over_a_chain(void **state)
{
    uint8_t frame[LONGEST], whole[LONGEST];

    (void)state;
    for (uint32_t length = 62; length < 3000; length += 97) {
        struct ae_packet *packet;

        do {
            packet = chain_make(card.queue->pool, 5, length, 9);
            if (packet->length < 42)
                ae_packet_put(packet);
        } while (packet->in_pool);
        packet->flags = AE_PACKET_SEND_UDP_CHECKSUM;
        packet->l3_offset = 14;
        packet->l4_offset = 34;
        frame_put16(packet->data + 40, 0x1234); /* the pseudo-header's sum */
        ae_packet_read(packet, 0, whole, length);
        frame_put16(whole + 40, 0xffff - frame_sum(whole + 34, length - 34, 0));
        assert_true(send_one(packet));
        assert_int_equal(fake_card_take(&card, frame), length);
        assert_memory_equal(frame, whole, length);
    }
}

static void a_burst_asks_for_one_report(void **state)
{
    uint8_t frame[4096];

    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        uint32_t tail = fake_card_get(&card, TDT);

        for (unsigned i = 0; i < 7; i++)
            packets[i] = make_packet(100 + i);
        assert_int_equal(ae_send(card.queue, packets, 7), 7);
        assert_int_equal(fake_card_get(&card, TDT), (tail + 7) % RING);
        for (unsigned i = 0; i < 7; i++)
            assert_int_equal(fake_card_take(&card, frame), 100 + i);
        assert_int_equal(card.reports, round + 1);
    }
}

static void packets_come_back_when_reported_and_not_before(void **state)
{
    uint32_t before = ae_pool_available(card.queue->pool);
    uint8_t frame[4096];

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        packets[i] = make_packet(100);
    assert_int_equal(ae_send(card.queue, packets, 4), 4);
    for (unsigned i = 0; i < 3; i++)
        fake_card_take(&card, frame);
    assert_int_equal(ae_reclaim(card.queue, 4), 0);
    assert_int_equal(ae_pool_available(card.queue->pool), before - 4);
    fake_card_take(&card, frame);
    assert_int_equal(ae_reclaim(card.queue, 1), 4); /* reported as one */
    assert_int_equal(ae_pool_available(card.queue->pool), before);
}

static void a_full_ring_refuses_the_rest(void **state)
{
    struct ae_packet *many[RING + 8];
    uint8_t frame[4096];

    (void)state;
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < RING + 8; i++)
            many[i] = make_packet(100 + i);
        assert_int_equal(ae_send(card.queue, many, RING + 8), RING - 1);
        assert_int_equal(counters->send_full, (round + 1) * 9);
        assert_int_equal(card.queue->refusal, AE_REFUSAL_FULL);
        assert_false(ae_refusal_is_final(card.queue->refusal));
        for (unsigned i = 0; i < RING - 1; i++)
            assert_int_equal(fake_card_take(&card, frame), 100 + i);
        assert_int_equal(fake_card_take(&card, frame), 0);
        for (unsigned i = RING - 1; i < RING + 8; i++)
            ae_packet_put(many[i]);
        assert_int_equal(ae_reclaim(card.queue, UINT16_MAX), RING - 1);
        assert_int_equal(ae_pool_available(card.queue->pool), FREE);
    }
}

/* A frame that needs a context takes two descriptors, or none. */
static void a_context_does_not_overfill_the_ring(void **state)
{
    uint8_t frame[4096];

    (void)state;
    for (unsigned i = 0; i < RING - 2; i++)
        assert_true(send_one(make_packet(100)));
    packets[0] = make_packet(100);
    packets[0]->flags = AE_PACKET_SEND_UDP_CHECKSUM;
    packets[0]->l3_offset = 14;
    packets[0]->l4_offset = 34;
    assert_false(send_one(packets[0]));
    assert_int_equal(counters->send_full, 1);
    fake_card_take(&card, frame);
    assert_true(send_one(packets[0]));
}

static void what_is_not_sent_yet_is_counted(void **state)
{
    uint8_t frame[4096];

    (void)state;
    assert_int_equal(ae_unsent(card.queue), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_true(send_one(make_packet(100)));
    packets[0] = make_packet(100); /* and a context, which is no packet */
    packets[0]->flags = AE_PACKET_SEND_UDP_CHECKSUM;
    packets[0]->l3_offset = 14;
    packets[0]->l4_offset = 34;
    assert_true(send_one(packets[0]));
    for (unsigned left = 4; left > 0; left--) {
        assert_int_equal(ae_unsent(card.queue), left);
        fake_card_take(&card, frame);
    }
    assert_int_equal(ae_unsent(card.queue), 0);
    assert_int_equal(ae_pool_available(card.queue->pool), FREE);
}

/* The card keeps one, and until that is taken no other; a frame that asks is sent all the same. */
static void a_frame_is_stamped_that_asks_for_it(void **state)
{
    uint64_t ns = 7;
    uint8_t frame[4096];

    (void)state;
    assert_int_equal(ae_sent_timestamp(card.queue, &ns), -ENOENT);
    fake_card_set(&card, TSYNCTXCTL, TSYNCTXCTL_EN);
    card.stamp = UINT64_C(0x1ffffffff);
    for (unsigned i = 0; i < 2; i++) {
        packets[0] = make_packet(20); /* which is padded, as one that does not ask */
        packets[0]->flags = AE_PACKET_SEND_TIMESTAMP;
        assert_true(send_one(packets[0]));
        assert_int_equal(ae_sent_timestamp(card.queue, &ns), -EAGAIN);
    }
    assert_int_equal(fake_card_take(&card, frame), 60);
    assert_int_equal(fake_card_take(&card, frame), 60);
    assert_int_equal(card.stamp, UINT64_C(0x200000000));
    assert_int_equal(ae_sent_timestamp(card.queue, &ns), 0);
    assert_true(ns == UINT64_C(0x200000000));
    assert_int_equal(ae_sent_timestamp(card.queue, &ns), -ENOENT);
    /* One that the card keeps no time of. */
    packets[0] = make_packet(100);
    packets[0]->flags = AE_PACKET_SEND_TIMESTAMP;
    assert_true(send_one(packets[0]));
    assert_int_equal(fake_card_take(&card, frame), 100);
    fake_card_set(&card, TSYNCTXCTL, TSYNCTXCTL_EN);
    assert_int_equal(ae_sent_timestamp(card.queue, &ns), -ENODATA);
    assert_int_equal(ae_sent_timestamp(card.queue, &ns), -ENOENT);
    /* Beside a checksum, and with a card that is gone. */
    packets[0] = make_packet(100);
    packets[0]->flags = AE_PACKET_SEND_TIMESTAMP | AE_PACKET_SEND_UDP_CHECKSUM;
    packets[0]->l3_offset = 14;
    packets[0]->l4_offset = 34;
    assert_true(send_one(packets[0]));
    fake_card_set(&card, TSYNCTXCTL, UINT32_MAX);
    assert_int_equal(ae_sent_timestamp(card.queue, &ns), -ENODEV);
    fake_card_set(&card, TSYNCTXCTL, TSYNCTXCTL_EN);
    assert_int_equal(fake_card_take(&card, frame), 100);
    assert_int_equal(ae_sent_timestamp(card.queue, &ns), 0);
    assert_true(ns == UINT64_C(0x200000001));
    assert_int_equal(card.contexts, 1);
}

/* Two descriptors a frame: what the card has sent long ago is room for them. */
static void contexts_that_alternate_use_all_of_the_ring(void **state)
{
    struct ae_packet *many[RING / 2];
    uint8_t frame[4096];

    (void)state;
    for (unsigned i = 0; i < RING / 2 - 2; i++) {
        assert_true(send_one(make_packet(100)));
        fake_card_take(&card, frame);
    }
    for (unsigned i = 0; i < RING / 2; i++) {
        many[i] = make_packet(100);
        many[i]->flags = i & 1 ? AE_PACKET_SEND_UDP_CHECKSUM : AE_PACKET_SEND_TCP_CHECKSUM;
        many[i]->l3_offset = 14;
        many[i]->l4_offset = 34;
    }
    assert_int_equal(ae_send(card.queue, many, RING / 2), RING / 2 - 1);
    assert_int_equal(card.queue->refusal, AE_REFUSAL_FULL);
    ae_packet_put(many[RING / 2 - 1]);
    for (unsigned i = 0; i < RING / 2 - 1; i++)
        assert_int_equal(fake_card_take(&card, frame), 100);
    assert_int_equal(ae_reclaim(card.queue, UINT16_MAX), RING / 2 - 1);
    assert_int_equal(ae_pool_available(card.queue->pool), FREE);
}

static void the_card_fills_in_checksums(void **state)
{
    struct ae_net_options options = {.address = frame_address(FRAME_HOST),
                                     .prefix = 24,
                                     .offload_ipv4_checksum = true,
                                     .offload_udp_checksum = true};
    struct ae_net *net = frame_net(&options);
    struct ae_packet *packet = make_packet(0);
    struct ae_datagram datagram;
    struct ae_udp_flow flow;
    uint8_t frame[4096];

    (void)state;
    ae_net_resolve(net, frame_address(FRAME_PEER), packet, 0);
    ae_packet_put(packet);
    packet = frame_packet(frame, frame_arp(frame, 2, FRAME_PEER, FRAME_HOST));
    ae_net_input(net, packet, 0, &datagram);
    frame_release(packet);
    assert_int_equal(ae_net_flow(net, &flow, frame_address(FRAME_PEER), 1, 2, NULL), 0);
    for (uint32_t length = 0; length <= 1472; length++) {
        packet = make_packet(length);
        assert_int_equal(ae_net_udp_send(net, &flow, packet), 0);
        assert_true(send_one(packet));
        assert_true(fake_card_take(&card, frame) >= 42 + length);
        if (!frame_ipv4_is_right(frame) || !frame_udp_is_right(frame))
            fail_msg("%u bytes", length);
        assert_memory_equal(frame + 42, pattern + length % 97, length);
    }
    /* The same request again needs no new context. */
    assert_int_equal(card.contexts, 1);
    ae_net_destroy(net);
}

static void a_new_request_makes_a_new_context(void **state)
{
    static const struct {
        uint32_t flags;
        uint8_t l3, l4;
        unsigned contexts;
    } cases[] = {
        {AE_PACKET_SEND_UDP_CHECKSUM, 14, 34, 1},
        {0, 0, 0, 1},
        {AE_PACKET_SEND_IPV4_CHECKSUM, 14, 34, 1},
        {AE_PACKET_SEND_UDP_CHECKSUM, 14, 38, 2},
        {AE_PACKET_SEND_UDP_CHECKSUM, 18, 38, 3},
        {AE_PACKET_SEND_TCP_CHECKSUM, 18, 38, 4},
        {AE_PACKET_SEND_TCP_CHECKSUM | AE_PACKET_SEND_IPV4_CHECKSUM, 18, 38, 4},
    };
    uint8_t frame[4096];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ae_packet *packet = make_packet(100);

        packet->flags = cases[i].flags;
        packet->l3_offset = cases[i].l3;
        packet->l4_offset = cases[i].l4;
        assert_true(send_one(packet));
        assert_int_equal(fake_card_take(&card, frame), 100);
        assert_int_equal(card.contexts, cases[i].contexts);
    }
    assert_true(card.tcp);
}

/* A checksum that would be read or written outside of the frame. */
static void offloads_outside_of_the_frame_are_refused(void **state)
{
    static const struct {
        uint32_t flags;
        uint8_t l3, l4;
        uint32_t length;
    } cases[] = {
        {AE_PACKET_SEND_UDP_CHECKSUM, 0, 34, 100},    {AE_PACKET_SEND_UDP_CHECKSUM, 14, 0, 100},
        {AE_PACKET_SEND_UDP_CHECKSUM, 14, 33, 100},   {AE_PACKET_SEND_UDP_CHECKSUM, 14, 34, 41},
        {AE_PACKET_SEND_TCP_CHECKSUM, 14, 34, 53},    {AE_PACKET_SEND_IPV4_CHECKSUM, 14, 34, 33},
        {AE_PACKET_SEND_IPV4_CHECKSUM, 14, 74, 60},   {AE_PACKET_SEND_IPV4_CHECKSUM, 14, 255, 100},
        {AE_PACKET_SEND_UDP_CHECKSUM, 255, 255, 300}, {AE_PACKET_SEND_TCP_CHECKSUM, 14, 255, 270},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ae_packet *packet = make_packet(cases[i].length);

        packet->flags = cases[i].flags;
        packet->l3_offset = cases[i].l3;
        packet->l4_offset = cases[i].l4;
        if (send_one(packet))
            fail_msg("case %zu", i);
        ae_packet_put(packet);
    }
    assert_int_equal(counters->send_bad, COUNT(cases));
}

/* ---- The device ---- */

static void a_vanished_card_stops_nobody(void **state)
{
    unsigned accepted = 0;

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        assert_receives(100);
    memset(card.registers, 0xff, FAKE_REGISTERS);
    for (unsigned i = 0; i < 4 * RING; i++) {
        struct ae_packet *packet;

        assert_int_equal(ae_receive(card.queue, packets, 8), 0);
        packet = make_packet(100);
        if (send_one(packet))
            accepted++;
        else
            ae_packet_put(packet);
    }
    assert_int_equal(accepted, RING - 1);
    assert_int_equal(counters->send_full, 3 * RING + 1);
}

static void rings_that_are_in_use_are_refused(void **state)
{
    static const uint32_t registers[] = {RDT, TDT};
    struct ae_error err;
    struct ae_port *port;

    (void)state;
    assert_int_equal(ae_port_attach(&port, &card.handoff, &err), -EBUSY);
    assert_non_null(strstr(err.text, "in use"));
    for (size_t i = 0; i < COUNT(registers); i++) {
        fake_card_reset(&card);
        fake_card_set(&card, registers[i], 7);
        assert_int_equal(ae_port_attach(&port, &card.handoff, &err), -EBUSY);
    }
    memset(card.registers, 0xff, FAKE_REGISTERS);
    assert_int_equal(ae_port_attach(&port, &card.handoff, &err), -ENODEV);
    assert_non_null(strstr(err.text, "gone"));
}

static void after_a_restart_it_works_again(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        deliver(100);
        send_one(make_packet(200));
        fake_card_detach(&card);
        fake_card_reset(&card);
        fake_card_attach(&card);
        counters = card.queue->counters;
        assert_int_equal(ae_pool_available(card.queue->pool), FREE);
        assert_receives(1514);
    }
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, begin, end)
#define JUMBO(name) cmocka_unit_test_setup_teardown(name, begin_jumbo, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_ring_is_filled_when_attached),
        TEST(every_length_is_received),
        TEST(refilling_waits_for_an_idle_moment),
        TEST(bursts_of_every_size_go_around),
        TEST(no_more_than_asked_for_is_given),
        TEST(impossible_lengths_are_dropped),
        TEST(frames_with_errors_are_dropped),
        TEST(checksum_verdicts_are_passed_on),
        TEST(a_frame_in_pieces_is_dropped_whole),
        JUMBO(long_frames_are_chains),
        JUMBO(parts_may_be_seen_one_by_one),
        JUMBO(impossible_chains_are_dropped_whole),
        TEST(without_free_packets_the_ring_runs_dry),
        TEST(a_card_that_marks_everything_done_keeps_nobody),
        TEST(every_length_is_sent),
        TEST(impossible_frames_are_refused),
        cmocka_unit_test_setup_teardown(what_every_port_refuses_is_refused, begin_wide, end),
        TEST(packets_in_rings_are_not_the_callers),
        JUMBO(chains_are_sent_by_a_descriptor_each),
        JUMBO(chains_and_others_share_a_burst),
        JUMBO(a_chain_waits_for_room),
        JUMBO(the_cards_checksum_goes_over_a_chain),
        TEST(a_burst_asks_for_one_report),
        TEST(packets_come_back_when_reported_and_not_before),
        TEST(a_full_ring_refuses_the_rest),
        TEST(what_is_not_sent_yet_is_counted),
        TEST(a_frame_is_stamped_that_asks_for_it),
        TEST(a_context_does_not_overfill_the_ring),
        TEST(contexts_that_alternate_use_all_of_the_ring),
        TEST(the_card_fills_in_checksums),
        TEST(a_new_request_makes_a_new_context),
        TEST(offloads_outside_of_the_frame_are_refused),
        TEST(a_vanished_card_stops_nobody),
        TEST(rings_that_are_in_use_are_refused),
        TEST(after_a_restart_it_works_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
