/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_FAKE_CARD_H
#define AE_TESTS_FAKE_CARD_H

/*
 * An 82574L in ordinary memory: what its owner would hand to a worker, and the card's side of the
 * rings, as its datasheet has them. The port is attached as a worker attaches it.
 */

#include <stdbool.h>
#include <stdint.h>

#include <aether/port.h>

#include "port/intel/e1000e_regs.h"

#define FAKE_REGISTERS (128 * 1024)
#define FAKE_IOVA      UINT64_C(0x7fff00000000) /* the rings */
#define FAKE_DOMAIN    UINT64_C(0x7ffe00000000) /* the buffers */

struct ae_port_state;

struct fake_card {
    struct ae_port_handoff handoff;
    struct ae_port *port;
    struct ae_queue *queue;
    struct ae_port_state *state;
    uint8_t *memory, *buffers;
    uint64_t memory_size, buffers_size;
    uint8_t *registers;
    union e1000e_receive *receive; /* the rings */
    struct e1000e_send *send;
    uint32_t receive_head, send_head;
    uint64_t context; /* the last context descriptor: its address word, and whether it is for TCP */
    bool tcp;
    unsigned contexts; /* how many came */
    unsigned reports;  /* descriptors that asked for one */
    uint64_t stamp;    /* the last timestamp that it kept */
};

/* A handoff that a worker accepts, its descriptors open; the card is as after a reset. */
void fake_card_make(struct fake_card *card, uint16_t receive_ring, uint16_t send_ring,
                    uint32_t packets);
void fake_card_reset(struct fake_card *card);
void fake_card_attach(struct fake_card *card);
void fake_card_detach(struct fake_card *card);
void fake_card_destroy(struct fake_card *card);

uint32_t fake_card_get(const struct fake_card *card, uint32_t offset);
void fake_card_set(struct fake_card *card, uint32_t offset, uint32_t value);

/* How many descriptors the card has to write to. */
uint32_t fake_card_room(const struct fake_card *card);

/* Writes a frame to the next buffer; status beside DD. length is what the descriptor says. False:
 * there is no room. */
bool fake_card_deliver(struct fake_card *card, const uint8_t *frame, uint32_t length,
                       uint32_t status);

/* Sends the next frame, of however many descriptors: its bytes with the checksums filled in, and
 * done if that was asked for. The length, 0 when there is none. */
uint32_t fake_card_take(struct fake_card *card, uint8_t *frame);

#endif
