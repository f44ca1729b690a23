/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Frames received in several buffers, whatever the device says of each: one more buffer, after any
 * that came before, leaves every packet in the pool, or once in the frame that is the caller's or
 * in the one that is not whole yet.
 */

#define SEGMENTS 3u

#include "driver.h"

#undef ae_virtio_merge

static struct ae_queue_counters counters;
static struct ae_virtio_driver driver;

/* Of a frame that is not whole, there are as many buffers and bytes as it says. */
static bool is_whole(const struct ae_virtio_merging *merging)
{
    uint32_t total = 0;

    if (merging->count >= SEGMENTS || merging->count > PACKETS)
        return false;
    for (uint32_t i = 0; i < SEGMENTS; i++)
        if (i < merging->count)
            total += merging->packets[i]->length;
    return merging->count == 0 ||
           (merging->packets[0]->length >= AE_FRAME_MIN && merging->pieces > 0 &&
            merging->count + merging->pieces <= merging->segments && total == merging->total &&
            total <= merging->longest);
}

static void set_driver(void)
{
    set_pools();
    driver = (struct ae_virtio_driver){
        .base = {.pool = &pool, .counters = &counters},
        .receive_span = BUFFER - AE_PACKET_HEADROOM - AE_FRAME_MIN,
        .space = BUFFER - AE_PACKET_HEADROOM + AE_VIRTIO_HEADER,
        .merging = {.pieces = nondet_u16(),
                    .count = any_below(SEGMENTS),
                    .total = nondet_u32(),
                    .longest = 2 * (BUFFER - AE_PACKET_HEADROOM),
                    .segments = 1 + any_below(SEGMENTS),
                    .ring = nondet_u16()},
        .mergeable = nondet_bool(),
        .checksum_in = nondet_bool(),
    };
    for (uint32_t i = 0; i < PACKETS; i++) {
        bool merging = i < driver.merging.count;

        set_packet(i, merging ? CALLER : i == SEGMENTS - 1 ? RING : POOL);
        all_packets[i]->pool = &pool;
        if (merging) {
            assume(all_packets[i]->length > 0);
            assume(all_packets[i]->more == 0);
            driver.merging.packets[i] = all_packets[i];
        }
    }
    assume(is_whole(&driver.merging));
}

void merge(void)
{
    uint32_t there[PACKETS] = {0}, total = 0, more;
    struct ae_packet *frame, *at;

    set_driver();
    frame = ae_virtio_merge(&driver, all_packets[SEGMENTS - 1], nondet_u32());
    prove(is_whole(&driver.merging));
    for (uint32_t i = 0; i < SEGMENTS; i++)
        if (i < driver.merging.count)
            there[index_of(driver.merging.packets[i])]++;
    at = frame;
    for (uint32_t i = 0; i < SEGMENTS; i++) {
        if (!at)
            break;
        more = at->more;
        prove(at->length > 0 && at->data >= at->buffer);
        prove(at->data + at->length <= at->buffer + BUFFER);
        there[index_of(at)]++;
        total += at->length;
        at = ae_packet_next(at);
        prove(!at || at->more + 1u == more);
    }
    prove(!at);
    prove(!frame || (total >= AE_FRAME_MIN && total <= driver.merging.longest));
    for (uint32_t i = 0; i < PACKETS; i++)
        prove(all_packets[i]->in_pool ? there[i] == 0 : there[i] == 1);
}
