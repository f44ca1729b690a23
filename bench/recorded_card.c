/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The burst calls of the 82574L's driver on a card in memory, one frame at a time: what stands
 * between the done bit and the program that waits for it, and between the program and the doorbell.
 * Between two frames is an empty poll, which is not counted. As with bench/recorded.c, callgrind
 * counts the same instructions each time.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contender.h"
#include "fake_card.h"

#define RING    512
#define PACKETS (2 * RING + 1024) /* what a port has for rings of that size */
#define FRAME   64

static struct fake_card card;
static uint8_t frame[2048];

/* Not inlined, so that callgrind can tell the driver from the loop around it. */
__attribute__((noinline)) static uint16_t bench_take(struct ae_packet **packets, uint16_t count)
{
    return ae_receive(card.queue, packets, count);
}

__attribute__((noinline)) static uint16_t bench_give(struct ae_packet **packets, uint16_t count)
{
    return ae_send(card.queue, packets, count);
}

static bool receive(void)
{
    struct ae_packet *packet;

    if (!fake_card_deliver(&card, frame, FRAME, RXD_EOP) || bench_take(&packet, 1) != 1)
        return false;
    ae_packet_put(packet);
    return ae_receive(card.queue, &packet, 1) == 0;
}

static bool send(void)
{
    struct ae_packet *packet = ae_packet_get(card.queue->pool);
    uint8_t sent[2048];

    if (!packet)
        return false;
    memcpy(packet->data, frame, FRAME);
    packet->length = FRAME;
    return bench_give(&packet, 1) == 1 && fake_card_take(&card, sent) == FRAME &&
           ae_receive(card.queue, &packet, 1) == 0;
}

static int usage(void)
{
    fprintf(stderr, "Usage: recorded_card receive|send FRAMES\n");
    return 2;
}

int main(int argc, char **argv)
{
    unsigned long wanted, frames = 0;
    bool (*turn)(void);
    char *end;

    if (argc != 3)
        return usage();
    turn = strcmp(argv[1], "receive") == 0 ? receive : strcmp(argv[1], "send") == 0 ? send : NULL;
    wanted = strtoul(argv[2], &end, 10);
    if (!turn || *end || !wanted)
        return usage();
    fake_card_make(&card, RING, RING, PACKETS);
    fake_card_attach(&card);
    contender_header(frame, FRAME);
    for (; frames < wanted && turn(); frames++)
        ;
    if (frames < wanted) {
        fprintf(stderr, "recorded_card: the driver did not take or give what was there\n");
        return 1;
    }
    fake_card_detach(&card);
    fake_card_destroy(&card);
    printf("{\"received\": %lu, \"calls\": %lu, \"empty\": 0, \"path\": \"card in memory\"}\n",
           frames, frames);
    return 0;
}
