/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a worker is handed. The input is laid over a good handoff: pairs of an offset (two bytes)
 * and a value of eight bytes. A handoff is refused with a reason, or the port works.
 *
 * The kernel refuses to map more of a card's registers than there are; a memfd does not, so such
 * inputs are left out here.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/fake_card.h"

#define RING 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void change(struct ae_port_handoff *handoff, const uint8_t *data, size_t size)
{
    uint8_t bytes[sizeof(*handoff)];

    memcpy(bytes, handoff, sizeof(bytes));
    for (; size >= 10; data += 10, size -= 10) {
        size_t at = (size_t)(data[0] | data[1] << 8) % (sizeof(bytes) - 7);

        memcpy(bytes + at, data + 2, 8);
    }
    memcpy(handoff, bytes, sizeof(bytes));
}

static void use(struct ae_port *port)
{
    struct ae_queue *queue = ae_port_queue(port, 0);
    struct ae_packet *packets[4], *packet = ae_packet_get(queue->pool);
    struct ae_link link;
    uint16_t count = ae_receive(queue, packets, 4);

    ae_port_get_link(port, &link);
    for (uint16_t i = 0; i < count; i++)
        ae_packet_put(packets[i]);
    if (!packet)
        return;
    packet->length = 60;
    memset(packet->data, 0, 60);
    if (ae_send(queue, &packet, 1) == 0)
        ae_packet_put(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fake_card card;
    struct ae_port_handoff handoff;
    struct ae_error err = {0};
    struct ae_port *port = NULL;

    if (!card.memory)
        fake_card_make(&card, RING, RING, RING + 16);
    fake_card_reset(&card);
    handoff = card.handoff;
    change(&handoff, data, size);
    if (handoff.registers_offset > FAKE_REGISTERS ||
        handoff.registers_size > FAKE_REGISTERS - handoff.registers_offset)
        return 0;
    /* An address is the supervisor's word, which only it can check
     * (worker/supervisor/registers.h). */
    handoff.registers_mapped = 0;
    /* Any descriptor but those that the fuzzer itself lives on. */
    if (handoff.memory_fd != card.handoff.memory_fd)
        handoff.memory_fd = handoff.memory_fd % 2 ? card.handoff.state_fd : -1;
    if (handoff.state_fd != card.handoff.state_fd)
        handoff.state_fd = handoff.state_fd % 2 ? card.handoff.device_fd : -1;
    if (handoff.device_fd != card.handoff.device_fd)
        handoff.device_fd = handoff.device_fd % 2 ? card.handoff.memory_fd : -1;
    if (ae_port_attach(&port, &handoff, &err) == 0)
        use(port);
    else if (!err.text[0] || !err.code || port)
        abort();
    if (port)
        ae_port_close(port);
    return 0;
}
