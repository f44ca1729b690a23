/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sendable.h"
#include "xdp_bench.h"

static int set_up(void **state)
{
    static struct bench bench;

    *state = &bench;
    return bench_open(&bench);
}

/* Whatever the kernel said, no packet is lost but those that it still has. */
static int tear_down(void **state)
{
    struct bench *bench = *state;
    uint32_t with_kernel = bench->queue.filled + bench->queue.unsent;

    assert_int_equal(ae_pool_available(bench->pool), BENCH_PACKETS - with_kernel);
    assert_int_equal(bench->pool->misuse, 0);
    bench_close(bench);
    return 0;
}

static struct ae_packet *get(struct bench *bench, uint32_t length)
{
    struct ae_packet *packet = ae_packet_get(bench->pool);

    assert_non_null(packet);
    packet->length = length;
    return packet;
}

static void fills_its_ring(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(bench->rings[XDP_FILL].producer, BENCH_RING);
    assert_int_equal(bench->queue.filled, BENCH_RING);
    for (uint32_t i = 0; i < BENCH_RING; i++) {
        uint64_t address = *bench_address(bench, XDP_FILL, i);

        assert_true(address >= BENCH_FIRST && address < BENCH_FIRST + BENCH_PACKETS * BENCH_BUFFER);
        assert_int_equal(address % BENCH_BUFFER, 0);
    }
}

/* Many times around its ring: a frame is where the kernel put it, and refilled after it. */
static void receives(void **state)
{
    struct bench *bench = *state;
    struct ae_packet *packets[32];

    for (unsigned round = 0; round < 50; round++) {
        for (uint32_t i = 0; i < 20; i++)
            assert_true(bench_deliver(bench, 60 + i));
        assert_int_equal(ae_receive(&bench->queue.base, packets, 32), 20);
        for (uint32_t i = 0; i < 20; i++) {
            assert_int_equal(packets[i]->length, 60 + i);
            assert_ptr_equal(packets[i]->data, packets[i]->buffer + BENCH_HEADROOM);
            ae_packet_put(packets[i]);
        }
        assert_int_equal(ae_receive(&bench->queue.base, packets, 32), 0);
    }
    assert_int_equal(bench->counters.received_frames, 1000);
    assert_int_equal(bench->rings[XDP_RECEIVE].consumer, 1000);
    assert_int_equal(bench->counters.receive_bad_descriptors, 0);
}

static void takes_what_there_is_room_for(void **state)
{
    struct bench *bench = *state;
    struct ae_packet *packets[BENCH_RING];

    for (uint32_t i = 0; i < BENCH_RING; i++)
        assert_true(bench_deliver(bench, 100));
    assert_false(bench_deliver(bench, 100));
    assert_int_equal(ae_receive(&bench->queue.base, packets, 5), 5);
    assert_int_equal(ae_receive(&bench->queue.base, packets + 5, BENCH_RING), BENCH_RING - 5);
    ae_packet_put_burst(packets, BENCH_RING);
}

static void sends(void **state)
{
    struct bench *bench = *state;
    struct xdp_desc sent;

    for (unsigned round = 0; round < 300; round++) {
        struct ae_packet *packet = get(bench, 60 + round);
        uint64_t expected =
            BENCH_FIRST + ae_packet_index(packet) * UINT64_C(2048) + AE_PACKET_HEADROOM;

        assert_int_equal(ae_send(&bench->queue.base, &packet, 1), 1);
        assert_true(bench_transmit(bench, &sent));
        assert_int_equal(sent.addr, expected);
        assert_int_equal(sent.len, 60 + round);
    }
    assert_int_equal(ae_unsent(&bench->queue.base), 0);
    assert_int_equal(bench->counters.sent_frames, 300);
}

/* A frame that was received goes out from where it lies. */
static void sends_what_it_received(void **state)
{
    struct bench *bench = *state;
    struct ae_packet *packet;
    struct xdp_desc sent;

    bench_deliver(bench, 60);
    assert_int_equal(ae_receive(&bench->queue.base, &packet, 1), 1);
    assert_int_equal(ae_send(&bench->queue.base, &packet, 1), 1);
    assert_true(bench_transmit(bench, &sent));
    assert_int_equal(sent.addr % BENCH_BUFFER, BENCH_HEADROOM);
    assert_int_equal(ae_reclaim(&bench->queue.base, 1), 1);
}

static void refuses_when_full(void **state)
{
    struct bench *bench = *state;
    struct ae_packet *packets[BENCH_RING + 1];
    struct xdp_desc sent;

    for (uint32_t i = 0; i <= BENCH_RING; i++)
        packets[i] = get(bench, 60);
    assert_int_equal(ae_send(&bench->queue.base, packets, BENCH_RING + 1), BENCH_RING);
    assert_int_equal(bench->queue.base.refusal, AE_REFUSAL_FULL);
    assert_int_equal(ae_unsent(&bench->queue.base), BENCH_RING);
    assert_true(bench_transmit(bench, &sent));
    assert_int_equal(ae_send(&bench->queue.base, packets + BENCH_RING, 1), 1);
}

static void sends_what_every_port_does(void **state)
{
    struct bench *bench = *state;

    sendable_assert_rules(&bench->queue.base, 1518, 0, 1);
}

/* ---- What the kernel never writes ---- */

static void publish(struct bench *bench, uint64_t address, uint32_t length, uint32_t options)
{
    struct bench_ring *ring = &bench->rings[XDP_RECEIVE];

    ring->entries[ring->producer++ % BENCH_RING] =
        (struct xdp_desc){.addr = address, .len = length, .options = options};
}

static void drops_lies(void **state)
{
    struct bench *bench = *state;
    uint64_t own = *bench_address(bench, XDP_FILL, 0), next = *bench_address(bench, XDP_FILL, 1);
    struct ae_packet *mine = get(bench, 60), *packets[16];

    publish(bench, 0, 60, 0);                                            /* of another process */
    publish(bench, BENCH_FIRST + BENCH_PACKETS * UINT64_C(2048), 60, 0); /* likewise */
    publish(bench, UINT64_MAX, 60, 0);
    publish(bench, BENCH_FIRST + ae_packet_index(mine) * UINT64_C(2048), 60, 0);
    publish(bench, own + BENCH_HEADROOM, BENCH_BUFFER - BENCH_HEADROOM + 1, 0);
    publish(bench, own + BENCH_HEADROOM, 60, 0);  /* the kernel has it no more */
    publish(bench, next + BENCH_HEADROOM, 60, 1); /* it goes on in another */
    publish(bench, *bench_address(bench, XDP_FILL, 2) + BENCH_HEADROOM, 13, 0);
    publish(bench, *bench_address(bench, XDP_FILL, 3) + BENCH_HEADROOM, 60, 0);
    assert_int_equal(ae_receive(&bench->queue.base, packets, 16), 1);
    assert_int_equal(bench->counters.receive_bad_descriptors, 8);
    ae_packet_put(packets[0]);
    ae_packet_put(mine);
}

/* It says that it wrote four thousand million frames. */
static void does_a_bounded_amount_of_work(void **state)
{
    struct bench *bench = *state;
    struct ae_packet *packets[16];

    bench->rings[XDP_RECEIVE].producer = UINT32_MAX;
    bench->rings[XDP_COMPLETION].producer = UINT32_MAX;
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(ae_receive(&bench->queue.base, packets, 16), 0);
    assert_int_equal(bench->counters.receive_bad_descriptors, 1600);
    assert_int_equal(ae_reclaim(&bench->queue.base, UINT16_MAX), 0);
}

static void believes_no_completion_of_its_own_packets(void **state)
{
    struct bench *bench = *state;
    struct ae_packet *packets[2] = {get(bench, 60), get(bench, 60)};
    struct xdp_desc sent;

    assert_int_equal(ae_send(&bench->queue.base, packets, 2), 2);
    *bench_address(bench, XDP_COMPLETION, 0) = *bench_address(bench, XDP_FILL, 0);
    bench->rings[XDP_COMPLETION].producer = 1;
    assert_int_equal(ae_unsent(&bench->queue.base), 2);
    assert_int_equal(bench->counters.send_bad_descriptors, 1);
    assert_true(bench_transmit(bench, &sent) && bench_transmit(bench, &sent));
    assert_int_equal(ae_unsent(&bench->queue.base), 0);
}

static void counts_what_it_has_no_packets_for(void **state)
{
    struct bench *bench = *state;
    static struct ae_packet *held[BENCH_PACKETS];
    uint32_t count = ae_packet_get_burst(bench->pool, held, BENCH_PACKETS);
    struct ae_packet *packets[BENCH_RING];

    for (uint32_t i = 0; i < BENCH_RING; i++)
        bench_deliver(bench, 60);
    assert_int_equal(ae_receive(&bench->queue.base, packets, BENCH_RING), BENCH_RING);
    assert_int_equal(ae_receive(&bench->queue.base, packets + BENCH_RING - 1, 1), 0);
    assert_int_equal(bench->counters.receive_no_buffer, BENCH_RING);
    ae_packet_put_burst(packets, BENCH_RING);
    ae_packet_put_burst(held, count);
    ae_receive(&bench->queue.base, packets, 1);
    assert_true(bench_deliver(bench, 60));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fills_its_ring, set_up, tear_down),
        cmocka_unit_test_setup_teardown(receives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_what_there_is_room_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sends_what_it_received, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_when_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sends_what_every_port_does, set_up, tear_down),
        cmocka_unit_test_setup_teardown(drops_lies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(does_a_bounded_amount_of_work, set_up, tear_down),
        cmocka_unit_test_setup_teardown(believes_no_completion_of_its_own_packets, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(counts_what_it_has_no_packets_for, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
