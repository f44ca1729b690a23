/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An 82574L that writes what it likes to its descriptors, whenever it likes, while a worker
 * receives and sends, frames in several packets as well. Each step is an operation, a byte of
 * choice, and what the operation needs.
 * Whatever comes: a frame given to the worker is one of the pool's, of a legal length and nobody
 * else's, and in the end no packet is lost or there twice.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/fake_card.h"
#include "port/filter.h"
#include "port/intel/e1000e_queue.h"
#include "port/port.h"

#define RING    32
#define PACKETS 96
#define HELD    64
#define LONGEST 2048 /* bytes of input */

struct input {
    const uint8_t *at;
    size_t left;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fake_card card;
static struct ae_packet *held[HELD];
static unsigned held_count;

static void take(struct input *input, void *to, size_t size)
{
    size_t have = input->left < size ? input->left : size;

    memset(to, 0, size);
    if (have)
        memcpy(to, input->at, have);
    input->at += have;
    input->left -= have;
}

static void check_segment(const struct ae_packet *packet, uint32_t least)
{
    const struct ae_pool *pool = card.queue->pool;

    if (ae_packet_index(packet) >= pool->count ||
        packet != &pool->packets[ae_packet_index(packet)] || packet->in_pool ||
        packet->length < least || packet->length > 1518 ||
        packet->data != packet->buffer + AE_PACKET_HEADROOM)
        abort();
    for (unsigned i = 0; i < held_count; i++)
        for (const struct ae_packet *at = held[i]; at; at = ae_packet_next(at))
            if (at == packet)
                abort();
}

static void check_received(const struct ae_packet *packet)
{
    uint32_t length = 0;

    for (const struct ae_packet *at = packet; at; at = ae_packet_next(at)) {
        check_segment(at, at == packet ? 14 : 1);
        length += at->length;
        if (at->more && at->next->more != at->more - 1)
            abort();
    }
    if (length > card.handoff.info.mtu + 18u)
        abort();
}

static void receive(uint8_t choice)
{
    struct ae_packet *packets[40];
    uint16_t count = ae_receive(card.queue, packets, choice % 40);

    if (count > choice % 40)
        abort();
    for (uint16_t i = 0; i < count; i++) {
        check_received(packets[i]);
        if (held_count < HELD)
            held[held_count++] = packets[i];
        else
            ae_packet_put(packets[i]);
    }
}

/* Sends what was received, or a packet of its own, with lengths and offsets of the input. */
static void send(uint8_t choice, struct input *input)
{
    struct ae_packet *packet = held_count ? held[--held_count] : ae_packet_get(card.queue->pool);
    uint8_t wish[5];

    if (!packet)
        return;
    take(input, wish, sizeof(wish));
    packet->length = (uint32_t)(wish[0] | wish[1] << 8) % 1600;
    packet->flags = (uint32_t)(choice & 7) << 4;
    packet->l3_offset = wish[2];
    packet->l4_offset = wish[3];
    if (choice & 8 && held_count && !packet->more) {
        packet->next = held[--held_count];
        packet->more = (uint8_t)(packet->next->more + 1 + (choice >> 7));
    }
    if (ae_send(card.queue, &packet, 1) == 0)
        ae_packet_put(packet);
}

static void step(uint8_t operation, uint8_t choice, struct input *input)
{
    switch (operation % 6) {
    case 0:
        take(input, &card.receive[choice % RING], 16);
        break;
    case 1:
        take(input, &card.send[choice % RING], 16);
        break;
    case 2:
        card.send[choice % RING].status_options |= TXD_DD;
        break;
    case 3:
        receive(choice);
        break;
    case 4:
        send(choice, input);
        break;
    case 5:
        if (held_count)
            ae_packet_put(held[--held_count]);
        break;
    }
}

/* A frame at the next slot, or a part of one, would be the honest thing; the card does it now and
 * then. */
static void deliver(uint8_t choice)
{
    fake_card_deliver(&card, NULL, 60u + choice, choice & 1 ? 0 : RXD_EOP);
}

/* What is not held is in the pool, once, or in a ring; of each the card has one slot less. */
static void check_pool(const struct ae_pool *pool)
{
    bool there[PACKETS] = {false};
    unsigned out = 0, outside = 0;

    for (unsigned i = 0; i < held_count; i++)
        outside += held[i]->more + 1u;
    for (uint32_t i = 0; i < PACKETS; i++) {
        out += !pool->packets[i].in_pool;
        if (i < pool->for_receive || i >= PACKETS - pool->for_send) {
            if (there[ae_packet_index(pool->free[i])])
                abort();
            there[ae_packet_index(pool->free[i])] = true;
        }
    }
    if (pool->misuse || out != outside || ae_pool_available(pool) + out > PACKETS ||
        ae_pool_available(pool) + out + 2 * (RING - 1) + AE_FRAME_SEGMENTS < PACKETS)
        abort();
}

/* The port is mapped once; its queue is made anew for every input. */
static void start(bool jumbo)
{
    if (!card.memory) {
        fake_card_make(&card, RING, RING, PACKETS);
        fake_card_attach(&card);
    }
    while (held_count)
        ae_packet_put(held[--held_count]);
    ae_sieve_detach(card.port->queues[0]);
    ae_queue_e1000e.detach(card.port->queues[0]);
    /* The pool is the port's, and has all of them again. */
    if (ae_pool_available(card.port->domain->pool) != PACKETS || card.port->domain->pool->misuse)
        abort();
    fake_card_reset(&card);
    card.port->handoff.info.mtu = card.handoff.info.mtu = jumbo ? 9212 : 1500;
    if (ae_queue_e1000e.attach(card.port, 0, &card.port->queues[0], NULL) ||
        ae_sieve_attach(card.port->queues[0], &card.port->state->filter))
        abort();
    card.queue = card.port->queues[0];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};

    if (size > LONGEST)
        return 0;
    start(size % 2);
    while (input.left >= 2) {
        uint8_t operation = input.at[0], choice = input.at[1];

        input.at += 2;
        input.left -= 2;
        if (operation & 0x80)
            deliver(choice);
        else
            step(operation, choice, &input);
        check_pool(card.queue->pool);
    }
    return 0;
}
