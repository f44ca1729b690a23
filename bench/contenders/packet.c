/* SPDX-License-Identifier: Apache-2.0 */

/* AF_PACKET: a ring of received frames that is polled, and sendmmsg. */

#include "frame.h"
#include "packet_ring.h"
#include "program.h"

#define BURST 32

static const struct setting settings[] = {
    {"PACKET_VERSION", "TPACKET_V2",
     "Documentation/networking/packet_mmap.rst: V3 gathers frames into blocks"},
    {"PACKET_RX_RING", "4096 slots of 2048 bytes, polled in memory",
     "Documentation/networking/packet_mmap.rst"},
    {"PACKET_QDISC_BYPASS", "1", "packet(7)"},
    {"sendmmsg", "up to 32", "sendmmsg(2)"},
    {0}};

static int check(const struct contender *self, const char *wire, struct ae_error *err)
{
    struct packet_ring ring;
    int rc = packet_ring_open(&ring, wire, err);

    (void)self;
    if (!rc)
        packet_ring_close(&ring);
    return rc;
}

/* Frames that came, turned where they lie; they are sent before their slots are given back. */
static void turn_burst(struct packet_ring *ring, struct counts *counts)
{
    struct packet_ring ahead = *ring;
    uint8_t *frames[BURST], *frame;
    uint16_t lengths[BURST], count = 0, seen = 0;
    uint32_t length;

    for (; seen < BURST && (frame = packet_ring_next(&ahead, &length)); seen++) {
        ahead.next = (ahead.next + 1) % PACKET_RING_SLOTS;
        if (!frame_turn(frame, length)) {
            counts->strange++;
            continue;
        }
        frames[count] = frame;
        lengths[count++] = (uint16_t)length;
    }
    counts->calls++;
    counts->empty += seen == 0;
    counts->received += count;
    for (uint16_t sent = 0, more; sent < count; sent = (uint16_t)(sent + more)) {
        more = packet_ring_send(ring, frames + sent, lengths + sent, (uint16_t)(count - sent));
        if (!more)
            break;
        counts->sent += more;
    }
    while (seen--)
        packet_ring_done(ring);
}

static int respond(const struct contender *self, const char *wire, struct counts *counts,
                   struct ae_error *err)
{
    struct packet_ring ring;
    int rc = packet_ring_open(&ring, wire, err);

    (void)self;
    if (rc)
        return rc;
    while (!program_ended)
        turn_burst(&ring, counts);
    packet_ring_close(&ring);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct contender contender = {"af-packet", "AF_PACKET, TPACKET_V2",
                                               "netdev",    "frame",
                                               "kernel",    "worker",
                                               settings,    NULL,
                                               check,       respond};

    return program_main(argc, argv, &contender, 1);
}
