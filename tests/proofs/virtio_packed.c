/* SPDX-License-Identifier: Apache-2.0 */

#include "driver.h"

#include "port/virtio/packed.c"

#define FORM ae_virtio_packed
#include "virtio.h"

static struct pvirtq_desc descs[2][SIZE];
static struct pvirtq_event_suppress events[2];

/* Where the first place is whose buffer is not back yet. */
static uint32_t first_away(const struct ring *ring)
{
    return (ring->next.index + ring->free) % SIZE;
}

static bool is_away(const struct ring *ring, uint32_t id)
{
    if (IN_ORDER)
        return (id + SIZE - first_away(ring)) % SIZE < in_flight(ring);
    return ring->away[id];
}

/* What is to be filled at the places ahead are the ids that are free, each once; in order, place
 * and id are one. */
static bool fills_free(const struct ring *ring)
{
    uint32_t seen = 0;

    for (uint32_t i = 0; i < SIZE; i++) {
        uint32_t place = (ring->next.index + i) % SIZE, id = ring->order[place];

        if (IN_ORDER ? id != place
                     : i < ring->free && (id >= SIZE || ring->away[id] || seen >> id & 1))
            return false;
        seen |= 1u << (id & 31);
    }
    return true;
}

/* The wrap counters are one bit each, and differ if the end of the ring lies between the two
 * places. */
static bool wraps_agree(const struct ring *ring)
{
    bool next = ring->next.flags == VIRTQ_DESC_F_AVAIL, used = ring->next_used.flags == WRAP;
    uint32_t ahead = in_flight(ring) - ring->reapable;

    if ((!next && ring->next.flags != VIRTQ_DESC_F_USED) || (!used && ring->next_used.flags != 0))
        return false;
    return (ring->next_used.index + ahead) % SIZE == ring->next.index &&
           (ring->next_used.index + ahead >= SIZE) == (next != used);
}

static bool is_whole(const struct ring *ring)
{
    bool polls = IN_ORDER && ring == &queue.send;

    return ring->size == SIZE && ring->free <= SIZE && ring->next.index < SIZE &&
           ring->next_used.index < SIZE && ring->reapable <= (polls ? in_flight(ring) : 0) &&
           (!polls || ring->oldest == first_away(ring)) && wraps_agree(ring) &&
           count_away(ring) == in_flight(ring) && fills_free(ring);
}

static void set_numbers(struct ring *ring, unsigned which)
{
    static uint16_t orders[2][SIZE];
    static bool aways[2][SIZE];
    static uint8_t mores[2][SIZE]; /* all zero: there are no chains */
    static uint16_t behinds[2][SIZE];

    ring->desc = descs[which];
    ring->device_event = &events[which];
    ring->order = orders[which];
    ring->away = aways[which];
    ring->more = mores[which];
    ring->behind = behinds[which];
    ring->size = SIZE;
    ring->free = nondet_u32();
    ring->next = (struct place){nondet_u32(), nondet_u32()};
    ring->next_used = (struct place){nondet_u32(), nondet_u32()};
    ring->reapable = nondet_u32();
    ring->oldest = nondet_u32();
    for (uint32_t i = 0; i < SIZE; i++) {
        ring->order[i] = nondet_u16();
        ring->away[i] = !IN_ORDER && nondet_bool();
    }
}

#include "virtio_chains.h"

static uint32_t to_fill(const struct ring *ring, uint32_t others)
{
    return ring->order[(ring->next.index + others) % SIZE];
}

static uint32_t oldest(const struct ring *ring)
{
    return ring->next_used.index;
}

/* Frames are not counted, descriptors are. */
static bool agrees(const struct ring *ring, uint32_t frames)
{
    (void)frames;
    return ring->size == SIZE && ring->next.index < SIZE && ring->next_used.index < SIZE &&
           ring->reapable == 0 && wraps_agree(ring);
}

/* They are entered when they are published. */
static void prepare(struct ring *ring, uint32_t prepared)
{
    assume(prepared <= ring->free);
}
