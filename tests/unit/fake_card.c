/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_card.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frame.h"
#include "port/handoff.h"
#include "port/owner.h"

/* What is written to a buffer at most: RCTL.LPE 0 has the card drop longer frames. */
#define BUFFER 2048
#define ROOM   (BUFFER - AE_PACKET_HEADROOM)

static int make_memory(const char *name, uint64_t size, uint8_t **base)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || ftruncate(fd, (off_t)size) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        abort();
    if (!base)
        return fd;
    *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (*base == MAP_FAILED)
        abort();
    return fd;
}

static void add(struct ae_port_handoff *handoff, enum ae_port_map_kind kind, int fd,
                uint64_t length)
{
    ae_handoff_add(handoff, (struct ae_port_map){.kind = kind, .fd = fd, .length = length});
}

void fake_card_make(struct fake_card *card, uint16_t receive_ring, uint16_t send_ring,
                    uint32_t packets)
{
    const struct ae_queue_ops *ops = &ae_queue_e1000e;
    struct ae_port_handoff *handoff = &card->handoff;
    uint8_t *state;

    memset(card, 0, sizeof(*card));
    handoff->version = AE_PORT_HANDOFF_VERSION;
    handoff->size = sizeof(*handoff);
    snprintf(handoff->info.spec, sizeof(handoff->info.spec), "0000:01:00.0");
    snprintf(handoff->info.driver, sizeof(handoff->info.driver), "e1000e");
    handoff->info.mtu = 1500;
    handoff->info.queues = handoff->queue_count = 1;
    handoff->info.features = ae_port_e1000e.features;
    handoff->receive_ring = receive_ring;
    handoff->send_ring = send_ring;
    handoff->packet_count = packets;
    handoff->buffer_size = BUFFER;
    card->memory_size = ae_port_receive_ring_offset(ops, handoff, 1);
    card->buffers_size = (uint64_t)packets * BUFFER;
    add(handoff, AE_PORT_MAP_MEMORY, make_memory("fake-memory", card->memory_size, &card->memory),
        card->memory_size);
    handoff->maps[0].iova = FAKE_IOVA;
    add(handoff, AE_PORT_MAP_REGISTERS,
        make_memory("fake-registers", FAKE_REGISTERS, &card->registers), FAKE_REGISTERS);
    add(handoff, AE_PORT_MAP_STATE, make_memory("fake-state", sizeof(*card->state), &state),
        sizeof(*card->state));
    card->state = (void *)state;
    add(handoff, AE_PORT_MAP_QUEUE, make_memory("fake-queue", sizeof(struct ae_queue_state), NULL),
        sizeof(struct ae_queue_state));
    add(handoff, AE_PORT_MAP_DOMAIN, make_memory("fake-domain", card->buffers_size, &card->buffers),
        card->buffers_size);
    handoff->maps[4].iova = FAKE_DOMAIN;
    card->receive = (void *)(card->memory + ae_port_receive_ring_offset(ops, handoff, 0));
    card->send = (void *)(card->memory + ae_port_send_ring_offset(ops, handoff, 0));
}

void fake_card_reset(struct fake_card *card)
{
    fake_card_set(card, RDT, 0);
    fake_card_set(card, TDT, 0);
    memset(card->memory, 0, card->memory_size);
    card->receive_head = card->send_head = 0;
    card->contexts = card->reports = 0;
    card->context = 0;
}

void fake_card_attach(struct fake_card *card)
{
    struct ae_error err;

    if (ae_port_attach(&card->port, &card->handoff, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    card->queue = ae_port_queue(card->port, 0);
}

void fake_card_detach(struct fake_card *card)
{
    ae_port_close(card->port);
    card->port = NULL;
}

void fake_card_destroy(struct fake_card *card)
{
    munmap(card->memory, card->memory_size);
    munmap(card->buffers, card->buffers_size);
    munmap(card->state, sizeof(*card->state));
    munmap(card->registers, FAKE_REGISTERS);
    for (uint32_t i = 0; i < card->handoff.map_count; i++)
        close(card->handoff.maps[i].fd);
}

uint32_t fake_card_get(const struct fake_card *card, uint32_t offset)
{
    uint32_t value;

    memcpy(&value, card->registers + offset, sizeof(value));
    return value;
}

void fake_card_set(struct fake_card *card, uint32_t offset, uint32_t value)
{
    memcpy(card->registers + offset, &value, sizeof(value));
}

uint32_t fake_card_room(const struct fake_card *card)
{
    return (fake_card_get(card, RDT) - card->receive_head) & (card->handoff.receive_ring - 1u);
}

/* What lies at an address, all of it inside the buffers that are mapped for the card. */
static uint8_t *reach(struct fake_card *card, uint64_t iova, uint64_t length)
{
    uint64_t offset = iova - FAKE_DOMAIN;

    if (offset > card->buffers_size || card->buffers_size - offset < length)
        abort();
    return card->buffers + offset;
}

bool fake_card_deliver(struct fake_card *card, const uint8_t *frame, uint32_t length,
                       uint32_t status)
{
    union e1000e_receive *descriptor = &card->receive[card->receive_head];

    if (fake_card_room(card) == 0)
        return false;
    if (frame)
        memcpy(reach(card, descriptor->read.buffer_address, ROOM), frame,
               length < ROOM ? length : ROOM);
    memset(descriptor, 0, sizeof(*descriptor));
    descriptor->write_back.length = (uint16_t)length;
    descriptor->write_back.status_error = status | RXD_DD;
    card->receive_head = (card->receive_head + 1) & (card->handoff.receive_ring - 1u);
    return true;
}

/* 7.2.6: adds up from a start to an end (0: the last byte) and writes the complement. */
static void fill_in(uint8_t *frame, uint32_t length, uint32_t start, uint32_t at, uint32_t stop)
{
    uint32_t last = stop ? stop : length - 1;

    if (last >= length || start > last || at + 2 > length)
        abort();
    frame_put16(frame + at, 0xffff - frame_sum(frame + start, last + 1 - start, 0));
}

static void finish(struct fake_card *card, struct e1000e_send *descriptor)
{
    if (descriptor->length_command & TXD_RS) {
        descriptor->status_options |= TXD_DD;
        card->reports++;
    }
    card->send_head = (card->send_head + 1) & (card->handoff.send_ring - 1u);
}

/* What one data descriptor adds to a frame of so many bytes; sets whether more are to come. */
static uint32_t take_part(struct fake_card *card, uint8_t *to, bool *last)
{
    struct e1000e_send *descriptor = &card->send[card->send_head];
    uint32_t length = descriptor->length_command & 0xfffff;

    if (card->send_head == fake_card_get(card, TDT) || length == 0 ||
        !(descriptor->length_command & TXD_IFCS))
        abort();
    memcpy(to, reach(card, descriptor->address, length), length);
    *last = descriptor->length_command & TXD_EOP;
    finish(card, descriptor);
    return length;
}

uint32_t fake_card_take(struct fake_card *card, uint8_t *frame)
{
    uint64_t context;
    struct e1000e_send *descriptor = &card->send[card->send_head];
    uint32_t length = 0, options;
    bool last = false;

    if (card->send_head == fake_card_get(card, TDT))
        return 0;
    if (descriptor->length_command & TXD_DEXT && !(descriptor->length_command & TXD_DTYP_DATA)) {
        card->context = descriptor->address;
        card->tcp = descriptor->length_command & TXD_TUCMD_TCP;
        card->contexts++;
        finish(card, descriptor);
        return fake_card_take(card, frame);
    }
    options = descriptor->status_options;
    while (!last)
        length += take_part(card, frame + length, &last);
    context = card->context;
    if (options & TXD_IXSM)
        fill_in(frame, length, context & 0xff, context >> 8 & 0xff, context >> 16 & 0xffff);
    if (options & TXD_TXSM)
        fill_in(frame, length, context >> 32 & 0xff, context >> 40 & 0xff,
                (uint32_t)(context >> 48));
    if (options & TXD_TSTMP && fake_card_get(card, TSYNCTXCTL) == TSYNCTXCTL_EN) {
        fake_card_set(card, TSYNCTXCTL, TSYNCTXCTL_EN | TSYNCTXCTL_VALID);
        fake_card_set(card, TXSTMPL, (uint32_t)++card->stamp);
        fake_card_set(card, TXSTMPH, (uint32_t)(card->stamp >> 32));
    }
    return length;
}
