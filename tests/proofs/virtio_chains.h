/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIRTIO_CHAINS_H
#define VIRTIO_CHAINS_H

/*
 * The same of a send ring that has begun to send chains, of up to SEGMENTS packets: each call on
 * one that is whole leaves it whole, and the first chain makes a whole one of a ring without. Whole
 * means that each descriptor is free or of one frame, once, and that the device was seen to use no
 * more frames than it has.
 *
 * Included behind virtio.h, whose proofs are about frames in one packet.
 */

#define FRAMES 1u

/* ---- What each form says ---- */

/* The descriptor that is filled when so many others were. */
static uint32_t to_fill(const struct ring *ring, uint32_t others);
/* The place of the oldest descriptor in flight, when the device works in order. */
static uint32_t oldest(const struct ring *ring);
/* Is what was seen of the device's progress possible with so many frames in flight? */
static bool agrees(const struct ring *ring, uint32_t frames);
/* What `prepared` frames of a burst, not yet published, left in a ring without chains. */
static void prepare(struct ring *ring, uint32_t prepared);

/* ---- Any ring that is whole ---- */

static bool see(uint32_t *seen, uint32_t id)
{
    bool first = id < SIZE && !(*seen >> id & 1);

    if (first)
        *seen |= 1u << id;
    return first;
}

static bool see_frame(const struct ring *ring, uint32_t *seen, uint32_t id)
{
    uint32_t more = ring->more[id];

    for (uint32_t i = 0; i < SEGMENTS; i++, id = ring->behind[id]) {
        if (!see(seen, id))
            return false;
        if (i == more)
            return true;
    }
    return false;
}

/* Frames lie one behind the other, and so do the descriptors of each. */
static bool is_in_order(const struct ring *ring)
{
    uint32_t place = oldest(ring), left = SIZE - room_for_chains(ring);

    for (uint32_t i = 0; i < SIZE; i++) {
        if (ring->order[i] != i)
            return false;
        if (left > 0 && (!ring->away[place] || ring->more[place] >= left))
            return false;
        if (left > 1 && ring->more[place] && ring->behind[place] != (place + 1) % SIZE)
            return false;
        if (left > 0) {
            left -= ring->more[place] + 1u;
            place = (place + ring->more[place] + 1u) % SIZE;
        }
    }
    return true;
}

static bool has_whole_chains(const struct ring *ring)
{
    uint32_t seen = 0, frames = 0;

    if (room_for_chains(ring) > SIZE)
        return false;
    for (uint32_t i = 0; i < SIZE; i++)
        if (i < room_for_chains(ring) && !see(&seen, to_fill(ring, i)))
            return false;
    for (uint32_t id = 0; id < SIZE; id++) {
        frames += ring->away[id];
        if (ring->away[id] && !see_frame(ring, &seen, id))
            return false;
    }
    return seen == (1u << SIZE) - 1 && agrees(ring, frames) && (!IN_ORDER || is_in_order(ring));
}

static bool is_free(const struct ring *ring, uint32_t id)
{
    for (uint32_t i = 0; i < SIZE; i++)
        if (i < room_for_chains(ring) && to_fill(ring, i) == id)
            return true;
    return false;
}

static void set_chains(void)
{
    struct ring *ring = &queue.send;
    uint32_t next = 0;

    set_queue(0);
    set_parts(ring, 1);
    queue.driver.sendable.longest = AE_FRAME_MAX(MTU);
    queue.driver.sendable.segments = SEGMENTS;
    queue.driver.offloads = nondet_bool() ? AE_VIRTIO_SEND_CHECKSUM : 0;
    ring->chains = true;
    for (uint32_t id = 0; id < SIZE; id++) {
        ring->away[id] = nondet_bool();
        ring->more[id] = (uint8_t)any_below(SEGMENTS);
        ring->behind[id] = nondet_u16();
    }
    assume(has_whole_chains(ring));
    for (uint32_t id = 0; id < SIZE; id++)
        if (!is_free(ring, id))
            ring->slots[id] = all_packets[next++];
    for (uint32_t i = 0; i < PACKETS; i++) {
        set_packet(i, i < next ? RING : nondet_bool() ? POOL : CALLER);
        all_packets[i]->next = nondet_bool() ? any_packet() : NULL;
    }
}

/* ---- The proofs ---- */

void first_chain(void)
{
    struct ring *ring = &queue.send;
    uint32_t prepared = any_below(SIZE + 1);

    set_queue(SEND);
    prepare(ring, prepared);
    ready_for_chains(&queue, prepared);
    prove(has_whole_chains(ring));
    prove(room_for_chains(ring) >= prepared);
}

/* Also packets that the caller does not have, or the same one twice, or what is no chain. */
void chains(void)
{
    uint16_t wanted = (uint16_t)any_below(FRAMES + 1), sent;
    struct ae_packet *burst[FRAMES];
    uint32_t there[PACKETS] = {0};

    set_chains();
    for (uint32_t i = 0; i < FRAMES; i++)
        burst[i] = any_packet();
    sent = send_chains(&queue.driver.base, burst, wanted);
    prove(sent <= wanted);
    prove(has_whole_chains(&queue.send));
    for (uint32_t id = 0; id < SIZE; id++)
        if (!is_free(&queue.send, id))
            there[index_of(queue.send.slots[id])]++;
    for (uint32_t i = 0; i < PACKETS; i++) {
        prove(there[i] == (whose[i] == RING));
        prove(all_packets[i]->in_pool == (whose[i] != CALLER));
    }
}

/* Every packet of the ring is back. */
void chains_end(void)
{
    set_chains();
    release_ring(&pool, &queue.send, IN_ORDER);
    for (uint32_t i = 0; i < PACKETS; i++)
        prove(whose[i] != RING);
}

#endif
