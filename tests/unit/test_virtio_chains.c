/* SPDX-License-Identifier: Apache-2.0 */

/* Frames in several packets, through the driver's half of virtqueues. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "virtio_bench.h"

#define HELD 16

static const uint64_t shapes[] = {0, ORDER, PACKED, PACKED | ORDER};
static const uint16_t sizes[] = {16, 64, 128};

#define FOR_EACH_SHAPE(shape) \
    for (unsigned shape = 0; shape < sizeof(shapes) / sizeof(shapes[0]); shape++)

static uint32_t seed;

static uint32_t random_below(uint32_t limit)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % limit;
}

static uint8_t byte_of(uint32_t number, uint32_t at)
{
    return (uint8_t)(number * 7 + at * 31);
}

static uint32_t length_of(uint32_t number)
{
    return 64 + number * 7919u % (BENCH_FRAME - 63);
}

/* Frame `number`, cut anywhere behind the headers; NULL: the pool has too few packets. */
static struct ae_packet *make_frame(struct bench *bench, uint32_t number, uint32_t segments)
{
    uint32_t length = length_of(number), at = 0;
    struct ae_packet *first = NULL, **link = &first;

    if (ae_pool_available(bench->pair.pool) < segments)
        return NULL;
    for (uint32_t left = segments; left-- > 0;) {
        struct ae_packet *packet = ae_packet_get(bench->pair.pool);
        uint32_t most = length - at - left;

        packet->length = left == 0 ? most : first ? 1 + random_below(most) : 14 + random_below(30);
        if (packet->length > most)
            packet->length = most;
        for (uint32_t i = 0; i < packet->length; i++, at++)
            packet->data[i] = byte_of(number, at);
        packet->more = (uint8_t)left;
        *link = packet;
        link = &packet->next;
    }
    return first;
}

static void check_sent(const struct bench *bench, const struct device_buffer *buffer,
                       uint32_t number)
{
    static const struct virtio_net_hdr zero;
    uint32_t at = 0;

    for (uint32_t part = 0; part < buffer->count; part++) {
        const uint8_t *bytes = bench_at(bench, buffer->parts[part].addr, buffer->parts[part].len);
        uint32_t skip = part ? 0 : HEADER;

        assert_non_null(bytes);
        if (part == 0)
            assert_memory_equal(bytes, &zero, HEADER);
        for (uint32_t i = skip; i < buffer->parts[part].len; i++, at++)
            if (bytes[i] != byte_of(number, at))
                fail_msg("frame %u differs at byte %u", number, at);
    }
    assert_int_equal(at, length_of(number));
}

struct held {
    struct device_buffer buffers[HELD];
    uint32_t count;
};

/* In order, one entry tells of all up to one; else any, one by one. */
static void use_some(struct bench *bench, struct held *held)
{
    while (held->count && random_below(4)) {
        uint32_t index = random_below(held->count), first = index, skip = 0;

        if (bench->features & ORDER)
            first = 0;
        for (uint32_t i = first; i <= index; i++)
            skip += bench->features & PACKED ? held->buffers[i].count : 1;
        device_use(&bench->send, held->buffers[index].id, 0, (uint16_t)(skip - 1));
        memmove(held->buffers + first, held->buffers + index + 1,
                (held->count - index - 1) * sizeof(held->buffers[0]));
        held->count -= index + 1 - first;
    }
}

static void send_some(struct bench *bench, uint32_t *number)
{
    struct ae_packet *packets[8];
    uint16_t count = (uint16_t)(1 + random_below(8)), ready = 0, sent;

    for (; ready < count; ready++) {
        packets[ready] =
            make_frame(bench, *number + ready, random_below(3) ? 1 : 1 + random_below(6));
        if (!packets[ready])
            break;
    }
    sent = ae_send(bench->queue, packets, ready);
    *number += sent;
    if (sent < ready)
        assert_int_equal(bench->queue->refusal, AE_REFUSAL_FULL);
    ae_packet_put_burst(packets + sent, ready - sent);
}

static void frames_go_out_as_they_were_cut(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(shape)
    for (unsigned size = 0; size < sizeof(sizes) / sizeof(sizes[0]); size++) {
        uint16_t odd = shapes[shape] & PACKED ? 3 : 0;
        struct held held = {.count = 0};
        uint32_t number = 0, seen = 0;
        struct bench bench;

        assert_int_equal(bench_open(&bench, shapes[shape], sizes[size] + odd, 300), 0);
        for (unsigned round = 0; round < 3000; round++) {
            if (random_below(2))
                send_some(&bench, &number);
            while (held.count < HELD && random_below(4) &&
                   device_fetch(&bench.send, &held.buffers[held.count]))
                check_sent(&bench, &held.buffers[held.count++], seen++);
            use_some(&bench, &held);
            if (random_below(16) == 0)
                ae_reclaim(bench.queue, 4);
            if (random_below(500) == 0) {
                ae_virtio_reset(bench.queue);
                bench_devices(&bench);
                held.count = 0;
                seen = number;
            }
        }
        assert_true(number > 500);
        assert_int_equal(bench.counters.sent_frames, number);
        assert_int_equal(bench.counters.send_bad, 0);
        assert_int_equal(bench.counters.send_bad_descriptors, 0);
        assert_int_equal(bench_close(&bench), 0);
    }
}

static void a_chain_waits_for_room_for_all_of_it(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        struct device_buffer buffers[2];
        struct ae_packet *packet;
        struct bench bench;

        assert_int_equal(bench_open(&bench, shapes[shape], 8, 64), 0);
        packet = make_frame(&bench, 0, 9);
        assert_int_equal(ae_send(bench.queue, &packet, 1), 0);
        assert_int_equal(bench.queue->refusal, AE_REFUSAL_SEGMENTS);
        ae_packet_put(packet);
        for (uint32_t number = 0; number < 2; number++) {
            packet = make_frame(&bench, number, 3);
            assert_int_equal(ae_send(bench.queue, &packet, 1), 1);
            assert_true(device_fetch(&bench.send, &buffers[number]));
            assert_int_equal(buffers[number].count, 3);
        }
        assert_int_equal(ae_unsent(bench.queue), 6);
        packet = make_frame(&bench, 2, 3);
        assert_int_equal(ae_send(bench.queue, &packet, 1), 0);
        assert_int_equal(bench.queue->refusal, AE_REFUSAL_FULL);
        assert_int_equal(bench.counters.send_full, 1);
        device_use(&bench.send, buffers[0].id, 0, shapes[shape] & PACKED ? 2 : 0);
        assert_int_equal(ae_send(bench.queue, &packet, 1), 1);
        assert_true(device_fetch(&bench.send, &buffers[0]));
        check_sent(&bench, &buffers[0], 2);
        /* What is in flight goes back to the pool with the queue. */
        assert_int_equal(bench_close(&bench), 0);
    }
}

/* A descriptor in the middle of a chain is none that it was given; nor is one twice. */
static void a_device_that_uses_half_a_chain_breaks_the_ring(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(shape)
    for (uint16_t id = 1; id < 10; id++) {
        struct ae_packet *packet;
        struct bench bench;

        if (shapes[shape] == ORDER || id == 3)
            continue; /* split and in order, no id is read; 3 is the second frame's */
        assert_int_equal(bench_open(&bench, shapes[shape], 8, 64), 0);
        for (uint32_t number = 0; number < 2; number++) {
            packet = make_frame(&bench, number, 3);
            assert_int_equal(ae_send(bench.queue, &packet, 1), 1);
        }
        device_use(&bench.send, id, 0, 0);
        assert_int_equal(ae_reclaim(bench.queue, 8), 0);
        assert_true(ae_virtio_broken(bench.queue));
        assert_int_equal(bench.counters.send_bad_descriptors, 1);
        ae_virtio_reset(bench.queue);
        bench_devices(&bench);
        packet = make_frame(&bench, 2, 8);
        assert_int_equal(ae_send(bench.queue, &packet, 1), 1);
        assert_int_equal(bench_close(&bench), 0);
    }
}

/* ---- Receive ---- */

#define JUMBO 9000
#define ROOM  (BENCH_BUFFER - AE_PACKET_HEADROOM + HEADER) /* of a buffer that is received into */

static uint32_t jumbo_of(uint32_t number)
{
    return 14 + number * 7919u % (JUMBO + 18 - 13);
}

/* The device writes a frame into buffers, `cut` bytes each at most, and says of each that it is
 * used; or in order, where all but the last are full, of the last one. */
static void deliver(struct bench *bench, uint32_t number, uint32_t cut, bool batched)
{
    uint32_t bytes = HEADER + jumbo_of(number);
    struct virtio_net_hdr header = {.num_buffers = (uint16_t)((bytes + cut - 1) / cut)};
    uint32_t written = 0;

    for (uint16_t left = header.num_buffers; left-- > 0;) {
        uint32_t length = bytes - written < cut ? bytes - written : cut;
        struct device_buffer buffer;
        uint8_t *at;

        assert_true(device_fetch(&bench->receive, &buffer));
        at = bench_at(bench, buffer.addr, length);
        assert_non_null(at);
        for (uint32_t i = 0; i < length; i++, written++)
            at[i] = written < HEADER ? ((uint8_t *)&header)[written]
                                     : byte_of(number, written - HEADER);
        if (!batched)
            device_use(&bench->receive, buffer.id, length, 0);
        else if (left == 0)
            device_use(&bench->receive, buffer.id, length, (uint16_t)(header.num_buffers - 1));
    }
}

static void check_received(const struct ae_packet *packet, uint32_t number)
{
    uint32_t at = 0, more = packet->more;

    assert_int_equal(ae_packet_total(packet), jumbo_of(number));
    for (; packet; packet = ae_packet_next(packet), more--) {
        assert_int_equal(packet->more, more);
        assert_false(packet->in_pool);
        for (uint32_t i = 0; i < packet->length; i++, at++)
            if (packet->data[i] != byte_of(number, at))
                fail_msg("frame %u differs at byte %u", number, at);
    }
}

static void frames_come_in_as_they_were_merged(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(shape)
    for (unsigned batched = 0; batched < 2; batched++) {
        uint32_t number = 0, seen = 0;
        uint64_t bytes = 0;
        struct bench bench;
        uint16_t (*usual)(struct ae_queue *, struct ae_packet **, uint16_t);

        if (batched && !(shapes[shape] & ORDER))
            continue;
        assert_int_equal(bench_open_mtu(&bench, shapes[shape] | MERGE, 64, 300, JUMBO), 0);
        usual = bench.queue->receive;
        while (seen < 1000) {
            struct ae_packet *packets[8];
            uint16_t got;

            for (unsigned i = random_below(3); i > 0; i--)
                deliver(&bench, number++, batched ? ROOM : 700 + random_below(ROOM - 699), batched);
            do {
                got = ae_receive(bench.queue, packets, (uint16_t)(1 + random_below(8)));
                for (uint16_t i = 0; i < got; i++) {
                    check_received(packets[i], seen++);
                    bytes += ae_packet_total(packets[i]);
                    ae_packet_put(packets[i]);
                }
            } while (seen < number && (got || !batched || random_below(4)));
        }
        assert_ptr_equal(bench.queue->receive, usual);
        assert_int_equal(bench.counters.received_frames, seen);
        assert_int_equal(bench.counters.received_bytes, bytes);
        assert_int_equal(bench.counters.receive_errors, 0);
        assert_int_equal(bench.counters.receive_bad_descriptors, 0);
        assert_int_equal(bench_close(&bench), 0);
    }
}

/* Pieces of one frame: what the device says of each buffer. */
static uint16_t pieces_in(struct bench *bench, const uint32_t *written, uint16_t count,
                          uint16_t num_buffers, struct ae_packet **packets)
{
    const struct virtio_net_hdr header = {.num_buffers = num_buffers};
    struct device_buffer buffer;

    for (uint16_t i = 0; i < count; i++) {
        assert_true(device_fetch(&bench->receive, &buffer));
        if (i == 0)
            memcpy(bench_at(bench, buffer.addr, HEADER), &header, sizeof(header));
        device_use(&bench->receive, buffer.id, written[i], 0);
    }
    return ae_receive(bench->queue, packets, 16);
}

static void lengths_that_cannot_be_lose_the_frame_and_no_other(void **state)
{
    static const uint32_t lengths[][3] = {
        {HEADER + 13, 60, 60},      {5, 60, 60},       {HEADER + 60, 0, 60},
        {HEADER + 60, ROOM + 1, 1}, {ROOM + 1, 60, 1}, {HEADER + 60, 60, UINT32_MAX},
        {ROOM, ROOM, ROOM},
    };
    static const uint32_t good[] = {HEADER + 60, 60, 1};

    (void)state;
    FOR_EACH_SHAPE(shape)
    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct ae_packet *packets[16];
        struct bench bench;

        assert_int_equal(bench_open_mtu(&bench, shapes[shape] | MERGE, 16, 64, 4000), 0);
        assert_int_equal(pieces_in(&bench, lengths[i], 3, 3, packets), 0);
        assert_int_equal(bench.counters.receive_bad_descriptors + bench.counters.receive_errors, 1);
        assert_int_equal(pieces_in(&bench, good, 3, 3, packets), 1);
        assert_int_equal(ae_packet_total(packets[0]), 121);
        assert_int_equal(packets[0]->next->length, 60);
        ae_packet_put(packets[0]);
        assert_int_equal(bench_close(&bench), 0);
    }
}

/* The device that owed the rest has gone. */
static void a_frame_that_is_not_whole_is_not_another_devices(void **state)
{
    static const uint32_t written[] = {HEADER + 60, 60};

    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        struct ae_packet *packets[16];
        uint16_t positions[2];
        struct bench bench;

        assert_int_equal(bench_open_mtu(&bench, shapes[shape] | MERGE, 16, 64, JUMBO), 0);
        assert_int_equal(pieces_in(&bench, written, 2, 2, packets), 1);
        ae_packet_put(packets[0]);
        assert_true(ae_virtio_positions(bench.queue, positions));
        assert_int_equal(pieces_in(&bench, written, 2, 3, packets), 0);
        assert_false(ae_virtio_positions(bench.queue, positions));
        assert_int_equal(bench_close(&bench), 0);
    }
}

/* What there is of it goes back to the pool with the queue, or when that is reset. */
static void a_frame_that_does_not_get_whole_is_not_lost(void **state)
{
    static const uint32_t written[] = {HEADER + 60, 60, 60};

    (void)state;
    FOR_EACH_SHAPE(shape)
    for (unsigned reset = 0; reset < 2; reset++) {
        struct ae_packet *packets[16];
        struct bench bench;

        assert_int_equal(bench_open_mtu(&bench, shapes[shape] | MERGE, 16, 64, JUMBO), 0);
        assert_int_equal(pieces_in(&bench, written, 3, 4, packets), 0);
        if (reset) {
            ae_virtio_reset(bench.queue);
            bench_devices(&bench);
            assert_int_equal(ae_pool_available(bench.pair.pool), 64 - 16);
            assert_int_equal(pieces_in(&bench, written, 1, 1, packets), 1);
            ae_packet_put(packets[0]);
        }
        assert_int_equal(bench_close(&bench), 0);
    }
}

/* 5.1.6.4.1: the device left the checksum to the driver. */
static void a_checksum_is_completed_over_all_of_a_frame(void **state)
{
    struct virtio_net_hdr header = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6, .num_buffers = 3};
    static const uint32_t cuts[] = {77, 100, 131};
    struct device_buffer buffer;
    struct ae_packet *packet;
    struct bench bench;
    uint32_t sum = 0, at = 0;
    uint8_t *to;

    (void)state;
    assert_int_equal(bench_open_mtu(&bench, MERGE | SUM_IN, 16, 64, JUMBO), 0);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t skip = i ? 0 : HEADER;

        assert_true(device_fetch(&bench.receive, &buffer));
        to = bench_at(&bench, buffer.addr, buffer.len);
        memcpy(to, &header, skip);
        for (uint32_t j = 0; j < cuts[i]; j++, at++)
            to[skip + j] = byte_of(1, at);
        device_use(&bench.receive, buffer.id, skip + cuts[i], 0);
    }
    for (uint32_t i = 34; i < at; i++)
        sum += (uint32_t)byte_of(1, i) << (i & 1 ? 0 : 8);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    assert_int_equal(ae_receive(bench.queue, &packet, 1) + ae_receive(bench.queue, &packet, 1) +
                         ae_receive(bench.queue, &packet, 1),
                     1);
    assert_int_equal(packet->flags, AE_PACKET_L4_GOOD);
    assert_int_equal(packet->data[40] << 8 | packet->data[41], ~sum & 0xffff);
    ae_packet_put(packet);
    assert_int_equal(bench_close(&bench), 0);
}

static void buffers_that_are_not_merged_hold_the_longest_frame(void **state)
{
    struct bench bench;

    (void)state;
    assert_int_equal(bench_open_mtu(&bench, 0, 16, 64, 1903), -EINVAL);
    ae_pool_destroy(bench.pair.pool);
    free(bench.memory);
    assert_int_equal(bench_open_mtu(&bench, 0, 16, 64, 1902), 0);
    assert_int_equal(bench_close(&bench), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_go_out_as_they_were_cut),
        cmocka_unit_test(a_chain_waits_for_room_for_all_of_it),
        cmocka_unit_test(a_device_that_uses_half_a_chain_breaks_the_ring),
        cmocka_unit_test(frames_come_in_as_they_were_merged),
        cmocka_unit_test(lengths_that_cannot_be_lose_the_frame_and_no_other),
        cmocka_unit_test(a_frame_that_is_not_whole_is_not_another_devices),
        cmocka_unit_test(a_frame_that_does_not_get_whole_is_not_lost),
        cmocka_unit_test(a_checksum_is_completed_over_all_of_a_frame),
        cmocka_unit_test(buffers_that_are_not_merged_hold_the_longest_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
