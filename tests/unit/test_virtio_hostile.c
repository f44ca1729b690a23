/* SPDX-License-Identifier: Apache-2.0 */

/* What the driver's half of virtqueues does about devices that do what no device should, or what
 * few do: every packet is there in the end, and the caller can see what happened. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virtio_bench.h"

static const uint64_t shapes[] = {0, ORDER, PACKED, PACKED | ORDER};
#define FOR_EACH_SHAPE(shape) for (size_t shape = 0; shape < 4; shape++)

static struct ae_packet *make(struct bench *bench)
{
    struct ae_packet *packet = ae_packet_get(bench->pair.pool);

    memset(packet->data, 0, 60);
    packet->length = 60;
    return packet;
}

static void send_some(struct bench *bench, int count)
{
    for (int i = 0; i < count; i++) {
        struct ae_packet *packet = make(bench);

        assert_int_equal(ae_send(bench->queue, &packet, 1), 1);
    }
}

/* One more frame than there is room for, so that the driver looks at what came back. */
static void make_driver_look(struct bench *bench)
{
    struct ae_packet *packets[17];

    for (int i = 0; i < 17; i++)
        packets[i] = make(bench);
    bench->queue->refusal = AE_REFUSAL_LENGTH; /* of another time */
    for (uint16_t sent = ae_send(bench->queue, packets, 17); sent < 17; sent++)
        ae_packet_put(packets[sent]);
    assert_false(ae_refusal_is_final(bench->queue->refusal));
}

static void assert_broken(struct bench *bench)
{
    struct ae_packet *packet = make(bench), *got;
    uint32_t available = ae_pool_available(bench->pair.pool);

    assert_true(ae_virtio_broken(bench->queue));
    assert_int_equal(ae_send(bench->queue, &packet, 1), 0);
    assert_int_equal(ae_receive(bench->queue, &got, 1), 0);
    assert_int_equal(ae_pool_available(bench->pair.pool), available);
    ae_packet_put(packet);
}

static void assert_works_after_reset(struct bench *bench)
{
    struct device_buffer buffer;
    struct ae_packet *packet;
    uint8_t frame[60] = {0};

    ae_virtio_reset(bench->queue);
    bench_devices(bench);
    assert_false(ae_virtio_broken(bench->queue));
    send_some(bench, 1);
    assert_true(device_fetch(&bench->send, &buffer));
    assert_true(device_fetch(&bench->receive, &buffer));
    bench_put_frame(bench, &buffer, frame, 60);
    device_use(&bench->receive, buffer.id, HEADER + 60, 0);
    assert_int_equal(ae_receive(bench->queue, &packet, 1), 1);
    ae_packet_put(packet);
    assert_int_equal(bench_close(bench), 0);
}

/* ---- Lengths ---- */

static void impossible_lengths_are_dropped_and_counted(void **state)
{
    static const uint32_t lengths[] = {
        0, 1, 11, 12, 12 + 13, 12 + BENCH_FRAME + 1, BENCH_BUFFER, 0x80000000, UINT32_MAX};
    enum { COUNT = sizeof(lengths) / sizeof(lengths[0]) };

    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        struct ae_packet *packets[16];
        struct device_buffer buffer;
        uint8_t frame[60] = {7};
        struct bench bench;

        assert_int_equal(bench_open(&bench, shapes[shape], 16, 64), 0);
        for (int i = 0; i < COUNT; i++) {
            assert_true(device_fetch(&bench.receive, &buffer));
            device_use(&bench.receive, buffer.id, lengths[i], 0);
        }
        assert_true(device_fetch(&bench.receive, &buffer));
        bench_put_frame(&bench, &buffer, frame, 60);
        device_use(&bench.receive, buffer.id, HEADER + 60, 0);
        assert_int_equal(ae_receive(bench.queue, packets, 16), 1);
        assert_int_equal(packets[0]->length, 60);
        assert_int_equal(packets[0]->data[0], 7);
        ae_packet_put(packets[0]);
        assert_int_equal(bench.counters.receive_bad_descriptors, COUNT);
        assert_int_equal(bench.counters.received_frames, 1);
        assert_int_equal(bench.counters.received_bytes, 60);
        assert_false(ae_virtio_broken(bench.queue));
        assert_int_equal(bench_close(&bench), 0);
    }
}

/* ---- Ids ---- */

/* In order, an id ahead is a batch: so ids that cannot be are those of no buffer in flight. */
static void impossible_ids_break_the_queue(void **state)
{
    static const uint16_t ids[] = {16, 17, 0x7fff, 0x8000, 0xffff};

    (void)state;
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        FOR_EACH_SHAPE(shape)
        {
            struct device_buffer buffer;
            struct ae_packet *packet;
            struct bench bench;

            assert_int_equal(bench_open(&bench, shapes[shape], 16, 64), 0);
            assert_true(device_fetch(&bench.receive, &buffer));
            device_use(&bench.receive, ids[i], HEADER + 60, 0);
            assert_int_equal(ae_receive(bench.queue, &packet, 1), 0);
            assert_int_equal(bench.counters.receive_bad_descriptors, 1);
            assert_broken(&bench);
            assert_works_after_reset(&bench);

            /* Split and in order, ids of sent frames are not even read. */
            if (shapes[shape] == ORDER)
                continue;
            assert_int_equal(bench_open(&bench, shapes[shape], 16, 64), 0);
            send_some(&bench, 3);
            assert_true(device_fetch(&bench.send, &buffer));
            device_use(&bench.send, ids[i], 0, 0);
            make_driver_look(&bench);
            assert_int_equal(bench.counters.send_bad_descriptors, 1);
            assert_broken(&bench);
            assert_works_after_reset(&bench);
        }
    }
}

static void a_repeated_completion_breaks_the_queue(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        struct device_buffer buffer;
        struct ae_packet *packets[4];
        struct bench bench;

        /* In order, the id of the one before would be a batch of nearly a round. */
        assert_int_equal(bench_open(&bench, shapes[shape], 16, 64), 0);
        assert_true(device_fetch(&bench.receive, &buffer));
        memset(bench_at(&bench, buffer.addr, 80), 0, 80);
        device_use(&bench.receive, buffer.id, HEADER + 60, 0);
        device_use(&bench.receive, buffer.id, HEADER + 60, 0);
        assert_int_equal(ae_receive(bench.queue, packets, 4), 1);
        ae_packet_put(packets[0]);
        ae_receive(bench.queue, packets, 4);
        assert_true(bench.counters.receive_bad_descriptors);
        assert_broken(&bench);
        assert_works_after_reset(&bench);

        if (shapes[shape] == ORDER)
            continue;
        assert_int_equal(bench_open(&bench, shapes[shape], 16, 64), 0);
        send_some(&bench, 3);
        assert_true(device_fetch(&bench.send, &buffer));
        device_use(&bench.send, buffer.id, 0, 0);
        device_use(&bench.send, buffer.id, 0, 0);
        make_driver_look(&bench);
        assert_int_equal(bench.counters.send_bad_descriptors, 1);
        assert_broken(&bench);
        assert_works_after_reset(&bench);
    }
}

/* More than was given: a used index beyond it, or used descriptors that were never available. */
static void completing_what_was_not_given(void **state)
{
    static const uint16_t jumps[] = {1, 4, 17, 0x7fff, 0x8000};

    (void)state;
    for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
        for (int in_order = 0; in_order < 2; in_order++) {
            struct ae_packet *packet;
            struct bench bench;

            assert_int_equal(bench_open(&bench, in_order ? ORDER : 0, 16, 64), 0);
            send_some(&bench, 3);
            device_publish_used(&bench.send, (uint16_t)(3 + jumps[i]));
            make_driver_look(&bench);
            assert_int_equal(bench.counters.send_bad_descriptors, 1);
            assert_broken(&bench);
            device_publish_used(&bench.receive, (uint16_t)(16 + jumps[i]));
            assert_int_equal(ae_receive(bench.queue, &packet, 1), 0);
            assert_works_after_reset(&bench);

            assert_int_equal(bench_open(&bench, in_order ? ORDER : 0, 16, 64), 0);
            device_publish_used(&bench.receive, (uint16_t)(16 + jumps[i]));
            assert_int_equal(ae_receive(bench.queue, &packet, 1), 0);
            assert_int_equal(bench.counters.receive_bad_descriptors, 1);
            assert_broken(&bench);
            assert_works_after_reset(&bench);
        }
    }
    for (int in_order = 0; in_order < 2; in_order++) {
        struct bench bench;

        assert_int_equal(bench_open(&bench, PACKED | (in_order ? ORDER : 0), 16, 64), 0);
        for (uint16_t id = 0; id < 16; id++)
            device_use(&bench.send, id, 0, 0);
        make_driver_look(&bench);
        /* Nothing was in flight, so nothing was looked at: the frames are. */
        assert_int_equal(bench.counters.sent_frames, 16);
        assert_false(ae_virtio_broken(bench.queue));
        assert_int_equal(bench_close(&bench), 0);
    }
}

/* Takes its index back after the driver saw it. */
static void a_used_index_that_goes_back(void **state)
{
    (void)state;
    for (int in_order = 0; in_order < 2; in_order++) {
        struct ae_packet *packets[16];
        struct device_buffer buffer;
        uint8_t frame[60] = {0};
        struct bench bench;

        assert_int_equal(bench_open(&bench, in_order ? ORDER : 0, 16, 64), 0);
        for (int i = 0; i < 3; i++) {
            assert_true(device_fetch(&bench.receive, &buffer));
            bench_put_frame(&bench, &buffer, frame, 60);
            device_use(&bench.receive, buffer.id, HEADER + 60, 0);
        }
        assert_int_equal(ae_receive(bench.queue, packets, 3), 3);
        device_publish_used(&bench.receive, (uint16_t)-2);
        assert_int_equal(ae_receive(bench.queue, packets + 3, 3), 0);
        assert_int_equal(bench.counters.receive_bad_descriptors, 1);
        assert_broken(&bench);
        for (int i = 0; i < 3; i++)
            ae_packet_put(packets[i]);
        assert_works_after_reset(&bench);
    }
}

static void missing_completions_leave_room_for_no_more(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        struct bench bench;

        assert_int_equal(bench_open(&bench, shapes[shape], 16, 64), 0);
        send_some(&bench, 16);
        make_driver_look(&bench);
        assert_int_equal(bench.counters.sent_frames, 16);
        assert_int_equal(bench.counters.send_full, 17);
        assert_false(ae_virtio_broken(bench.queue));
        assert_int_equal(bench_close(&bench), 0);
    }
}

/* ---- Batches, in order ---- */

/* Received buffers that are skipped are full, so longer than a frame: all but the last are dropped.
 */
static void of_a_batch_of_received_buffers_the_last_is_a_frame(void **state)
{
    (void)state;
    for (int packed = 0; packed < 2; packed++) {
        struct device_buffer buffer;
        struct ae_packet *packets[16];
        uint8_t frame[60] = {9};
        struct bench bench;

        for (uint16_t length = 2; length <= 15; length++) {
            assert_int_equal(bench_open(&bench, ORDER | (packed ? PACKED : 0), 16, 64), 0);
            for (uint16_t i = 0; i < length; i++)
                assert_true(device_fetch(&bench.receive, &buffer));
            bench_put_frame(&bench, &buffer, frame, 60);
            device_use(&bench.receive, buffer.id, HEADER + 60, (uint16_t)(length - 1));
            assert_true(device_fetch(&bench.receive, &buffer));
            bench_put_frame(&bench, &buffer, frame, 60);
            device_use(&bench.receive, buffer.id, HEADER + 60, 0);
            for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(ae_receive(bench.queue, packets, 1), 1);
                assert_int_equal(packets[0]->data[0], 9);
                ae_packet_put(packets[0]);
            }
            assert_int_equal(bench.counters.receive_bad_descriptors, length - 1);
            assert_int_equal(bench.counters.received_frames, 2);
            assert_int_equal(bench_close(&bench), 0);
        }
    }
}

/* ---- Frames in several buffers ---- */

static void use_piece(struct bench *bench, uint16_t num_buffers)
{
    struct device_buffer buffer;
    uint8_t frame[60] = {3};
    uint8_t *at;

    assert_true(device_fetch(&bench->receive, &buffer));
    bench_put_frame(bench, &buffer, frame, 60);
    at = bench_at(bench, buffer.addr, HEADER);
    memcpy(at + offsetof(struct virtio_net_hdr, num_buffers), &num_buffers, sizeof(num_buffers));
    device_use(&bench->receive, buffer.id, HEADER + 60, 0);
}

/* Where one buffer holds the longest frame. */
static void frames_in_several_buffers_are_dropped_whole(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        struct ae_packet *packets[16];
        struct bench bench;

        assert_int_equal(bench_open(&bench, shapes[shape] | MERGE, 16, 64), 0);
        use_piece(&bench, 3);
        assert_int_equal(ae_receive(bench.queue, packets, 16), 0);
        use_piece(&bench, 77); /* frame data, where a header would be */
        use_piece(&bench, 0);
        use_piece(&bench, 1);
        assert_int_equal(ae_receive(bench.queue, packets, 16), 1);
        assert_int_equal(packets[0]->data[0], 3);
        assert_int_equal(bench.counters.receive_errors, 1);
        assert_int_equal(bench.counters.receive_bad_descriptors, 0);
        ae_packet_put(packets[0]);
        use_piece(&bench, 0);
        assert_int_equal(ae_receive(bench.queue, packets, 16), 0);
        assert_int_equal(bench.counters.receive_bad_descriptors, 1);
        assert_int_equal(bench_close(&bench), 0);

        /* Not negotiated: the field says nothing. */
        assert_int_equal(bench_open(&bench, shapes[shape], 16, 64), 0);
        use_piece(&bench, 3);
        assert_int_equal(ae_receive(bench.queue, packets, 16), 1);
        ae_packet_put(packets[0]);
        assert_int_equal(bench_close(&bench), 0);
    }
}

static void frames_in_too_many_buffers_are_dropped_whole(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        struct ae_packet *packets[16];
        struct bench bench;

        assert_int_equal(bench_open_mtu(&bench, shapes[shape] | MERGE, 32, 64, 9000), 0);
        use_piece(&bench, AE_FRAME_SEGMENTS + 1);
        for (unsigned i = 0; i < AE_FRAME_SEGMENTS; i++) {
            assert_int_equal(ae_receive(bench.queue, packets, 16), 0);
            use_piece(&bench, (uint16_t)(77 * i)); /* frame data, where a header would be */
        }
        use_piece(&bench, 1);
        for (uint16_t got = 0, tries = 0; got == 0; tries++) {
            assert_in_range(tries, 0, 2);
            got = ae_receive(bench.queue, packets, 16);
        }
        assert_int_equal(packets[0]->data[0], 3);
        assert_int_equal(packets[0]->more, 0);
        assert_int_equal(bench.counters.receive_errors, 1);
        assert_int_equal(bench.counters.receive_bad_descriptors, 0);
        ae_packet_put(packets[0]);
        assert_int_equal(bench_close(&bench), 0);
    }
}

/* How many of them are a frame's rest is not known. */
static void more_buffers_than_the_ring_has_break_it(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        struct ae_packet *packets[16];
        struct bench bench;

        assert_int_equal(bench_open_mtu(&bench, shapes[shape] | MERGE, 16, 64, 9000), 0);
        use_piece(&bench, 17);
        use_piece(&bench, 1);
        assert_int_equal(ae_receive(bench.queue, packets, 16), 0);
        assert_true(ae_virtio_broken(bench.queue));
        assert_int_equal(bench.counters.receive_bad_descriptors, 1);
        assert_int_equal(bench_close(&bench), 0);
    }
}

/* ---- Checksums ---- */

static const uint8_t udp_frame[] = {
    2,    0, 0, 0,  0, 1,  2, 0, 0,   0,   0,   2,   8,   0,                    /* Ethernet */
    0x45, 0, 0, 33, 0, 0,  0, 0, 64,  17,  0,   0,   10,  0, 0, 1, 10, 0, 0, 2, /* IPv4 */
    0,    7, 0, 9,  0, 13, 0, 0, 'h', 'e', 'l', 'l', 'o',                       /* UDP */
};

/* Ones' complement sum of big-endian words, folded; RFC 1071 as it stands. */
static uint16_t slow_sum(const uint8_t *data, size_t length, uint32_t sum)
{
    for (size_t i = 0; i < length; i++)
        sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static uint16_t pseudo_sum(void)
{
    return slow_sum(udp_frame + 26, 8, 17 + 13);
}

static uint16_t receive_with(struct bench *bench, const struct virtio_net_hdr *header,
                             struct ae_packet **packet)
{
    uint16_t pseudo = __builtin_bswap16(pseudo_sum());
    struct device_buffer buffer;
    uint8_t frame[60] = {0};

    assert_true(device_fetch(&bench->receive, &buffer));
    memcpy(frame, udp_frame, sizeof(udp_frame));
    memcpy(frame + 40, &pseudo, 2);
    bench_put_frame(bench, &buffer, frame, sizeof(udp_frame));
    memcpy(bench_at(bench, buffer.addr, HEADER), header, HEADER);
    device_use(&bench->receive, buffer.id, HEADER + (uint32_t)sizeof(udp_frame), 0);
    return ae_receive(bench->queue, packet, 1);
}

static void checksums_left_to_the_driver_are_completed(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        struct virtio_net_hdr header = {.num_buffers = 1};
        struct ae_packet *packet;
        struct bench bench;

        assert_int_equal(bench_open(&bench, shapes[shape] | SUM_IN, 16, 64), 0);
        assert_int_equal(receive_with(&bench, &header, &packet), 1);
        assert_int_equal(packet->flags, 0);
        ae_packet_put(packet);

        header.flags = VIRTIO_NET_HDR_F_DATA_VALID;
        assert_int_equal(receive_with(&bench, &header, &packet), 1);
        assert_int_equal(packet->flags, AE_PACKET_L4_GOOD);
        ae_packet_put(packet);

        header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        header.csum_start = 34;
        header.csum_offset = 6;
        assert_int_equal(receive_with(&bench, &header, &packet), 1);
        assert_int_equal(packet->flags, AE_PACKET_L4_GOOD);
        assert_int_equal(packet->length, sizeof(udp_frame));
        assert_int_equal(slow_sum(packet->data + 34, 13, pseudo_sum()), 0xffff);
        ae_packet_put(packet);

        for (int kind = 0; kind < 4; kind++) {
            header.csum_start = (uint16_t[]){46, 0xffff, 34, 13}[kind];
            header.csum_offset = (uint16_t[]){0, 0xffff, 12, 6}[kind];
            assert_int_equal(receive_with(&bench, &header, &packet), 0);
            assert_int_equal(bench.counters.receive_bad_descriptors, kind + 1);
        }
        assert_int_equal(bench_close(&bench), 0);
    }
}

static void checksums_are_asked_of_the_device(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        struct virtio_net_hdr header;
        struct device_buffer buffer;
        struct ae_packet *packet;
        struct bench bench;

        assert_int_equal(bench_open(&bench, shapes[shape] | SUM_OUT, 16, 64), 0);
        for (int tcp = 0; tcp < 2; tcp++) {
            packet = make(&bench);
            packet->l3_offset = 14;
            packet->l4_offset = 34;
            packet->flags = tcp ? AE_PACKET_SEND_TCP_CHECKSUM : AE_PACKET_SEND_UDP_CHECKSUM;
            assert_int_equal(ae_send(bench.queue, &packet, 1), 1);
            assert_true(device_fetch(&bench.send, &buffer));
            memcpy(&header, bench_at(&bench, buffer.addr, HEADER), HEADER);
            assert_int_equal(header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
            assert_int_equal(header.gso_type, VIRTIO_NET_HDR_GSO_NONE);
            assert_int_equal(header.csum_start, 34);
            assert_int_equal(header.csum_offset, tcp ? 16 : 6);
            assert_int_equal(header.num_buffers, 0);
        }
        packet = make(&bench);
        for (int kind = 0; kind < 4; kind++) {
            packet->l4_offset = kind == 0 ? 13 : kind == 1 ? 53 : 34;
            packet->flags = kind == 2   ? AE_PACKET_SEND_IPV4_CHECKSUM
                            : kind == 3 ? AE_PACKET_SEND_TCP_CHECKSUM | AE_PACKET_SEND_UDP_CHECKSUM
                                        : AE_PACKET_SEND_UDP_CHECKSUM;
            assert_int_equal(ae_send(bench.queue, &packet, 1), 0);
            assert_int_equal(bench.counters.send_bad, kind + 1);
        }
        ae_packet_put(packet);
        assert_int_equal(bench_close(&bench), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(impossible_lengths_are_dropped_and_counted),
        cmocka_unit_test(impossible_ids_break_the_queue),
        cmocka_unit_test(a_repeated_completion_breaks_the_queue),
        cmocka_unit_test(completing_what_was_not_given),
        cmocka_unit_test(a_used_index_that_goes_back),
        cmocka_unit_test(missing_completions_leave_room_for_no_more),
        cmocka_unit_test(of_a_batch_of_received_buffers_the_last_is_a_frame),
        cmocka_unit_test(frames_in_several_buffers_are_dropped_whole),
        cmocka_unit_test(frames_in_too_many_buffers_are_dropped_whole),
        cmocka_unit_test(more_buffers_than_the_ring_has_break_it),
        cmocka_unit_test(checksums_left_to_the_driver_are_completed),
        cmocka_unit_test(checksums_are_asked_of_the_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
