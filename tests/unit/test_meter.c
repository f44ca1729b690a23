/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include <aether/owner.h>

#include "measure/queue.h"
#include "port/owner.h"

static struct ae_port *ports[2];

static void open_pair(const struct ae_port_options *options)
{
    struct ae_error err;

    for (unsigned i = 0; i < 2; i++)
        if (ae_port_open(&ports[i], "pair:measured", options, &err))
            fail_msg("%s", err.text);
}

static int end(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        ae_port_close(ports[i]);
        ports[i] = NULL;
    }
    return 0;
}

static const struct ae_queue_histogram *histogram(enum ae_queue_measure which)
{
    return &ports[0]->queue_states[0]->histograms[which];
}

static void send_to_us(unsigned frames)
{
    struct ae_queue *far = ae_port_queue(ports[1], 0);

    for (unsigned i = 0; i < frames; i++) {
        struct ae_packet *packet = ae_packet_get(far->pool);

        memset(packet->data, 0, 60);
        packet->length = 60;
        assert_int_equal(ae_send(far, &packet, 1), 1);
    }
}

static unsigned poll_once(struct ae_queue *queue, unsigned most)
{
    struct ae_packet *packets[32];
    uint16_t count = ae_receive(queue, packets, (uint16_t)most);

    for (unsigned i = 0; i < count; i++)
        ae_packet_put(packets[i]);
    return count;
}

static void polls_are_measured(void **state)
{
    struct ae_queue *queue;

    (void)state;
    open_pair(&(struct ae_port_options){.measure = true});
    queue = ae_port_queue(ports[0], 0);
    send_to_us(7);
    assert_int_equal(poll_once(queue, 4), 4);
    assert_int_equal(poll_once(queue, 4), 3);
    assert_int_equal(poll_once(queue, 4), 0);
    nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    assert_int_equal(poll_once(queue, 4), 0);
    assert_int_equal(histogram(AE_QUEUE_BURST)->count, 2);
    assert_int_equal(histogram(AE_QUEUE_BURST)->buckets[4], 1);
    assert_int_equal(histogram(AE_QUEUE_BURST)->buckets[3], 1);
    assert_int_equal(histogram(AE_QUEUE_BURST)->sum, 7);
    assert_int_equal(histogram(AE_QUEUE_BURST)->min, 3);
    assert_int_equal(histogram(AE_QUEUE_BURST)->max, 4);
    /* Of four polls three had one before: two that found frames, and one that found none. */
    assert_int_equal(histogram(AE_QUEUE_TURN)->count, 2);
    assert_int_equal(histogram(AE_QUEUE_IDLE)->count, 1);
    assert_true(histogram(AE_QUEUE_IDLE)->min >= 3000000);
    assert_int_equal(histogram(AE_QUEUE_IDLE)->min, histogram(AE_QUEUE_IDLE)->max);
}

static void what_is_not_ours_is_not_measured(void **state)
{
    struct ae_queue *queue;

    (void)state;
    open_pair(&(struct ae_port_options){.measure = true});
    queue = ae_port_queue(ports[0], 0);
    poll_once(queue, 4);
    ae_port_resume(ports[0]);
    poll_once(queue, 4);
    assert_int_equal(histogram(AE_QUEUE_IDLE)->count, 0);
    poll_once(queue, 4);
    assert_int_equal(histogram(AE_QUEUE_IDLE)->count, 1);
}

static void who_is_not_measured_has_the_drivers_own_queue(void **state)
{
    struct ae_queue *queue;
    struct ae_error err;

    (void)state;
    open_pair(NULL);
    queue = ae_port_queue(ports[0], 0);
    assert_ptr_equal(queue, ports[0]->queues[0]);
    send_to_us(1);
    poll_once(queue, 4);
    poll_once(queue, 4);
    for (unsigned i = 0; i < AE_QUEUE_MEASURES; i++)
        assert_int_equal(histogram(i)->count, 0);
    assert_int_equal(ae_port_measure(ports[0], &err), 0);
    assert_ptr_not_equal(ae_port_queue(ports[0], 0), queue);
    queue = ae_port_queue(ports[0], 0);
    assert_int_equal(ae_port_measure(ports[0], &err), 0); /* again: it is */
    assert_ptr_equal(ae_port_queue(ports[0], 0), queue);
    assert_null(ae_port_queue(ports[0], 1));
}

/* All else is the driver's: refusals, the filter, packets that come back, counters. */
static void a_measured_queue_is_the_same_otherwise(void **state)
{
    const struct ae_port_filter nothing = {0};
    struct ae_packet *packets[300];
    struct ae_queue_counters counters;
    struct ae_queue *queue;
    struct ae_error err;

    (void)state;
    open_pair(&(struct ae_port_options){.measure = true});
    queue = ae_port_queue(ports[0], 0);
    for (unsigned i = 0; i < 300; i++) {
        packets[i] = ae_packet_get(queue->pool);
        packets[i]->length = 60;
    }
    assert_int_equal(ae_send(queue, packets, 300), 256);
    assert_int_equal(queue->refusal, AE_REFUSAL_FULL);
    packets[256]->length = 5;
    while (poll_once(ae_port_queue(ports[1], 0), 32))
        ;
    assert_int_equal(ae_send(queue, packets + 256, 44), 0);
    assert_int_equal(queue->refusal, AE_REFUSAL_LENGTH);
    assert_int_equal(ae_reclaim(queue, 1), 0);
    for (unsigned i = 256; i < 300; i++)
        ae_packet_put(packets[i]);

    assert_int_equal(ae_port_owner_filter(ae_port_get_owner(ports[0]), &nothing, &err), 0);
    send_to_us(3); /* to 00:00:00:00:00:00 */
    assert_int_equal(poll_once(queue, 4), 0);
    assert_int_equal(histogram(AE_QUEUE_BURST)->buckets[3], 1);
    ae_port_owner_get_counters(ae_port_get_owner(ports[0]), 0, &counters);
    assert_int_equal(counters.receive_filtered, 3);
    assert_int_equal(counters.sent_frames, 256);
}

static void every_value_has_a_bucket(void **state)
{
    uint64_t before = 0;

    (void)state;
    for (uint64_t value = 0; value < 32; value++)
        assert_int_equal(ae_queue_histogram_bucket(value), value);
    for (uint32_t i = 0; i < AE_QUEUE_BUCKETS; i++) {
        uint64_t bound = ae_queue_histogram_bound(i);

        assert_int_equal(ae_queue_histogram_bucket(bound), i);
        if (i)
            assert_int_equal(ae_queue_histogram_bucket(before + 1), i);
        assert_true(bound - before <= 1 + before / 16);
        before = bound;
    }
    assert_int_equal(ae_queue_histogram_bucket(AE_QUEUE_GREATEST), AE_QUEUE_BUCKETS - 1);
}

/* Whatever a worker writes: counts are what the buckets add up to. */
static void a_reader_believes_buckets_alone(void **state)
{
    static struct ae_queue_histogram written;
    static struct ae_histogram read;

    (void)state;
    memset(&written, 0xff, sizeof(written));
    ae_queue_histogram_read(&read, &written);
    assert_true(read.count == 0 - (uint64_t)AE_QUEUE_BUCKETS);
    memset(&written, 0, sizeof(written));
    written.count = 1000000;
    written.buckets[5] = 90;
    written.buckets[100] = 9;
    written.buckets[AE_QUEUE_BUCKETS - 1] = 1;
    written.min = 5;
    written.max = AE_HISTOGRAM_MAX;
    ae_queue_histogram_read(&read, &written);
    assert_int_equal(read.count, 100);
    assert_int_equal(ae_histogram_percentile(&read, 50), 5);
    assert_in_range(ae_histogram_percentile(&read, 99), ae_queue_histogram_bound(100),
                    ae_queue_histogram_bound(100) * 1001 / 1000);
    assert_int_equal(ae_histogram_percentile(&read, 100), AE_HISTOGRAM_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(polls_are_measured, end),
        cmocka_unit_test_teardown(what_is_not_ours_is_not_measured, end),
        cmocka_unit_test_teardown(who_is_not_measured_has_the_drivers_own_queue, end),
        cmocka_unit_test_teardown(a_measured_queue_is_the_same_otherwise, end),
        cmocka_unit_test(every_value_has_a_bucket),
        cmocka_unit_test(a_reader_believes_buckets_alone),
    };

    return cmocka_run_group_tests_name("meter", tests, NULL, NULL);
}
