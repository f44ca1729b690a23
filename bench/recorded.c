/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The driver's burst calls on rings that a device in this process has prepared: nothing is waited
 * for and nothing differs from run to run, so that callgrind counts the same instructions each
 * time. Prints how many frames there were, as JSON.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contender.h"
#include "virtio_bench.h"

#define RING    256
#define PACKETS 1536 /* what a port has for rings of that size */
#define BURST   32
#define FRAME   64

static struct bench bench;
static uint8_t frame[FRAME];

/* Not inlined, so that callgrind can tell the driver from the loop around it. */
__attribute__((noinline)) static uint16_t bench_take(struct ae_packet **packets, uint16_t count)
{
    return ae_receive(bench.queue, packets, count);
}

__attribute__((noinline)) static uint16_t bench_give(struct ae_packet **packets, uint16_t count)
{
    return ae_send(bench.queue, packets, count);
}

/* Every buffer that the driver gave gets a frame; then the driver takes them all. */
static uint32_t receive(void)
{
    struct ae_packet *packets[BURST];
    struct device_buffer buffer;
    uint32_t frames = 0;
    uint16_t count;

    while (device_fetch(&bench.receive, &buffer)) {
        bench_put_frame(&bench, &buffer, frame, FRAME);
        device_use(&bench.receive, buffer.id, FRAME + HEADER, 0);
        frames++;
    }
    for (uint32_t left = frames; left; left -= count) {
        count = bench_take(packets, left < BURST ? (uint16_t)left : BURST);
        if (!count)
            return 0;
        ae_packet_put_burst(packets, count);
    }
    return frames;
}

/* The driver fills half a ring, the device sends it. */
static uint32_t send(void)
{
    struct ae_packet *packets[BURST];
    struct device_buffer buffer;
    uint32_t frames = 0, used = 0;

    for (; frames < RING / 2; frames += BURST) {
        if (ae_packet_get_burst(bench.queue->pool, packets, BURST) < BURST)
            return 0;
        for (unsigned i = 0; i < BURST; i++) {
            memcpy(packets[i]->data, frame, FRAME);
            packets[i]->length = FRAME;
        }
        if (bench_give(packets, BURST) < BURST)
            return 0;
    }
    while (device_fetch(&bench.send, &buffer))
        if (++used % BURST == 0)
            device_use(&bench.send, buffer.id, 0, BURST - 1); /* in order: one entry for all */
    return frames;
}

static int usage(void)
{
    fprintf(stderr, "Usage: recorded receive|send split|packed FRAMES\n");
    return 2;
}

int main(int argc, char **argv)
{
    unsigned long wanted, frames = 0;
    uint32_t (*turn)(void);
    char *end;
    bool packed;

    if (argc != 4)
        return usage();
    turn = strcmp(argv[1], "receive") == 0 ? receive : strcmp(argv[1], "send") == 0 ? send : NULL;
    packed = strcmp(argv[2], "packed") == 0;
    wanted = strtoul(argv[3], &end, 10);
    if (!turn || (!packed && strcmp(argv[2], "split") != 0) || *end || !wanted)
        return usage();
    if (bench_open(&bench, ORDER | (packed ? PACKED : 0), RING, PACKETS)) {
        fprintf(stderr, "recorded: the queue could not be attached\n");
        return 1;
    }
    contender_header(frame, FRAME);
    while (frames < wanted) {
        uint32_t some = turn();

        if (!some) {
            fprintf(stderr, "recorded: the driver did not take or give what was there\n");
            return 1;
        }
        frames += some;
    }
    bench_close(&bench);
    printf("{\"received\": %lu, \"calls\": %lu, \"empty\": 0, \"path\": \"recorded ring\"}\n",
           frames, frames / BURST);
    return 0;
}
