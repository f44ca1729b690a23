/* SPDX-License-Identifier: Apache-2.0 */

#include "driver.h"

#include "base/checksum.c"
#include "port/virtio/queue.c"
#include "port/virtio/split.c"

#define FORM ae_virtio_split
#include "virtio.h"

/* As a device sees it; behind each ring is its event index. */
static struct virtq_desc descs[2][SIZE];
static uint16_t avails[2][2 + SIZE + 1];
static uint32_t useds[2][1 + 2 * SIZE + 1];

static bool is_away(const struct ring *ring, uint32_t id)
{
    if (IN_ORDER)
        return ((id - ring->reaped) & ring->mask) < in_flight(ring);
    return ring->away[id];
}

/* Not in order: what is to be filled at the places ahead are the descriptors that are free, each
 * once. */
static bool fills_free(const struct ring *ring)
{
    uint32_t seen = 0;

    for (uint32_t i = 0; i < SIZE; i++) {
        uint32_t id = ring->order[(ring->next + i) & ring->mask];

        if (i >= space(ring))
            break;
        if (id >= SIZE || ring->away[id] || seen >> id & 1)
            return false;
        seen |= 1u << id;
    }
    return true;
}

static bool is_whole(const struct ring *ring)
{
    return in_flight(ring) <= SIZE && (uint16_t)(ring->seen - ring->reaped) <= in_flight(ring) &&
           count_away(ring) == in_flight(ring) && (IN_ORDER || fills_free(ring));
}

static void set_numbers(struct ring *ring, unsigned which)
{
    static uint16_t orders[2][SIZE];
    static bool aways[2][SIZE];

    ring->desc = descs[which];
    ring->avail = (void *)avails[which];
    ring->used = (void *)useds[which];
    ring->order = orders[which];
    ring->away = aways[which];
    ring->mask = SIZE - 1;
    ring->next = nondet_u16();
    ring->reaped = nondet_u16();
    ring->seen = nondet_u16();
    for (uint32_t i = 0; i < SIZE; i++) {
        ring->order[i] = nondet_u16();
        ring->away[i] = !IN_ORDER && nondet_bool();
    }
}
