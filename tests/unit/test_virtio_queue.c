/* SPDX-License-Identifier: Apache-2.0 */

/* The driver's half of virtqueues against a device that does as the text of virtio says. What
 * devices do that do not is in test_virtio_hostile.c. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "port/sendable.h"
#include "sendable.h"
#include "virtio_bench.h"

static uint32_t seed;

static uint32_t random_below(uint32_t limit)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % limit;
}

static uint32_t fill_frame(uint8_t *frame, uint32_t number)
{
    uint32_t length = 14 + number * 7919u % (BENCH_FRAME - 13);

    for (uint32_t i = 0; i < length; i++)
        frame[i] = (uint8_t)(number + i * 31);
    return length;
}

static void check_frame(const uint8_t *data, uint32_t length, uint32_t number)
{
    uint8_t expected[BENCH_FRAME];

    assert_int_equal(length, fill_frame(expected, number));
    assert_memory_equal(data, expected, length);
}

/* ---- A device that holds some buffers and uses them in or out of order ---- */

struct held {
    struct device_buffer buffers[32];
    uint32_t numbers[32];
    uint32_t count;
};

static void forget(struct held *held, uint32_t index)
{
    held->count--;
    memmove(&held->buffers[index], &held->buffers[index + 1],
            (held->count - index) * sizeof(held->buffers[0]));
    memmove(&held->numbers[index], &held->numbers[index + 1],
            (held->count - index) * sizeof(held->numbers[0]));
}

static uint32_t pick(const struct bench *bench, const struct held *held)
{
    return bench->features & ORDER ? 0 : random_below(held->count);
}

/* To the driver. Frames are numbered as they are used, which is how they must arrive. */
static void device_receives(struct bench *bench, struct held *held, uint32_t *number)
{
    uint8_t frame[BENCH_FRAME];

    while (held->count < 32 && random_below(8) &&
           device_fetch(&bench->receive, &held->buffers[held->count])) {
        assert_true(held->buffers[held->count].write);
        assert_int_equal(held->buffers[held->count].len,
                         BENCH_BUFFER - AE_PACKET_HEADROOM + HEADER);
        held->count++;
    }
    while (held->count && random_below(8)) {
        uint32_t index = pick(bench, held), length = fill_frame(frame, *number);

        bench_put_frame(bench, &held->buffers[index], frame, length);
        device_use(&bench->receive, held->buffers[index].id, HEADER + length, 0);
        forget(held, index);
        ++*number;
    }
}

/* From the driver. Buffers must become available in the order in which frames were sent. In order,
 * one entry may tell of several. */
static void device_sends(struct bench *bench, struct held *held, uint32_t *number)
{
    static const struct virtio_net_hdr zero;
    struct device_buffer buffer;

    while (held->count < 32 && random_below(8) && device_fetch(&bench->send, &buffer)) {
        const uint8_t *at = bench_at(bench, buffer.addr, buffer.len);

        assert_non_null(at);
        assert_false(buffer.write);
        assert_memory_equal(at, &zero, HEADER);
        check_frame(at + HEADER, buffer.len - HEADER, (*number)++);
        held->buffers[held->count++] = buffer;
    }
    while (held->count && random_below(8)) {
        uint32_t index = pick(bench, held), skip = 0;

        if (bench->features & ORDER)
            index = skip = random_below(held->count);
        device_use(&bench->send, held->buffers[index].id, 0, (uint16_t)skip);
        for (uint32_t i = 0; i <= skip; i++)
            forget(held, index - i);
    }
}

static void driver_sends(struct bench *bench, uint32_t *number)
{
    struct ae_packet *packets[40];
    uint16_t count = (uint16_t)(1 + random_below(40)), got = 0, sent;

    for (; got < count; got++) {
        packets[got] = ae_packet_get(bench->pair.pool);
        if (!packets[got])
            break;
        packets[got]->length = fill_frame(packets[got]->data, *number + got);
    }
    sent = ae_send(bench->queue, packets, got);
    *number += sent;
    while (got > sent)
        ae_packet_put(packets[--got]);
}

static void driver_receives(struct bench *bench, uint32_t *number)
{
    struct ae_packet *packets[40];
    uint16_t got = ae_receive(bench->queue, packets, (uint16_t)(1 + random_below(40)));

    for (uint16_t i = 0; i < got; i++) {
        check_frame(packets[i]->data, packets[i]->length, (*number)++);
        assert_int_equal(packets[i]->flags, 0);
        ae_packet_put(packets[i]);
    }
}

static uint16_t place_of(const struct device_queue *device)
{
    return device->packed ? (uint16_t)(device->next_used | device->used_wrap << 15)
                          : device->used_idx;
}

/* Where the device stands, the driver knows: also of what it has not yet taken. */
static void compare_positions(struct bench *bench)
{
    uint16_t positions[2];

    assert_true(ae_virtio_positions(bench->queue, positions));
    assert_int_equal(positions[0], place_of(&bench->receive));
    assert_int_equal(positions[1], place_of(&bench->send));
}

static void run_traffic(uint64_t features, uint16_t size, uint32_t frames)
{
    struct held receiving = {0}, sending = {0};
    uint32_t to_driver = 0, received = 0, from_driver = 0, sent = 0;
    struct bench bench;

    seed = size;
    assert_int_equal(bench_open(&bench, features, size, 2u * size + 80), 0);
    assert_true(device_interrupts_off(&bench.receive, bench.pair.receive.memory));
    assert_true(device_interrupts_off(&bench.send, bench.pair.send.memory));
    for (uint32_t round = 0; received < frames || sent < frames; round++) {
        assert_in_range(round, 0, 100 * frames);
        device_receives(&bench, &receiving, &to_driver);
        driver_receives(&bench, &received);
        driver_sends(&bench, &from_driver);
        device_sends(&bench, &sending, &sent);
        if (random_below(16) == 0)
            compare_positions(&bench);
    }
    assert_int_equal(bench.counters.received_frames, received);
    assert_int_equal(bench.counters.sent_frames, from_driver);
    assert_int_equal(bench.counters.receive_bad_descriptors, 0);
    assert_int_equal(bench.counters.send_bad_descriptors, 0);
    assert_int_equal(bench.counters.receive_no_buffer, 0);
    assert_false(ae_virtio_broken(bench.queue));
    assert_int_equal(bench_close(&bench), 0);
}

/* More than 65536 frames each way, so that every 16-bit index wraps. */
static void frames_pass_intact_split(void **state)
{
    (void)state;
    run_traffic(0, 64, 70000);
    run_traffic(ORDER, 64, 70000);
    run_traffic(MERGE | SUM_IN | SUM_OUT, 256, 3000);
    run_traffic(ORDER | MERGE | SUM_IN | SUM_OUT, 256, 3000);
    run_traffic(0, 2, 1000);
    run_traffic(ORDER, 2, 1000);
    run_traffic(0, VIRTQ_SIZE_MAX, 40000);
}

static void frames_pass_intact_packed(void **state)
{
    (void)state;
    run_traffic(PACKED, 64, 70000);
    run_traffic(PACKED | ORDER, 64, 70000);
    run_traffic(PACKED | MERGE | SUM_IN | SUM_OUT, 256, 3000);
    run_traffic(PACKED | ORDER | MERGE | SUM_IN | SUM_OUT, 256, 3000);
    for (uint16_t size = 2; size < 40; size++) {
        run_traffic(PACKED, size, 500);
        run_traffic(PACKED | ORDER, size, 500);
    }
    run_traffic(PACKED, VIRTQ_SIZE_MAX - 1, 40000);
    run_traffic(PACKED | ORDER, VIRTQ_SIZE_MAX, 40000);
}

/* ---- All shapes of a queue, for what holds in each ---- */

static const uint64_t shapes[] = {0, ORDER, PACKED, PACKED | ORDER};
#define FOR_EACH_SHAPE(shape) for (size_t shape = 0; shape < 4; shape++)

static void an_empty_pool_is_counted_and_survived(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        struct ae_packet *packets[16], *one;
        struct device_buffer buffer;
        uint8_t frame[64] = {0};
        struct bench bench;
        uint16_t got = 0;

        /* 16 of 20 fill the ring; the caller keeps what arrives. */
        assert_int_equal(bench_open(&bench, shapes[shape], 16, 20), 0);
        while (device_fetch(&bench.receive, &buffer)) {
            bench_put_frame(&bench, &buffer, frame, 60);
            device_use(&bench.receive, buffer.id, HEADER + 60, 0);
        }
        while (got < 16) {
            uint16_t more = ae_receive(bench.queue, packets + got, 1);

            assert_int_equal(more, 1);
            got++;
        }
        for (int i = 0; i < 10; i++)
            assert_int_equal(ae_receive(bench.queue, &one, 1), 0);
        assert_int_equal(ae_pool_available(bench.pair.pool), 0);
        assert_int_equal(bench.counters.receive_no_buffer, 12);
        while (got)
            ae_packet_put(packets[--got]);
        assert_int_equal(ae_receive(bench.queue, &one, 1), 0);
        while (device_fetch(&bench.receive, &buffer))
            got++;
        assert_int_equal(got, 16);
        assert_int_equal(bench_close(&bench), 0);
    }
}

/* The device gets no buffer back while there are frames to take, unless half of them are gone. */
static void refilling_waits_for_an_idle_moment(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        struct device_buffer buffer;
        uint8_t frame[64] = {0};
        struct ae_packet *one;
        struct bench bench;
        int taken = 0;

        assert_int_equal(bench_open(&bench, shapes[shape], 64, 200), 0);
        while (device_fetch(&bench.receive, &buffer)) {
            bench_put_frame(&bench, &buffer, frame, 60);
            device_use(&bench.receive, buffer.id, HEADER + 60, 0);
        }
        for (; taken < 32; taken++) {
            assert_false(device_fetch(&bench.receive, &buffer));
            assert_int_equal(ae_receive(bench.queue, &one, 1), 1);
            ae_packet_put(one);
        }
        for (; taken < 64; taken++) {
            assert_int_equal(ae_receive(bench.queue, &one, 1), 1);
            assert_int_equal(device_fetch(&bench.receive, &buffer), taken < 64);
            ae_packet_put(one);
        }
        assert_int_equal(ae_receive(bench.queue, &one, 1), 0);
        while (device_fetch(&bench.receive, &buffer))
            taken--;
        assert_int_equal(taken, 32);
        assert_int_equal(bench_close(&bench), 0);
    }
}

static struct ae_packet *make(struct bench *bench, uint32_t length)
{
    struct ae_packet *packet = ae_packet_get(bench->pair.pool);

    memset(packet->data, 0, length);
    packet->length = length;
    return packet;
}

static void a_full_ring_is_counted(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        struct ae_packet *packets[20];
        struct device_buffer buffer;
        struct bench bench;

        assert_int_equal(bench_open(&bench, shapes[shape], 16, 64), 0);
        for (int i = 0; i < 20; i++)
            packets[i] = make(&bench, 60);
        assert_int_equal(ae_send(bench.queue, packets, 20), 16);
        assert_int_equal(bench.counters.send_full, 4);
        assert_int_equal(ae_send(bench.queue, packets + 16, 4), 0);
        assert_int_equal(bench.counters.send_full, 8);
        for (int i = 0; i < 2; i++) {
            assert_true(device_fetch(&bench.send, &buffer));
            device_use(&bench.send, buffer.id, 0, 0);
        }
        assert_int_equal(ae_send(bench.queue, packets + 16, 4), 2);
        assert_int_equal(bench.counters.send_full, 10);
        assert_int_equal(bench.queue->refusal, AE_REFUSAL_FULL);
        ae_packet_put(packets[18]);
        ae_packet_put(packets[19]);
        assert_int_equal(bench_close(&bench), 0);
    }
}

/* Also when nothing more is sent; and no more than was asked for. */
static void what_was_sent_is_reclaimed(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        struct ae_packet *packets[8];
        struct device_buffer buffer;
        struct bench bench;
        uint32_t left;
        uint64_t ns;

        assert_int_equal(bench_open(&bench, shapes[shape], 16, 64), 0);
        for (int i = 0; i < 8; i++)
            packets[i] = make(&bench, 60);
        left = ae_pool_available(bench.pair.pool);
        assert_int_equal(ae_send(bench.queue, packets, 8), 8);
        assert_int_equal(ae_reclaim(bench.queue, 16), 0);
        for (int i = 0; i < 5; i++) {
            assert_true(device_fetch(&bench.send, &buffer));
            device_use(&bench.send, buffer.id, 0, 0);
        }
        assert_int_equal(ae_reclaim(bench.queue, 0), 0);
        assert_int_equal(ae_reclaim(bench.queue, 2), 2);
        assert_int_equal(ae_reclaim(bench.queue, 16), 3);
        assert_int_equal(ae_reclaim(bench.queue, 16), 0);
        assert_int_equal(ae_pool_available(bench.pair.pool), left + 5);
        assert_int_equal(ae_unsent(bench.queue), 3);
        assert_true(device_fetch(&bench.send, &buffer));
        device_use(&bench.send, buffer.id, 0, 0);
        assert_int_equal(ae_unsent(bench.queue), 2);
        assert_int_equal(ae_sent_timestamp(bench.queue, &ns), -EOPNOTSUPP);
        assert_int_equal(bench_close(&bench), 0);
    }
}

static void what_cannot_be_sent_is_refused(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        struct ae_packet *packets[2];
        struct device_buffer buffer;
        struct bench bench;

        assert_int_equal(bench_open(&bench, shapes[shape], 16, 64), 0);
        packets[0] = make(&bench, 60);
        packets[1] = make(&bench, 60);
        for (int kind = 0; kind < 6; kind++) {
            packets[1]->length = kind == 0 ? 13 : kind == 1 ? BENCH_FRAME + 1 : 60;
            packets[1]->flags = kind == 2   ? AE_PACKET_SEND_IPV4_CHECKSUM
                                : kind == 3 ? AE_PACKET_SEND_UDP_CHECKSUM
                                : kind == 4 ? AE_PACKET_SEND_TCP_CHECKSUM
                                            : 0;
            packets[1]->data = packets[1]->buffer + (kind == 5 ? 11 : AE_PACKET_HEADROOM);
            assert_int_equal(ae_send(bench.queue, packets, 2), 1);
            assert_int_equal(bench.counters.send_bad, kind + 1);
            assert_true(device_fetch(&bench.send, &buffer));
            assert_false(device_fetch(&bench.send, &buffer));
            packets[0] = make(&bench, 60);
        }
        assert_int_equal(bench.counters.send_full, 0);
        packets[1]->data = packets[1]->buffer + HEADER;
        packets[1]->length = BENCH_FRAME;
        assert_int_equal(ae_send(bench.queue, packets, 2), 2);
        assert_int_equal(bench_close(&bench), 0);
    }
}

static void what_every_port_refuses_is_refused(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        for (unsigned checksum = 0; checksum < 2; checksum++) {
            struct bench bench;

            assert_int_equal(bench_open(&bench, shapes[shape] | (checksum ? SUM_OUT : 0), 64, 256),
                             0);
            sendable_assert_rules(
                bench.queue, BENCH_FRAME,
                checksum ? (uint32_t)(AE_PACKET_SEND_UDP_CHECKSUM | AE_PACKET_SEND_TCP_CHECKSUM)
                         : 0,
                AE_FRAME_SEGMENTS);
            ae_virtio_reset(bench.queue);
            assert_int_equal(bench.packets - ae_pool_available(bench.pair.pool) - 64, 0);
            assert_int_equal(bench_close(&bench), 0);
        }
    }
}

/* The headers of received frames, and whatever the caller left before its frame, must not reach the
 * device. */
static void the_header_sent_is_always_zero(void **state)
{
    static const struct virtio_net_hdr zero;

    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        struct device_buffer buffer;
        struct ae_packet *packet;
        uint8_t frame[60] = {0};
        struct bench bench;

        assert_int_equal(bench_open(&bench, shapes[shape], 16, 64), 0);
        assert_true(device_fetch(&bench.receive, &buffer));
        bench_put_frame(&bench, &buffer, frame, 60);
        memset(bench_at(&bench, buffer.addr, HEADER), 0xff, HEADER);
        device_use(&bench.receive, buffer.id, HEADER + 60, 0);
        assert_int_equal(ae_receive(bench.queue, &packet, 1), 1);
        assert_int_equal(ae_send(bench.queue, &packet, 1), 1);
        assert_true(device_fetch(&bench.send, &buffer));
        assert_memory_equal(bench_at(&bench, buffer.addr, HEADER), &zero, HEADER);
        assert_int_equal(bench_close(&bench), 0);
    }
}

static void a_reset_makes_all_as_new(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        struct ae_packet *packets[5], *got;
        struct device_buffer buffer;
        uint8_t frame[BENCH_FRAME];
        struct bench bench;
        uint16_t count = 0;

        assert_int_equal(bench_open(&bench, shapes[shape], 16, 64), 0);
        for (int i = 0; i < 5; i++)
            packets[i] = make(&bench, 60);
        assert_int_equal(ae_send(bench.queue, packets, 5), 5);
        for (uint32_t i = 0; i < 3; i++) {
            assert_true(device_fetch(&bench.receive, &buffer));
            device_use(&bench.receive, buffer.id, HEADER + 60, 0);
        }
        assert_int_equal(ae_receive(bench.queue, &got, 1), 1);
        ae_virtio_reset(bench.queue);
        bench_devices(&bench);
        assert_int_equal(ae_pool_available(bench.pair.pool), 64 - 16 - 1);
        assert_int_equal(ae_receive(bench.queue, packets, 5), 0);
        assert_false(device_fetch(&bench.send, &buffer));
        while (device_fetch(&bench.receive, &buffer)) {
            uint32_t length = fill_frame(frame, count++);

            bench_put_frame(&bench, &buffer, frame, length);
            device_use(&bench.receive, buffer.id, HEADER + length, 0);
        }
        assert_int_equal(count, 16);
        for (uint32_t i = 0; i < 16; i++) {
            assert_int_equal(ae_receive(bench.queue, packets, 1), 1);
            check_frame(packets[0]->data, packets[0]->length, i);
            ae_packet_put(packets[0]);
        }
        ae_packet_put(got);
        assert_int_equal(bench_close(&bench), 0);
    }
}

/* ---- Notifications ---- */

static void suppress(struct bench *bench, bool on)
{
    bench->send.used->flags = on;  /* RING_EVENT_FLAGS_DISABLE is 1 as well ... */
    bench->send.event->flags = on; /* ... but in another place: the forms do not overlap */
}

static bool rung(int fd)
{
    uint64_t value;

    return read(fd, &value, sizeof(value)) == sizeof(value);
}

static void notify(struct bench *bench)
{
    struct ae_packet *packet = make(bench, 60);

    assert_int_equal(ae_send(bench->queue, &packet, 1), 1);
}

static void the_device_is_told_when_it_wants_it(void **state)
{
    int fd = eventfd(0, EFD_NONBLOCK);

    (void)state;
    FOR_EACH_SHAPE(shape)
    {
        bool packed = shapes[shape] & PACKED;
        uint32_t flag = 0, mmio;
        struct bench bench;

        assert_int_equal(bench_open(&bench, shapes[shape], 16, 64), 0);
        ae_virtio_detach(bench.queue);
        bench.pair.send.doorbell.fd = fd;
        assert_int_equal(ae_virtio_attach(&bench.queue, &bench.pair, NULL), 0);
        assert_true(ae_virtio_wants_notification(&bench.pair.send, packed));
        notify(&bench);
        assert_true(rung(fd));
        suppress(&bench, true);
        assert_false(ae_virtio_wants_notification(&bench.pair.send, packed));
        notify(&bench);
        assert_false(rung(fd));

        /* The flag is set in any case: the owner looks at what the device wants. */
        ae_virtio_detach(bench.queue);
        bench.pair.send.doorbell.flag = &flag;
        assert_int_equal(ae_virtio_attach(&bench.queue, &bench.pair, NULL), 0);
        suppress(&bench, true);
        notify(&bench);
        assert_int_equal(flag, 1);
        assert_false(rung(fd));

        ae_virtio_detach(bench.queue);
        bench.pair.send.doorbell =
            (struct ae_virtio_doorbell){.mmio = (uint8_t *)&mmio, .fd = -1, .queue = 5};
        assert_int_equal(ae_virtio_attach(&bench.queue, &bench.pair, NULL), 0);
        mmio = 0xeeeeeeee;
        suppress(&bench, true);
        notify(&bench);
        assert_int_equal(mmio, 0xeeeeeeee);
        suppress(&bench, false);
        notify(&bench);
        assert_int_equal(mmio, 0xeeee0005);

        ae_virtio_detach(bench.queue);
        bench.pair.send.doorbell.data = true;
        assert_int_equal(ae_virtio_attach(&bench.queue, &bench.pair, NULL), 0);
        for (uint32_t i = 1; i <= 40; i++) {
            struct device_buffer buffer;
            uint32_t next = packed ? i % 16 | (i / 16 % 2 ? 0 : 0x8000) : i;

            notify(&bench);
            assert_int_equal(mmio, next << 16 | 5);
            assert_true(device_fetch(&bench.send, &buffer) || i == 1);
            if (i == 1) {
                bench_devices(&bench);
                assert_true(device_fetch(&bench.send, &buffer));
            }
            device_use(&bench.send, buffer.id, 0, 0);
        }
        assert_int_equal(bench_close(&bench), 0);
    }
    close(fd);
}

/* ---- Attach ---- */

static void impossible_pairs_are_refused(void **state)
{
    struct bench bench;

    (void)state;
    assert_int_equal(bench_open(&bench, 0, 24, 64), -EINVAL);
    bench.queue = NULL;
    bench_close(&bench);
    assert_int_equal(bench_open(&bench, 0, 1, 64), -EINVAL);
    bench_close(&bench);
    assert_int_equal(bench_open(&bench, PACKED, 1, 64), -EINVAL);
    bench_close(&bench);
    assert_int_equal(bench_open(&bench, PACKED, 32769, 8), -EINVAL);
    bench_close(&bench);
    assert_int_equal(bench_open(&bench, VIRTIO_FEATURE(VIRTIO_F_EVENT_IDX), 16, 64), -EINVAL);
    bench_close(&bench);
    assert_int_equal(bench_open(&bench, 0, 16, 64), 0);
    bench_close(&bench);
    assert_int_equal(bench_open(&bench, 0, 16, 64), 0);
    ae_virtio_detach(bench.queue);
    bench.pair.mtu = 9000;
    assert_int_equal(ae_virtio_attach(&bench.queue, &bench.pair, NULL), -EINVAL);
    bench.pair.mtu = BENCH_MTU;
    bench.pair.features = 0;
    assert_int_equal(ae_virtio_attach(&bench.queue, &bench.pair, NULL), -EINVAL);
    bench.pair.features = ALWAYS;
    assert_int_equal(ae_virtio_attach_form(&bench.queue, &ae_virtio_packed, &bench.pair, NULL),
                     -EINVAL);
    bench.pair.send.memory++;
    assert_int_equal(ae_virtio_attach(&bench.queue, &bench.pair, NULL), -EINVAL);
    bench.pair.send.memory--;
    assert_int_equal(ae_virtio_attach(&bench.queue, &bench.pair, NULL), 0);
    assert_int_equal(bench_close(&bench), 0);
}

static void parts_of_a_ring_share_no_line(void **state)
{
    (void)state;
    for (uint32_t size = 2; size <= VIRTQ_SIZE_MAX; size *= 2) {
        struct ae_virtio_layout split = ae_virtio_ring_layout((uint16_t)size, false);
        struct ae_virtio_layout packed = ae_virtio_ring_layout((uint16_t)size, true);

        assert_int_equal(split.descriptors % 64 + split.driver % 64 + split.device % 64, 0);
        assert_true(split.driver >= split.descriptors + 16 * size);
        assert_true(split.device >= split.driver + 6 + 2 * size);
        assert_true(split.size >= split.device + 6 + 8 * size);
        assert_int_equal(packed.descriptors % 64 + packed.driver % 64 + packed.device % 64, 0);
        assert_true(packed.driver >= packed.descriptors + 16 * size);
        assert_true(packed.device >= packed.driver + 4);
        assert_true(packed.size >= packed.device + 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_pass_intact_split),
        cmocka_unit_test(frames_pass_intact_packed),
        cmocka_unit_test(an_empty_pool_is_counted_and_survived),
        cmocka_unit_test(a_full_ring_is_counted),
        cmocka_unit_test(refilling_waits_for_an_idle_moment),
        cmocka_unit_test(what_was_sent_is_reclaimed),
        cmocka_unit_test(what_cannot_be_sent_is_refused),
        cmocka_unit_test(what_every_port_refuses_is_refused),
        cmocka_unit_test(the_header_sent_is_always_zero),
        cmocka_unit_test(a_reset_makes_all_as_new),
        cmocka_unit_test(the_device_is_told_when_it_wants_it),
        cmocka_unit_test(impossible_pairs_are_refused),
        cmocka_unit_test(parts_of_a_ring_share_no_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
