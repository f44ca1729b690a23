/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_FUZZ_OWNER_H
#define AE_FUZZ_OWNER_H

/*
 * The owner of a card against a function that lies: what it reads of registers, where its
 * capabilities, BARs and their holes are, what it writes to memory and when it is gone come from
 * the input. Whatever it does, nothing outside of it is touched (it would fault), no call takes
 * long, and in the end it masters the bus no more.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <aether/owner.h>
#include <linux/pci_regs.h>

#include "made_function.h"
#include "made_root.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

#define LONGEST      (20 * UINT64_C(1000000000)) /* ns that opening or closing may sleep */
#define ACCESSES_MAX 2000000u

static const uint8_t *input;
static size_t input_left;

static uint32_t take(unsigned bytes)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < bytes && input_left; i++, input_left--)
        value |= (uint32_t)*input++ << 8 * i;
    return value;
}

/* The truth three times of four, and when the input is at its end. */
static uint32_t lie(uint32_t value, unsigned width)
{
    uint32_t kind = take(1);

    if (kind < 0xc0)
        return value;
    return kind < 0xe0 ? take(width) : kind < 0xf0 ? 0 : UINT32_MAX >> (32 - 8 * width);
}

static void remove_root(void)
{
    made_root_end(NULL);
}

static void make_root(void)
{
    static bool made;

    if (made)
        return;
    CHECK(made_root_begin(NULL) == 0);
    atexit(remove_root);
    made = true;
}

/* Where BARs are, how large, and what of them may be mapped. */
static void shape_bars(void)
{
    for (unsigned i = 0; i < 6; i++) {
        struct made_bar *bar = &made_function.bars[i];
        uint32_t shape = take(1);

        if (shape & 1)
            continue; /* as it is */
        bar->size = (shape >> 4) * 0x1000;
        bar->io = (shape & 6) == 6;
        bar->sparse = shape & 8;
        for (unsigned j = 0; j < MADE_SPARSE && bar->sparse; j++) {
            bar->area[j][0] = (take(1) % 24) * 0x1000u;
            bar->area[j][1] = (take(1) % 24) * 0x1000u;
        }
    }
    made_function.no_reset = take(1) & 1;
    made_function.msix = take(1) % 3;
}

/* Bytes over configuration space: capabilities that lead anywhere. */
static void spoil_config(void)
{
    for (unsigned count = take(1) % 16; count > 0; count--) {
        unsigned at = PCI_STD_HEADER_SIZEOF - 12 + take(1) % 200;

        made_config_put(at, 1, take(1));
    }
}

static void attach(const struct ae_port_owner *owner)
{
    struct ae_port_handoff handoff;
    struct ae_port *port;

    CHECK(ae_port_owner_get_handoff(owner, 0, 1, &handoff) == 0);
    if (ae_port_attach(&port, &handoff, NULL))
        return;
    for (unsigned i = 0; ae_port_queue(port, i); i++) {
        struct ae_packet *packet = ae_packet_get(ae_port_queue(port, i)->pool);

        packet->length = 60;
        if (!ae_send(ae_port_queue(port, i), &packet, 1))
            ae_packet_put(packet);
    }
    ae_port_close(port);
}

static void assert_short(uint64_t sleep)
{
    CHECK(made_function.slept <= sleep);
    CHECK(made_function.accesses <= ACCESSES_MAX);
    made_function.slept = made_function.accesses = 0;
}

/* What the supervisor's loop does, which may not wait at all. */
static void serve(struct ae_port_owner *owner, uint32_t what)
{
    struct ae_port_statistic statistics[64];
    uint64_t soon;

    switch (what) {
    case 0:
        made_signal(made_function.vector);
        ae_port_owner_step(owner);
        break;
    case 1:
        soon = ae_port_owner_step(owner);
        made_function.now += soon < UINT64_C(2000000000) ? soon : 0;
        break;
    case 2:
        CHECK(ae_port_owner_get_statistics(owner, statistics, 64) <= 64);
        break;
    case 3:
        made_signal(made_function.request);
        ae_port_owner_step(owner);
        break;
    default:
        break;
    }
    assert_short(0);
}

static void run_owner(void (*spoil)(uint32_t at, uint32_t value))
{
    uint16_t ring = take(1) & 1 ? 0 : 32;
    struct ae_port_options options = {
        .packets = 16, .page_size = 4096, .receive_ring = ring, .send_ring = ring};
    struct ae_port_owner *owner;
    bool gone = false;

    made_function.lie = lie;
    if (ae_port_owner_open(&owner, MADE_ADDRESS, &options, NULL) == 0) {
        assert_short(LONGEST);
        while (input_left) {
            uint32_t what = take(1) % 8;

            if (what == 4 && ae_port_owner_restart(owner, NULL))
                break;
            if (what == 5)
                attach(owner);
            if (what == 6)
                spoil(take(2), take(1));
            if (what == 7 && take(1) == 0x77) {
                made_config_gone();
                gone = true;
            }
            if (what == 4)
                assert_short(LONGEST);
            else
                serve(owner, what);
        }
        made_function.slept = 0;
        ae_port_owner_close(owner);
    }
    assert_short(LONGEST);
    CHECK(made_function.masters == 0 && !made_function.unmapped_early);
    CHECK(gone || !(made_config_get(PCI_COMMAND, 2) & PCI_COMMAND_MASTER));
    CHECK(made_function.vector == -1);
}

#endif
