/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BENCH_PACKET_RING_H
#define AE_BENCH_PACKET_RING_H

/*
 * AF_PACKET on one interface: frames come by a ring shared with the kernel (TPACKET_V2, which hands
 * over each frame as it comes; V3 gathers them into blocks), and are sent past the queueing
 * discipline (packet(7); Documentation/networking/packet_mmap.rst).
 */

#include <stdint.h>

#include <aether/error.h>

#define PACKET_RING_FRAME 2048
#define PACKET_RING_SLOTS 4096

struct packet_ring {
    int fd;
    uint8_t *slots;
    uint32_t next;
};

/* -errno: err says why. It takes CAP_NET_RAW. */
int packet_ring_open(struct packet_ring *ring, const char *interface, struct ae_error *err);
void packet_ring_close(struct packet_ring *ring);

/* The next frame, or NULL: none has come. It stays valid until packet_ring_done. */
uint8_t *packet_ring_next(const struct packet_ring *ring, uint32_t *length);
void packet_ring_done(struct packet_ring *ring);

/* How many of these frames went. */
uint16_t packet_ring_send(const struct packet_ring *ring, uint8_t *const *frames,
                          const uint16_t *lengths, uint16_t count);

#endif
