/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Every order of a few steps of both sides, for the smallest rings and from index values next to
 * the wrap. That nothing goes wrong whatever a device does is proved in tests/proofs; this is about
 * what goes right with one that does as it should: every frame comes, in order, as soon as it can.
 * What the steps must do is kept in plain counters that never wrap.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virtio_bench.h"

/* The split form itself, to begin with indices of our choice. */
#include "port/virtio/split.c"

#define STEPS 6

enum step {
    SEND_ONE,
    SEND_TWO,
    DEVICE_TAKES, /* one frame, and uses it */
    DEVICE_FILLS, /* one buffer */
    RECEIVE_ONE,
    RECEIVE_ALL,
    STEP_KINDS,
};

struct counts {
    uint32_t sent, taken;             /* by the driver, by the device */
    uint32_t given, filled, received; /* by the driver, by the device, by the driver */
};

static struct ae_packet *numbered(struct bench *bench, uint32_t number)
{
    struct ae_packet *packet = ae_packet_get(bench->pair.pool);

    assert_non_null(packet);
    packet->length = 60;
    memcpy(packet->data, &number, sizeof(number));
    return packet;
}

static void send(struct bench *bench, struct counts *counts, uint16_t wanted)
{
    uint32_t size = bench->pair.send.size, room = size - (counts->sent - counts->taken);
    struct ae_packet *packets[2] = {numbered(bench, counts->sent),
                                    numbered(bench, counts->sent + 1)};
    uint16_t sent = ae_send(bench->queue, packets, wanted);

    /* Exactly as many as there is room for: what the device used is free at once. */
    assert_int_equal(sent, wanted < room ? wanted : room);
    counts->sent += sent;
    for (; sent < 2; sent++)
        ae_packet_put(packets[sent]);
}

static void device_takes(struct bench *bench, struct counts *counts)
{
    struct device_buffer buffer;
    uint32_t number;
    bool there = device_fetch(&bench->send, &buffer);

    assert_int_equal(there, counts->taken != counts->sent);
    if (!there)
        return;
    memcpy(&number, bench_at(bench, buffer.addr, 64) + HEADER, sizeof(number));
    assert_int_equal(number, counts->taken++);
    device_use(&bench->send, buffer.id, 0, 0);
}

static void device_fills(struct bench *bench, struct counts *counts)
{
    uint8_t frame[60] = {0};
    struct device_buffer buffer;
    bool there = device_fetch(&bench->receive, &buffer);

    assert_int_equal(there, counts->filled != counts->given);
    if (!there)
        return;
    memcpy(frame, &counts->filled, sizeof(counts->filled));
    bench_put_frame(bench, &buffer, frame, sizeof(frame));
    device_use(&bench->receive, buffer.id, HEADER + 60, 0);
    counts->filled++;
}

static void receive(struct bench *bench, struct counts *counts, uint16_t wanted)
{
    struct ae_packet *packets[8];
    uint32_t ready = counts->filled - counts->received;
    uint16_t got;

    /* What was received until now is given back first: such small rings do not wait for more. */
    counts->given = counts->received + bench->pair.receive.size;
    got = ae_receive(bench->queue, packets, wanted);

    /* It may look again only when it has none left of what it saw. */
    assert_true(got <= ready && (got > 0 || ready == 0));
    for (uint16_t i = 0; i < got; i++) {
        uint32_t number;

        memcpy(&number, packets[i]->data, sizeof(number));
        assert_int_equal(number, counts->received++);
        ae_packet_put(packets[i]);
    }
}

static void take_step(struct bench *bench, struct counts *counts, enum step step)
{
    switch (step) {
    case SEND_ONE:
        send(bench, counts, 1);
        break;
    case SEND_TWO:
        send(bench, counts, 2);
        break;
    case DEVICE_TAKES:
        device_takes(bench, counts);
        break;
    case DEVICE_FILLS:
        device_fills(bench, counts);
        break;
    case RECEIVE_ONE:
        receive(bench, counts, 1);
        break;
    default:
        receive(bench, counts, 8);
        break;
    }
}

/* A split pair as after so many frames each way. */
static void set_split(struct bench *bench, uint16_t start)
{
    struct queue *pair = (struct queue *)bench->queue;

    pair->receive.reaped = pair->receive.seen = start;
    pair->receive.next = (uint16_t)(start + bench->pair.receive.size);
    pair->receive.avail->idx = pair->receive.next;
    pair->receive.used->idx = start;
    pair->send.next = pair->send.reaped = pair->send.seen = start;
    pair->send.avail->idx = pair->send.used->idx = start;
    bench->receive.avail_seen = bench->receive.used_idx = start;
    bench->send.avail_seen = bench->send.used_idx = start;
}

static void try_all(uint64_t features, uint16_t size, uint16_t start)
{
    uint32_t orders = 1, packets = 2u * size + 4;
    struct bench bench;

    for (int i = 0; i < STEPS; i++)
        orders *= STEP_KINDS;
    assert_int_equal(bench_open(&bench, features, size, packets), 0);
    for (uint32_t order = 0; order < orders; order++) {
        struct counts counts = {.given = size};

        bench_devices(&bench);
        if (!(features & PACKED))
            set_split(&bench, start);
        for (uint32_t i = 0, rest = order; i < STEPS; i++, rest /= STEP_KINDS)
            take_step(&bench, &counts, (enum step)(rest % STEP_KINDS));
        assert_false(ae_virtio_broken(bench.queue));
        ae_virtio_reset(bench.queue);
        assert_int_equal(ae_pool_available(bench.pair.pool), packets - size);
    }
    assert_int_equal(bench_close(&bench), 0);
}

static void split_around_the_wrap(void **state)
{
    (void)state;
    for (uint16_t start = 65532; start != 2; start = (uint16_t)(start + 2)) {
        try_all(0, 2, start);
        try_all(ORDER, 2, start);
    }
}

static void packed_around_the_wrap(void **state)
{
    (void)state;
    for (uint16_t size = 2; size <= 3; size++) {
        try_all(PACKED, size, 0);
        try_all(PACKED | ORDER, size, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split_around_the_wrap),
        cmocka_unit_test(packed_around_the_wrap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
