/* SPDX-License-Identifier: Apache-2.0 */

/* The rule of what may be sent, by itself: a queue that sends by giving back. Drivers' tests try it
 * on their own queues. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "port/sendable.h"
#include "sendable.h"

#define COUNT  64
#define BUFFER 2048

static struct ae_sendable sendable;

/* As a ring, of which nothing comes back. */
static uint16_t send_all(struct ae_queue *queue, struct ae_packet **packets, uint16_t count)
{
    for (uint16_t i = 0; i < count; i++) {
        if (ae_refusal_of(packets[i], &sendable, AE_SEND_OFFLOADS)) {
            ae_refuse(queue, packets[i], &sendable, AE_SEND_OFFLOADS);
            return i;
        }
        for (struct ae_packet *segment = packets[i]; segment; segment = ae_packet_next(segment))
            segment->in_pool = true;
        queue->counters->sent_frames++;
    }
    return count;
}

static void try_rules(uint32_t longest, unsigned segments)
{
    struct ae_queue_counters counters = {0};
    struct ae_queue queue = {.send = send_all, .counters = &counters};
    void *memory = aligned_alloc(BUFFER, COUNT * BUFFER);
    struct ae_pool_options options = {.memory = memory,
                                      .memory_size = COUNT * BUFFER,
                                      .iova = {UINT64_C(1) << 40},
                                      .count = COUNT,
                                      .buffer_size = BUFFER};

    assert_int_equal(ae_pool_create(&queue.pool, &options, NULL), 0);
    sendable = ae_sendable_make(queue.pool, longest, segments);
    sendable_assert_rules(&queue, longest, AE_SEND_OFFLOADS, segments);
    ae_pool_destroy(queue.pool);
    free(memory);
}

static void in_one_packet(void **state)
{
    (void)state;
    try_rules(1518, 1);
    try_rules(BUFFER - AE_PACKET_SEND_HEADROOM, 1);
}

static void in_several(void **state)
{
    (void)state;
    try_rules(1518, AE_FRAME_SEGMENTS);
    try_rules(9018, AE_FRAME_SEGMENTS);
    try_rules(9018, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_one_packet),
        cmocka_unit_test(in_several),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
