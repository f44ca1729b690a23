/* SPDX-License-Identifier: Apache-2.0 */

/* One end of a veth pair, or a card of the kernel's. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "packet_ring.h"
#include "wire.h"

struct packet_wire {
    struct wire wire;
    struct packet_ring ring;
    uint8_t frames[WIRE_BURST][PACKET_RING_FRAME];
};

static uint16_t send_frames(struct wire *wire, const struct wire_frame *frames, uint16_t count)
{
    struct packet_wire *own = (struct packet_wire *)wire;
    uint8_t *starts[WIRE_BURST];
    uint16_t lengths[WIRE_BURST];

    for (uint16_t i = 0; i < count; i++) {
        starts[i] = own->frames[i];
        lengths[i] = wire_make(wire, own->frames[i], &frames[i]);
    }
    return packet_ring_send(&own->ring, starts, lengths, count);
}

static uint16_t receive_frames(struct wire *wire, struct wire_frame *frames, uint16_t most)
{
    struct packet_wire *own = (struct packet_wire *)wire;
    uint16_t count = 0;
    uint32_t length;
    uint8_t *frame;

    while (count < most && (frame = packet_ring_next(&own->ring, &length))) {
        count += wire_take(wire, frame, length, &frames[count]);
        packet_ring_done(&own->ring);
    }
    return count;
}

static void close_wire(struct wire *wire)
{
    packet_ring_close(&((struct packet_wire *)wire)->ring);
    free(wire);
}

struct wire *wire_packet(const char *interface, struct ae_error *err)
{
    struct packet_wire *own = calloc(1, sizeof(*own));

    if (!own) {
        snprintf(err->text, sizeof(err->text), "no memory for a wire");
        return NULL;
    }
    if (packet_ring_open(&own->ring, interface, err)) {
        free(own);
        return NULL;
    }
    own->wire.send = send_frames;
    own->wire.receive = receive_frames;
    own->wire.close = close_wire;
    return &own->wire;
}
