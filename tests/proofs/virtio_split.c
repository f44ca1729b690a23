/* SPDX-License-Identifier: Apache-2.0 */

#include "driver.h"

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

/* What is to be filled at the places ahead are the descriptors that are free, each once; in order,
 * place and descriptor are one. */
static bool fills_free(const struct ring *ring)
{
    uint32_t seen = 0;

    for (uint32_t i = 0; i < SIZE; i++) {
        uint32_t place = (ring->next + i) & ring->mask, id = ring->order[place];

        if (IN_ORDER ? id != place
                     : i < space(ring) && (id >= SIZE || ring->away[id] || seen >> id & 1))
            return false;
        seen |= 1u << (id & 31);
    }
    return true;
}

static bool is_whole(const struct ring *ring)
{
    return in_flight(ring) <= SIZE && (uint16_t)(ring->seen - ring->reaped) <= in_flight(ring) &&
           count_away(ring) == in_flight(ring) && fills_free(ring);
}

static void set_numbers(struct ring *ring, unsigned which)
{
    static uint16_t orders[2][SIZE];
    static bool aways[2][SIZE];
    static uint8_t mores[2][SIZE]; /* all zero: there are no chains */
    static uint16_t behinds[2][SIZE];

    ring->desc = descs[which];
    ring->avail = (void *)avails[which];
    ring->used = (void *)useds[which];
    ring->order = orders[which];
    ring->away = aways[which];
    ring->more = mores[which];
    ring->behind = behinds[which];
    ring->mask = SIZE - 1;
    ring->next = nondet_u16();
    ring->reaped = nondet_u16();
    ring->seen = nondet_u16();
    ring->filled = nondet_u16();
    ring->freed = nondet_u16();
    for (uint32_t i = 0; i < SIZE; i++) {
        ring->order[i] = nondet_u16();
        ring->away[i] = !IN_ORDER && nondet_bool();
    }
}

#include "virtio_chains.h"

static uint32_t to_fill(const struct ring *ring, uint32_t others)
{
    return ring->order[(ring->filled + others) & ring->mask];
}

static uint32_t oldest(const struct ring *ring)
{
    return ring->freed & ring->mask;
}

static bool agrees(const struct ring *ring, uint32_t frames)
{
    return in_flight(ring) == frames && (uint16_t)(ring->seen - ring->reaped) <= frames;
}

static void prepare(struct ring *ring, uint32_t prepared)
{
    assume(prepared <= space(ring));
    for (uint32_t i = 0; i < SIZE; i++)
        if (i < prepared)
            enter(ring, (ring->next + i) & ring->mask, IN_ORDER);
}
