/* SPDX-License-Identifier: Apache-2.0 */

/* The device's side of a virtqueue against a driver that does as the standard says, and against
 * drivers that do not. Every test runs over both forms of ring, in order and not. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "chains.h"
#include "sendable.h"
#include "vhost_driver.h"

#define SIZE    64
#define GUEST   0x100000000ull
#define MEMORY  (1u << 18)
#define BUFFERS 65536u /* offset of buffers behind the ring */
#define PACKETS 128
#define MTU_MAX 1518
#define LONGEST 9018
#define HEADER  ((uint32_t)AE_VHOST_HEADER)

struct bench {
    struct driver driver;
    struct ae_vhost_ring ring;
    struct ae_vhost_memory regions;
    uint8_t *memory;
    struct ae_pool *pool;
    uint8_t *pool_memory;
    struct ae_queue_counters counters;
    struct ae_queue queue; /* that the ring is of */
    uint32_t notify;
};

static const struct form {
    bool packed, in_order;
} forms[] = {{false, false}, {false, true}, {true, false}, {true, true}};

static struct bench bench;

static void set_up_for(struct form form, bool mergeable, uint32_t longest)
{
    memset(&bench, 0, sizeof(bench));
    bench.memory = aligned_alloc(4096, MEMORY);
    memset(bench.memory, 0, MEMORY);
    bench.pool_memory = aligned_alloc(2048, PACKETS * 2048);
    assert_int_equal(ae_pool_create(&bench.pool,
                                    &(struct ae_pool_options){.memory = bench.pool_memory,
                                                              .memory_size = PACKETS * 2048,
                                                              .count = PACKETS,
                                                              .buffer_size = 2048},
                                    NULL),
                     0);
    bench.queue = (struct ae_queue){.pool = bench.pool, .counters = &bench.counters};
    driver_init(&bench.driver, bench.memory, SIZE, form.packed, form.in_order);
    bench.regions = (struct ae_vhost_memory){
        .count = 2,
        .regions = {{.first = 0x1000, .size = 0}, /* the first one looked at is not it */
                    {.first = GUEST, .size = MEMORY, .at = bench.memory}}};
    bench.ring = (struct ae_vhost_ring){.mergeable = mergeable,
                                        .notify = &bench.notify,
                                        .recent = bench.regions.regions[0],
                                        .memory = &bench.regions};
    ae_vhost_set_limits(&bench.ring, bench.pool, longest);
    driver_connect(&bench.driver, &bench.ring);
    (form.packed ? ae_vhost_packed_start : ae_vhost_split_start)(&bench.ring);
}

static void set_up(struct form form, bool mergeable)
{
    set_up_for(form, mergeable, MTU_MAX);
}

static void tear_down(void)
{
    assert_int_equal(ae_pool_available(bench.pool), PACKETS);
    assert_int_equal(bench.pool->misuse, 0);
    ae_pool_destroy(bench.pool);
    free(bench.pool_memory);
    free(bench.memory);
}

static uint16_t receive(struct ae_packet **packets, uint16_t count)
{
    return (bench.driver.packed ? ae_vhost_packed_receive : ae_vhost_split_receive)(
        &bench.ring, &bench.queue, packets, count);
}

static uint16_t send(struct ae_packet **packets, uint16_t count)
{
    return (bench.driver.packed ? ae_vhost_packed_send
                                : ae_vhost_split_send)(&bench.ring, &bench.queue, packets, count);
}

static uint8_t *buffer(unsigned index)
{
    return bench.memory + BUFFERS + index * 2048;
}

static uint64_t address(unsigned index)
{
    return GUEST + BUFFERS + index * 2048;
}

static uint8_t pattern(uint32_t number, uint32_t at)
{
    return (uint8_t)(number * 31 + at * 7 + (at >> 8));
}

/* Frame `number` of `length` bytes behind its header, in buffer `index`. */
static void write_frame(unsigned index, uint32_t number, uint32_t length)
{
    memset(buffer(index), 0, AE_VHOST_HEADER);
    for (uint32_t i = 0; i < length; i++)
        buffer(index)[AE_VHOST_HEADER + i] = pattern(number, i);
}

static void check_bytes(const uint8_t *bytes, uint32_t number, uint32_t from, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        if (bytes[i] != pattern(number, from + i))
            fail_msg("frame %u differs at byte %u", number, from + i);
}

static struct ae_packet *make_packet(uint32_t number, uint32_t length)
{
    struct ae_packet *packet = ae_packet_get(bench.pool);

    for (uint32_t i = 0; i < length; i++)
        packet->data[i] = pattern(number, i);
    packet->length = length;
    return packet;
}

static uint32_t length_of(uint32_t number)
{
    return 14 + number * 37 % (MTU_MAX - 13);
}

/* ---- What the standard says ---- */

static void frames_from_the_driver(struct form form)
{
    uint32_t offered = 0, collected = 0, received = 0;

    set_up(form, false);
    /* Bursts of changing size, over many turns of the ring. */
    while (received < 2000) {
        struct ae_packet *packets[48];
        uint16_t count = (uint16_t)(1 + received % 40), got, id;
        uint32_t length;

        for (unsigned i = 0; i < count && offered - collected < SIZE; i++, offered++) {
            unsigned index = offered % SIZE;
            struct driver_piece piece = {address(index),
                                         (uint32_t)AE_VHOST_HEADER + length_of(offered), false};

            write_frame(index, offered, length_of(offered));
            driver_offer(&bench.driver, &piece, 1);
        }
        got = receive(packets, 48);
        for (uint16_t i = 0; i < got; i++, received++) {
            assert_int_equal(packets[i]->length, length_of(received));
            check_bytes(packets[i]->data, received, 0, packets[i]->length);
            ae_packet_put(packets[i]);
        }
        while (driver_collect(&bench.driver, &id, &length)) {
            assert_int_equal(id, collected % SIZE);
            collected++;
        }
        assert_int_equal(collected, received);
    }
    assert_int_equal(bench.counters.received_frames, received);
    assert_int_equal(bench.counters.receive_errors, 0);
    assert_false(bench.ring.broken);
    tear_down();
}

static void frames_to_the_driver(struct form form)
{
    uint32_t offered = 0, collected = 0, sent = 0;

    set_up(form, false);
    while (collected < 2000) {
        struct ae_packet *packets[40];
        uint16_t count = (uint16_t)(1 + sent % 40), accepted, id;
        uint32_t length;

        for (; offered - collected < SIZE; offered++) {
            struct driver_piece piece = {address(offered % SIZE), 2048, true};

            driver_offer(&bench.driver, &piece, 1);
        }
        for (uint16_t i = 0; i < count; i++)
            packets[i] = make_packet(sent + i, length_of(sent + i));
        accepted = send(packets, count);
        sent += accepted;
        for (uint16_t i = accepted; i < count; i++)
            ae_packet_put(packets[i]);
        while (driver_collect(&bench.driver, &id, &length)) {
            struct virtio_net_hdr header;

            assert_int_equal(id, collected % SIZE);
            assert_int_equal(length, AE_VHOST_HEADER + length_of(collected));
            memcpy(&header, buffer(id), sizeof(header));
            assert_int_equal(header.num_buffers, 1);
            assert_int_equal(header.flags, 0);
            check_bytes(buffer(id) + sizeof(header), collected, 0, length_of(collected));
            collected++;
        }
        assert_int_equal(collected, sent);
    }
    assert_int_equal(bench.counters.sent_frames, sent);
    assert_int_equal(bench.counters.send_bad_descriptors, 0);
    tear_down();
}

static void chains_from_the_driver(struct form form)
{
    set_up(form, false);
    for (uint32_t number = 0; number < 300; number++) {
        /* Header alone, header cut in two, a piece of nothing, frame in three. */
        struct driver_piece pieces[] = {{address(0), 5, false},      {address(0) + 5, 7, false},
                                        {address(0) + 12, 0, false}, {address(0) + 12, 40, false},
                                        {address(0) + 52, 1, false}, {address(0) + 53, 59, false}};
        struct ae_packet *packet;
        uint32_t length;
        uint16_t id;

        write_frame(0, number, 100);
        driver_offer(&bench.driver, pieces, 6);
        assert_int_equal(receive(&packet, 1), 1);
        assert_int_equal(packet->length, 100);
        check_bytes(packet->data, number, 0, 100);
        ae_packet_put(packet);
        assert_true(driver_collect(&bench.driver, &id, &length));
        assert_false(driver_collect(&bench.driver, &id, &length));
    }
    tear_down();
}

static void chains_and_merged_buffers_to_the_driver(struct form form)
{
    set_up(form, true);
    for (uint32_t number = 0; number < 300; number++) {
        struct driver_piece head[] = {{address(0), 12, true}, {address(0) + 12, 200, true}};
        struct driver_piece next[] = {{address(1), 300, true}}, last[] = {{address(2), 2000, true}};
        struct ae_packet *packet = make_packet(number, 1000);
        struct virtio_net_hdr header;
        uint32_t length;
        uint16_t id;

        driver_offer(&bench.driver, head, 2);
        driver_offer(&bench.driver, next, 1);
        /* Not enough yet: nothing is touched. */
        assert_int_equal(send(&packet, 1), 0);
        assert_false(driver_collect(&bench.driver, &id, &length));
        driver_offer(&bench.driver, last, 1);
        assert_int_equal(send(&packet, 1), 1);
        memcpy(&header, buffer(0), sizeof(header));
        assert_int_equal(header.num_buffers, 3);
        check_bytes(buffer(0) + 12, number, 0, 200);
        check_bytes(buffer(1), number, 200, 300);
        check_bytes(buffer(2), number, 500, 500);
        assert_true(driver_collect(&bench.driver, &id, &length));
        assert_int_equal(length, 212);
        assert_true(driver_collect(&bench.driver, &id, &length));
        assert_int_equal(length, 300);
        assert_true(driver_collect(&bench.driver, &id, &length));
        assert_int_equal(length, 500);
    }
    assert_int_equal(bench.counters.send_bad_descriptors, 0);
    tear_down();
}

/* A frame of any length in a buffer of any pieces. */
static void long_frames_from_the_driver(struct form form)
{
    set_up_for(form, false, LONGEST);
    for (uint32_t number = 0; number < 300; number++) {
        uint32_t length = 14 + (uint32_t)rand() % (LONGEST - 13), whole = HEADER + length, at = 0;
        struct driver_piece pieces[40];
        unsigned count = 0, most = 1 + (unsigned)rand() % 40;
        struct ae_packet *packet;
        uint32_t unused;
        uint16_t id;

        write_frame(0, number, length);
        for (; at < whole; at += pieces[count++].length)
            pieces[count] = (struct driver_piece){
                address(0) + at,
                count + 1 == most ? whole - at : 1 + (uint32_t)rand() % (whole - at), false};
        driver_offer(&bench.driver, pieces, count);
        assert_int_equal(receive(&packet, 1), 1);
        chain_check(packet, bench.pool, number, length);
        assert_int_equal(packet->more, (length - 1) / (2048 - AE_PACKET_HEADROOM));
        ae_packet_put(packet);
        assert_true(driver_collect(&bench.driver, &id, &unused));
        bench.counters.sent_bytes += length;
    }
    assert_int_equal(bench.counters.received_bytes, bench.counters.sent_bytes);
    assert_int_equal(bench.counters.receive_errors + bench.counters.receive_no_buffer, 0);
    tear_down();
}

/* The frame as the driver has it: of buffers as they are used, the header in the first. */
static void collect_merged(uint32_t number, uint32_t length, const uint32_t *sizes)
{
    uint32_t left = HEADER + length, at = 0, used;
    struct virtio_net_hdr header;
    uint16_t id;

    for (unsigned i = 0; left; i++) {
        const uint8_t *bytes;

        assert_true(driver_collect(&bench.driver, &id, &used));
        bytes = buffer(i);
        assert_int_equal(used, left < sizes[i] ? left : sizes[i]);
        left -= used;
        if (i == 0) {
            memcpy(&header, bytes, HEADER);
            bytes += HEADER;
            used -= HEADER;
        }
        check_bytes(bytes, number, at, used);
        at += used;
        if (!left)
            assert_int_equal(header.num_buffers, i + 1);
    }
    assert_false(driver_collect(&bench.driver, &id, &used));
}

static void long_frames_to_the_driver(struct form form)
{
    uint64_t bytes = 0;

    set_up_for(form, true, LONGEST);
    for (uint32_t number = 0; number < 300; number++) {
        uint32_t length = 14 + (uint32_t)rand() % (LONGEST - 13), sizes[40], offered = 0;
        struct ae_packet *packet = chain_make(bench.pool, number, length, 16);

        for (unsigned i = 0; offered < HEADER + length; offered += sizes[i++]) {
            struct driver_piece piece = {address(i), 0, true};

            assert_int_equal(send(&packet, 1), 0);
            sizes[i] = piece.length = 300 + (uint32_t)rand() % 1700;
            driver_offer(&bench.driver, &piece, 1);
        }
        assert_int_equal(send(&packet, 1), 1);
        collect_merged(number, length, sizes);
        bytes += length;
    }
    assert_int_equal(bench.counters.sent_bytes, bytes);
    assert_int_equal(bench.counters.send_bad_descriptors + bench.counters.send_bad, 0);
    tear_down();
}

/* One buffer has to hold it. One that the standard allows and that does not stays for a frame that
 * fits into it. */
static void without_merging_a_frame_too_long_is_refused(struct form form)
{
    struct driver_piece least = {address(0), 1526, true}, large = {address(1), 9030, true};
    struct ae_packet *packets[2];
    uint32_t used;
    uint16_t id;

    set_up_for(form, false, LONGEST);
    driver_offer(&bench.driver, &least, 1);
    packets[0] = chain_make(bench.pool, 1, 1515, 4);
    assert_int_equal(send(packets, 1), 0);
    assert_int_equal(bench.queue.refusal, AE_REFUSAL_LENGTH);
    assert_int_equal(bench.counters.send_bad, 1);
    assert_false(driver_collect(&bench.driver, &id, &used));
    ae_packet_put(packets[0]);
    driver_offer(&bench.driver, &large, 1);
    packets[0] = chain_make(bench.pool, 2, 1514, 4);
    packets[1] = chain_make(bench.pool, 3, LONGEST, 10);
    assert_int_equal(send(packets, 2), 2);
    assert_true(driver_collect(&bench.driver, &id, &used));
    assert_int_equal(used, 1526);
    check_bytes(buffer(0) + HEADER, 2, 0, 1514);
    assert_true(driver_collect(&bench.driver, &id, &used));
    assert_int_equal(used, HEADER + LONGEST);
    check_bytes(buffer(1) + HEADER, 3, 0, LONGEST);
    assert_int_equal(bench.counters.send_bad_descriptors, 0);
    tear_down();
}

/* Dropped and counted: who has the packets may want the next frame. */
static void a_long_frame_needs_packets(struct form form)
{
    struct driver_piece piece = {address(0), HEADER + LONGEST, false};
    struct ae_packet *all[PACKETS], *packet;

    set_up_for(form, false, LONGEST);
    write_frame(0, 1, LONGEST);
    driver_offer(&bench.driver, &piece, 1);
    for (unsigned i = 0; i < PACKETS - 4; i++)
        all[i] = ae_packet_get(bench.pool);
    assert_int_equal(receive(&packet, 1), 0);
    assert_int_equal(bench.counters.receive_no_buffer, 1);
    assert_int_equal(ae_pool_available(bench.pool), 4);
    ae_packet_put_burst(all, PACKETS - 4);
    driver_offer(&bench.driver, &piece, 1);
    assert_int_equal(receive(&packet, 1), 1);
    ae_packet_put(packet);
    tear_down();
}

/* The sum goes over all of a frame; the field is in its first packet. */
static void checksums_of_frames_in_several_packets(struct form form)
{
    for (uint32_t length = 62; length < 200; length++) {
        struct driver_piece piece = {address(0), 2048, true};
        struct ae_packet *packet;
        uint32_t sum = 0x1234;

        set_up_for(form, false, LONGEST);
        do {
            packet = chain_make(bench.pool, 7, length, 9);
            if (packet->length < 42)
                ae_packet_put(packet);
        } while (packet->in_pool);
        packet->l3_offset = 14;
        packet->l4_offset = 34;
        packet->flags = AE_PACKET_SEND_UDP_CHECKSUM;
        packet->data[40] = 0x12;
        packet->data[41] = 0x34;
        driver_offer(&bench.driver, &piece, 1);
        assert_int_equal(send(&packet, 1), 1);
        for (unsigned i = 34; i < length; i++)
            sum += i % 2 ? buffer(0)[HEADER + i] : (uint32_t)buffer(0)[HEADER + i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
        assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
        tear_down();
    }
}

static void interrupts_only_where_wanted(struct form form)
{
    struct driver_piece piece = {address(0), 112, false};
    struct ae_packet *packet;

    set_up(form, false);
    write_frame(0, 1, 100);
    driver_offer(&bench.driver, &piece, 1);
    assert_int_equal(receive(&packet, 1), 1);
    ae_packet_put(packet);
    assert_int_equal(receive(&packet, 1), 0);
    assert_int_equal(bench.notify, 0);
    /* Turned on after the frame was used: heard of at the next look, once. */
    driver_want_interrupts(&bench.driver, true);
    (form.packed ? ae_vhost_packed_notify : ae_vhost_split_notify)(&bench.ring);
    assert_int_equal(bench.notify, 1);
    bench.notify = 0;
    (form.packed ? ae_vhost_packed_notify : ae_vhost_split_notify)(&bench.ring);
    assert_int_equal(bench.notify, 0);
    driver_offer(&bench.driver, &piece, 1);
    assert_int_equal(receive(&packet, 1), 1);
    ae_packet_put(packet);
    (form.packed ? ae_vhost_packed_notify : ae_vhost_split_notify)(&bench.ring);
    assert_int_equal(bench.notify, 1);
    tear_down();
}

static void checksums(struct form form)
{
    for (int agreed = 0; agreed < 2; agreed++) {
        struct driver_piece piece = {address(0), 2048, true};
        struct ae_packet *packet;
        struct virtio_net_hdr header;
        uint32_t sum = 0, bytes;
        uint16_t id;

        set_up(form, false);
        bench.ring.checksum = agreed;
        packet = make_packet(7, 61);
        packet->l3_offset = 14;
        packet->l4_offset = 34;
        packet->flags = AE_PACKET_SEND_UDP_CHECKSUM;
        packet->data[40] = 0x12; /* the pseudo-header's sum */
        packet->data[41] = 0x34;
        driver_offer(&bench.driver, &piece, 1);
        assert_int_equal(send(&packet, 1), 1);
        assert_true(driver_collect(&bench.driver, &id, &bytes));
        memcpy(&header, buffer(0), sizeof(header));
        assert_int_equal(header.flags, agreed ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0);
        if (agreed) {
            assert_int_equal(header.csum_start, 34);
            assert_int_equal(header.csum_offset, 6);
            assert_int_equal(buffer(0)[12 + 40], 0x12);
        } else {
            /* With the sum in place of the pseudo-header's, everything sums up to it. */
            for (unsigned i = 34; i < 61; i++)
                sum += i % 2 ? buffer(0)[12 + i] : (uint32_t)buffer(0)[12 + i] << 8;
            sum += 0x1234;
            sum = (sum & 0xffff) + (sum >> 16);
            assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
        }
        tear_down();
    }
}

/* ---- What the standard does not allow ---- */

static void expect_dropped(struct form form, const struct driver_piece *pieces, unsigned count,
                           bool bad)
{
    struct driver_piece good = {address(9), 112, false};
    struct ae_packet *packet;
    uint32_t length;
    uint16_t id;

    set_up(form, false);
    write_frame(9, 1, 100);
    write_frame(0, 1, 100);
    driver_offer(&bench.driver, pieces, count);
    driver_offer(&bench.driver, &good, 1);
    /* The bad one is given back and counted, the good one behind it arrives. */
    assert_int_equal(receive(&packet, 1), 0);
    assert_int_equal(receive(&packet, 1), 1);
    assert_int_equal(packet->length, 100);
    ae_packet_put(packet);
    assert_int_equal(bench.counters.receive_bad_descriptors, bad ? 1 : 0);
    assert_int_equal(bench.counters.receive_errors, bad ? 0 : 1);
    assert_true(driver_collect(&bench.driver, &id, &length));
    assert_true(driver_collect(&bench.driver, &id, &length));
    assert_false(bench.ring.broken);
    tear_down();
}

static void bad_buffers_are_given_back(struct form form)
{
    const uint64_t end = GUEST + MEMORY;
    const struct driver_piece bad[] = {
        {end, 100, false},             /* behind the memory */
        {end - 10, 100, false},        /* over its end */
        {GUEST - 1, 100, false},       /* before it */
        {UINT64_MAX - 10, 100, false}, /* over the end of everything */
        {0, UINT32_MAX, false},        /* all of the address space */
        {GUEST, UINT32_MAX, false},    /* more than there is */
        {0x1000, 1, false},            /* in a region of nothing */
        {GUEST + BUFFERS, 112, true},  /* to be written, where it should be read */
    };
    const struct driver_piece chain[] = {{address(0), 12, false}, {end - 1, 2, false}};
    const struct driver_piece wrong[] = {
        {address(0), 12, false},               /* a header and no frame */
        {address(0), 11, false},               /* half a header */
        {address(0), 12 + 13, false},          /* shorter than Ethernet's own header */
        {address(0), 12 + MTU_MAX + 1, false}, /* too long */
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect_dropped(form, &bad[i], 1, true);
    expect_dropped(form, chain, 2, true);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        expect_dropped(form, &wrong[i], 1, false);
}

static void segments_and_partial_checksums_were_not_agreed_on(struct form form)
{
    for (unsigned i = 0; i < 2; i++) {
        struct driver_piece piece = {address(0), 112, false};
        struct ae_packet *packet;

        set_up(form, false);
        write_frame(0, 1, 100);
        buffer(0)[i] = 1; /* flags, gso_type */
        driver_offer(&bench.driver, &piece, 1);
        assert_int_equal(receive(&packet, 1), 0);
        assert_int_equal(bench.counters.receive_errors, 1);
        tear_down();
    }
}

static void buffers_no_frame_fits_into_go_back_empty(struct form form)
{
    const struct driver_piece bad[] = {
        {address(0), 11, true},         /* no room for a header */
        {address(0), 111, true},        /* one byte short, and not mergeable */
        {address(0), 2048, false},      /* not to be written */
        {GUEST + MEMORY - 1, 12, true}, /* over the end */
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct driver_piece good = {address(9), 2048, true};
        struct ae_packet *packet;
        uint32_t length;
        uint16_t id;

        set_up(form, false);
        packet = make_packet(3, 100);
        driver_offer(&bench.driver, &bad[i], 1);
        driver_offer(&bench.driver, &good, 1);
        while (send(&packet, 1) == 0 && bench.counters.send_full < 4)
            ;
        assert_int_equal(bench.counters.send_bad_descriptors, 1);
        assert_int_equal(bench.counters.sent_frames, 1);
        assert_true(driver_collect(&bench.driver, &id, &length));
        assert_int_equal(length, 0);
        assert_true(driver_collect(&bench.driver, &id, &length));
        assert_int_equal(length, 112);
        check_bytes(buffer(9) + 12, 3, 0, 100);
        tear_down();
    }
}

static void many_tiny_buffers_do_not_stall(struct form form)
{
    struct ae_packet *packet;

    set_up(form, true);
    packet = make_packet(3, 1500);
    for (unsigned i = 0; i < SIZE; i++) {
        struct driver_piece piece = {address(0) + i, 1, true};

        driver_offer(&bench.driver, &piece, 1);
    }
    assert_int_equal(send(&packet, 1), 0);
    assert_int_equal(bench.counters.send_bad_descriptors, 1);
    assert_int_equal(send(&packet, 1), 0);
    assert_int_equal(bench.counters.send_full, 2);
    ae_packet_put(packet);
    tear_down();
}

static void frames_that_cannot_be_sent_are_refused(struct form form)
{
    static const uint32_t lengths[] = {0, 13, MTU_MAX + 1, UINT32_MAX};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct driver_piece piece = {address(0), 2048, true};
        struct ae_packet *packet;

        set_up(form, false);
        driver_offer(&bench.driver, &piece, 1);
        packet = make_packet(1, 60);
        packet->length = lengths[i];
        assert_int_equal(send(&packet, 1), 0);
        assert_int_equal(bench.counters.send_bad, 1);
        packet->length = 60;
        packet->flags = AE_PACKET_SEND_UDP_CHECKSUM;
        packet->l3_offset = 14;
        packet->l4_offset = 53; /* 8 bytes of UDP would not fit */
        assert_int_equal(send(&packet, 1), 0);
        assert_int_equal(bench.counters.send_bad, 2);
        ae_packet_put(packet);
        tear_down();
    }
}

static uint16_t send_by_port(struct ae_queue *queue, struct ae_packet **packets, uint16_t count)
{
    assert_ptr_equal(queue, &bench.queue);
    return send(packets, count);
}

static void what_every_port_refuses_is_refused(struct form form)
{
    set_up(form, false);
    bench.queue.send = send_by_port;
    for (unsigned i = 0; i < 32; i++)
        driver_offer(&bench.driver, &(struct driver_piece){address(i), 2048, true}, 1);
    sendable_assert_rules(&bench.queue, MTU_MAX, AE_SEND_OFFLOADS, AE_FRAME_SEGMENTS);
    tear_down();
}

static void an_empty_pool_loses_nothing(struct form form)
{
    struct driver_piece piece = {address(0), 112, false};
    struct ae_packet *all[PACKETS], *packet;

    set_up(form, false);
    write_frame(0, 1, 100);
    driver_offer(&bench.driver, &piece, 1);
    for (unsigned i = 0; i < PACKETS; i++)
        all[i] = ae_packet_get(bench.pool);
    assert_int_equal(receive(&packet, 1), 0);
    assert_int_equal(bench.counters.receive_no_buffer, 1);
    for (unsigned i = 0; i < PACKETS; i++)
        ae_packet_put(all[i]);
    assert_int_equal(receive(&packet, 1), 1);
    ae_packet_put(packet);
    tear_down();
}

/* Split: an index that names no descriptor, more entries than there are, a chain that bites its
 * tail. */
static void split_rings_break_where_the_place_is_lost(void **state)
{
    const struct form form = {false, false};
    struct driver_piece piece = {address(0), 112, false};
    struct virtq_avail *avail;
    struct virtq_desc *table;
    struct ae_packet *packet;
    uint32_t length;
    uint16_t id;

    (void)state;
    set_up(form, false);
    avail = (struct virtq_avail *)(void *)(bench.memory + bench.driver.available);
    driver_offer(&bench.driver, &piece, 1);
    avail->ring[0] = SIZE;
    assert_int_equal(receive(&packet, 1), 0);
    assert_true(bench.ring.broken);
    tear_down();

    set_up(form, false);
    avail = (struct virtq_avail *)(void *)(bench.memory + bench.driver.available);
    avail->idx = SIZE + 1;
    assert_int_equal(receive(&packet, 1), 0);
    assert_true(bench.ring.broken);
    tear_down();

    set_up(form, false);
    table = (struct virtq_desc *)(void *)bench.memory;
    driver_offer(&bench.driver, &piece, 1);
    table[0].flags = VIRTQ_DESC_F_NEXT;
    table[0].next = 0;
    assert_int_equal(receive(&packet, 1), 0);
    assert_false(bench.ring.broken);
    assert_int_equal(bench.counters.receive_bad_descriptors, 1);
    table[0].next = SIZE;
    driver_offer(&bench.driver, &piece, 1);
    table[1].flags = VIRTQ_DESC_F_NEXT;
    table[1].next = UINT16_MAX;
    assert_int_equal(receive(&packet, 1), 0);
    assert_int_equal(bench.counters.receive_bad_descriptors, 2);
    assert_true(driver_collect(&bench.driver, &id, &length));
    tear_down();
}

static void packed_chains_without_an_end_break_the_ring(void **state)
{
    const struct form form = {true, false};
    struct ae_packet *packet;
    struct pvirtq_desc *ring;

    (void)state;
    for (int sending = 0; sending < 2; sending++) {
        set_up(form, true);
        ring = (struct pvirtq_desc *)(void *)bench.memory;
        for (unsigned i = 0; i < SIZE; i++)
            ring[i] =
                (struct pvirtq_desc){.addr = address(0),
                                     .len = 20,
                                     .flags = (uint16_t)(VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_AVAIL |
                                                         (sending ? VIRTQ_DESC_F_WRITE : 0))};
        if (sending) {
            packet = make_packet(1, 100);
            assert_int_equal(send(&packet, 1), 0);
            ae_packet_put(packet);
        } else {
            assert_int_equal(receive(&packet, 1), 0);
        }
        assert_true(bench.ring.broken);
        tear_down();
    }
}

static void split_goes_on_where_an_earlier_device_stopped(void **state)
{
    const struct form form = {false, false};
    struct driver_piece piece = {address(0), 112, false};
    struct ae_packet *packet;

    (void)state;
    set_up(form, false);
    write_frame(0, 1, 100);
    for (int i = 0; i < 3; i++)
        driver_offer(&bench.driver, &piece, 1);
    assert_int_equal(receive(&packet, 1), 1);
    ae_packet_put(packet);
    bench.ring.next = 3; /* told of what was looked at; what was not used is still there */
    ae_vhost_split_start(&bench.ring);
    assert_int_equal(receive(&packet, 1), 1);
    ae_packet_put(packet);
    assert_int_equal(receive(&packet, 1), 1);
    ae_packet_put(packet);
    assert_int_equal(receive(&packet, 1), 0);
    tear_down();
}

#define OVER_ALL_FORMS(test)                                          \
    static void test##_(void **state)                                 \
    {                                                                 \
        (void)state;                                                  \
        for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) \
            test(forms[i]);                                           \
    }

OVER_ALL_FORMS(frames_from_the_driver)
OVER_ALL_FORMS(frames_to_the_driver)
OVER_ALL_FORMS(chains_from_the_driver)
OVER_ALL_FORMS(chains_and_merged_buffers_to_the_driver)
OVER_ALL_FORMS(long_frames_from_the_driver)
OVER_ALL_FORMS(long_frames_to_the_driver)
OVER_ALL_FORMS(without_merging_a_frame_too_long_is_refused)
OVER_ALL_FORMS(a_long_frame_needs_packets)
OVER_ALL_FORMS(checksums_of_frames_in_several_packets)
OVER_ALL_FORMS(interrupts_only_where_wanted)
OVER_ALL_FORMS(checksums)
OVER_ALL_FORMS(bad_buffers_are_given_back)
OVER_ALL_FORMS(segments_and_partial_checksums_were_not_agreed_on)
OVER_ALL_FORMS(buffers_no_frame_fits_into_go_back_empty)
OVER_ALL_FORMS(many_tiny_buffers_do_not_stall)
OVER_ALL_FORMS(frames_that_cannot_be_sent_are_refused)
OVER_ALL_FORMS(what_every_port_refuses_is_refused)
OVER_ALL_FORMS(an_empty_pool_loses_nothing)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_from_the_driver_),
        cmocka_unit_test(frames_to_the_driver_),
        cmocka_unit_test(chains_from_the_driver_),
        cmocka_unit_test(chains_and_merged_buffers_to_the_driver_),
        cmocka_unit_test(long_frames_from_the_driver_),
        cmocka_unit_test(long_frames_to_the_driver_),
        cmocka_unit_test(without_merging_a_frame_too_long_is_refused_),
        cmocka_unit_test(a_long_frame_needs_packets_),
        cmocka_unit_test(checksums_of_frames_in_several_packets_),
        cmocka_unit_test(interrupts_only_where_wanted_),
        cmocka_unit_test(checksums_),
        cmocka_unit_test(bad_buffers_are_given_back_),
        cmocka_unit_test(segments_and_partial_checksums_were_not_agreed_on_),
        cmocka_unit_test(buffers_no_frame_fits_into_go_back_empty_),
        cmocka_unit_test(many_tiny_buffers_do_not_stall_),
        cmocka_unit_test(frames_that_cannot_be_sent_are_refused_),
        cmocka_unit_test(what_every_port_refuses_is_refused_),
        cmocka_unit_test(an_empty_pool_loses_nothing_),
        cmocka_unit_test(split_rings_break_where_the_place_is_lost),
        cmocka_unit_test(packed_chains_without_an_end_break_the_ring),
        cmocka_unit_test(split_goes_on_where_an_earlier_device_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
