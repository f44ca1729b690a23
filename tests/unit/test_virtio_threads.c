/* SPDX-License-Identifier: Apache-2.0 */

/* The driver's half and a device in two threads, which send each other's frames back: for the
 * thread sanitizer, and for whatever only goes wrong when both sides are at it at once. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "virtio_bench.h"

#define FRAMES 20000

/* Sends what it gets from the driver back to it, as long as there are buffers. */
static void *reflect(void *context)
{
    struct bench *bench = context;
    struct device_buffer from, to;

    for (uint32_t frames = 0; frames < FRAMES;) {
        if (!device_fetch(&bench->send, &from)) {
            sched_yield();
            continue;
        }
        while (!device_fetch(&bench->receive, &to))
            sched_yield();
        bench_put_frame(bench, &to, bench_at(bench, from.addr, from.len) + HEADER,
                        from.len - HEADER);
        device_use(&bench->receive, to.id, from.len, 0);
        device_use(&bench->send, from.id, 0, 0);
        frames++;
    }
    return NULL;
}

static void send_next(struct bench *bench, uint32_t *sent)
{
    struct ae_packet *packet;

    if (*sent == FRAMES)
        return;
    packet = ae_packet_get(bench->pair.pool);
    if (!packet)
        return;
    packet->length = 60 + *sent % 1000;
    memcpy(packet->data, sent, sizeof(*sent));
    if (ae_send(bench->queue, &packet, 1))
        ++*sent;
    else
        ae_packet_put(packet);
}

static void take_back(struct bench *bench, uint32_t *received)
{
    struct ae_packet *packets[8];
    uint16_t got = ae_receive(bench->queue, packets, 8);

    if (got == 0)
        sched_yield();
    for (uint16_t i = 0; i < got; i++) {
        uint32_t number;

        memcpy(&number, packets[i]->data, sizeof(number));
        assert_int_equal(number, *received);
        assert_int_equal(packets[i]->length, 60 + number % 1000);
        ae_packet_put(packets[i]);
        ++*received;
    }
}

static void run(uint64_t features)
{
    uint32_t sent = 0, received = 0;
    struct bench bench;
    pthread_t device;

    assert_int_equal(bench_open(&bench, features, 32, 128), 0);
    assert_int_equal(pthread_create(&device, NULL, reflect, &bench), 0);
    while (received < FRAMES) {
        send_next(&bench, &sent);
        take_back(&bench, &received);
    }
    pthread_join(device, NULL);
    assert_false(ae_virtio_broken(bench.queue));
    assert_int_equal(bench.counters.receive_bad_descriptors, 0);
    assert_int_equal(bench_close(&bench), 0);
}

static void split(void **state)
{
    (void)state;
    run(0);
}

static void split_in_order(void **state)
{
    (void)state;
    run(ORDER | MERGE | SUM_IN | SUM_OUT);
}

static void packed(void **state)
{
    (void)state;
    run(PACKED);
}

static void packed_in_order(void **state)
{
    (void)state;
    run(PACKED | ORDER | MERGE | SUM_IN | SUM_OUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split),
        cmocka_unit_test(split_in_order),
        cmocka_unit_test(packed),
        cmocka_unit_test(packed_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
