/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIRTIO_PROOFS_H
#define VIRTIO_PROOFS_H

/*
 * The driver's half of a queue pair against a device that writes whatever it likes, by induction:
 * each call on any queue that is whole leaves it whole. So it stays whole, however often it is
 * called. Whole means:
 *
 * - a packet is in the pool, or once in a ring, or the caller's;
 * - no more is in flight than the ring has descriptors; each of them is with the device or free,
 * once;
 * - what was seen of the device's progress is not beyond what it was given.
 *
 * Frames are in one packet; virtio_chains.h and virtio_frame.c are about those in several.
 *
 * Included behind a form's source; FORM is its table, and IN_ORDER says which of its instances is
 * looked at.
 */

static uint8_t memories[2][256];
static struct ae_queue_counters counters;
static struct queue queue;

/* ---- What each form says ---- */

/* Any numbers and books of its own; the slots come after that. */
static void set_numbers(struct ring *ring, unsigned which);
/* These make a whole ring. */
static bool is_whole(const struct ring *ring);
/* Is this buffer with the device? */
static bool is_away(const struct ring *ring, uint32_t id);

static uint32_t count_away(const struct ring *ring)
{
    uint32_t number = 0;

    for (uint32_t id = 0; id < SIZE; id++)
        number += is_away(ring, id);
    return number;
}

/* ---- Any queue that is whole ---- */

/* A slot still has what it had last. */
static void set_parts(struct ring *ring, unsigned which)
{
    static struct ae_packet *slots[2][SIZE];
    static uint32_t relayed;

    ring->memory = memories[which];
    ring->slots = slots[which];
    ring->batch = (uint16_t)(1 + any_below(SIZE));
    ring->doorbell = (struct ae_virtio_doorbell){.fd = -1, .flag = nondet_bool() ? &relayed : NULL};
    set_numbers(ring, which);
    for (uint32_t id = 0; id < SIZE; id++)
        ring->slots[id] = nondet_bool() ? any_packet() : NULL;
}

/* One packet is like another: those in flight are numbered as they lie in the rings. */
static uint32_t set_ring(struct ring *ring, unsigned which, uint32_t next)
{
    set_parts(ring, which);
    assume(is_whole(ring));
    for (uint32_t id = 0; id < SIZE; id++)
        if (is_away(ring, id))
            ring->slots[id] = all_packets[next++];
    return next;
}

enum rings { RECEIVE = 1, SEND = 2 };

/* A ring that is not there is not touched. */
static void set_queue(unsigned rings)
{
    uint32_t next = 0;

    set_pools();
    queue.driver = (struct ae_virtio_driver){
        .base = {.pool = &pool, .counters = &counters},
        .sendable = {.pool = &pool,
                     .span = AE_FRAME_MAX(MTU) - AE_FRAME_MIN,
                     .spare = BUFFER - AE_PACKET_SEND_HEADROOM - AE_FRAME_MAX(MTU)},
        .stride = BUFFER,
        .space = BUFFER - AE_PACKET_HEADROOM + AE_VIRTIO_HEADER,
        .receive_span = AE_FRAME_MAX(MTU) - AE_FRAME_MIN,
        .starved = any_below(SIZE + 1),
        .in_order = IN_ORDER,
    };
    if (rings & RECEIVE)
        next = set_ring(&queue.receive, 0, next);
    if (rings & SEND)
        next = set_ring(&queue.send, 1, next);
    for (uint32_t i = 0; i < PACKETS; i++)
        set_packet(i, i < next ? RING : nondet_bool() ? POOL : CALLER);
}

static void prove_ring(const struct ring *ring, uint32_t *there)
{
    prove(is_whole(ring));
    for (uint32_t id = 0; id < SIZE; id++)
        if (is_away(ring, id))
            there[index_of(ring->slots[id])]++;
}

static void prove_whole(unsigned rings)
{
    uint32_t there[PACKETS] = {0};

    if (rings & RECEIVE)
        prove_ring(&queue.receive, there);
    if (rings & SEND)
        prove_ring(&queue.send, there);
    for (uint32_t i = 0; i < PACKETS; i++) {
        prove(there[i] == (whose[i] == RING));
        prove(all_packets[i]->in_pool == (whose[i] != CALLER));
    }
}

/* ---- The proofs ---- */

void receive(void)
{
    struct ae_packet *burst[SIZE + 1];
    uint16_t wanted = (uint16_t)any_below(SIZE + 2), got;
    uint32_t had = 0;

    set_queue(RECEIVE);
    for (uint32_t i = 0; i < PACKETS; i++)
        had += whose[i] == CALLER;
    got = receive_burst(&queue.driver.base, burst, wanted, IN_ORDER, nondet_bool(), nondet_bool());
    prove(got <= wanted);
    for (uint32_t i = 0; i < SIZE + 1; i++) {
        if (i >= got)
            break;
        prove(whose[index_of(burst[i])] == CALLER);
        prove(burst[i]->length >= AE_FRAME_MIN);
        prove(burst[i]->length <= AE_FRAME_MAX(MTU));
    }
    /* Each is another one, and none is the caller's that was not told of. */
    for (uint32_t i = 0; i < PACKETS; i++)
        had -= whose[i] == CALLER;
    prove(had + got == 0);
    prove_whole(RECEIVE);
}

/* Also packets that the caller does not have, or the same one twice. */
void send(void)
{
    struct ae_packet *burst[SIZE + 1];
    uint16_t wanted = (uint16_t)any_below(SIZE + 2), sent;

    set_queue(SEND);
    for (uint32_t i = 0; i < SIZE + 1; i++)
        burst[i] = any_packet();
    sent = send_burst(&queue.driver.base, burst, wanted, IN_ORDER, nondet_bool());
    prove(sent <= wanted);
    for (uint32_t i = 0; i < SIZE + 1; i++) {
        if (i >= sent)
            break;
        prove(burst[i]->pool == &pool);
        prove(burst[i]->data - burst[i]->buffer >= AE_VIRTIO_HEADER);
        prove(burst[i]->more == 0);
        prove(burst[i]->length >= AE_FRAME_MIN);
        prove(burst[i]->length <= AE_FRAME_MAX(MTU));
    }
    prove_whole(SEND);
}

/* Every packet of the rings is back, and the receive ring full of those there are. */
void reset(void)
{
    uint32_t callers = 0, rest;

    set_queue(RECEIVE | SEND);
    for (uint32_t i = 0; i < PACKETS; i++)
        callers += whose[i] == CALLER;
    rest = PACKETS - callers;
    queue.driver.form = &FORM;
    ae_virtio_reset(&queue.driver.base);
    prove(count_away(&queue.receive) == (rest < SIZE ? rest : SIZE));
    prove(books_available() == (rest < SIZE ? 0 : rest - SIZE));
    prove_whole(RECEIVE | SEND);
}

#endif
