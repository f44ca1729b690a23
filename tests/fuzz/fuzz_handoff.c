/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a worker is handed. The input is laid over a good handoff: triples of a map (one byte;
 * beyond the last there is: the whole handoff), an offset in it (two bytes) and a value of eight
 * bytes. A handoff is refused with a reason, or the port works, and no descriptor is lost either
 * way. Where the input is of an odd number of bytes the worker has another port already, with the
 * domain that this one is said to have: neither may lose packets by the other.
 *
 * The kernel refuses to map more of a card's registers than there are; a memfd does not, so such
 * inputs are left out here.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit/fake_card.h"
#include "port/port.h"

#define RING 32
#define MANY (2 * RING + 32) /* packets, for two ports */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void change(struct ae_port_handoff *handoff, const uint8_t *data, size_t size)
{
    for (; size >= 11; data += 11, size -= 11) {
        bool map = data[0] < AE_PORT_MAPS;
        uint8_t *bytes = map ? (uint8_t *)&handoff->maps[data[0]] : (uint8_t *)handoff;
        size_t room = map ? sizeof(handoff->maps[0]) : sizeof(*handoff);

        memcpy(bytes + (size_t)(data[1] | data[2] << 8) % (room - 7), data + 3, 8);
    }
}

/* False: this is not for a memfd in place of a card. */
static bool tame(struct ae_port_handoff *handoff, const struct ae_port_handoff *good)
{
    for (unsigned i = 0; i < AE_PORT_MAPS; i++) {
        struct ae_port_map *map = &handoff->maps[i];

        /* Any descriptor but those that the fuzzer itself lives on. */
        if (i >= good->map_count || map->fd != good->maps[i].fd)
            map->fd = map->fd % 4 ? good->maps[(uint32_t)map->fd % good->map_count].fd : -1;
        if (map->kind != AE_PORT_MAP_REGISTERS)
            continue;
        /* An address is the supervisor's word, which only it can check
         * (worker/supervisor/registers.h). */
        map->mapped = 0;
        if (map->offset > FAKE_REGISTERS || map->length > FAKE_REGISTERS - map->offset)
            return false;
    }
    return true;
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

/* A port that is there before, on the same domain. */
static void begin_beside(struct fake_card *beside)
{
    fake_card_reset(beside);
    fake_card_attach(beside);
}

static void end_beside(struct fake_card *beside)
{
    const struct ae_pool *pool = beside->queue->pool;

    if (ae_pool_available(pool) != MANY - (RING - 1) || pool->misuse)
        abort();
    fake_card_detach(beside);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fake_card card, beside;
    bool second = size & 1;
    struct ae_port_handoff handoff;
    struct ae_error err = {0};
    struct ae_port *port = NULL;
    int before, after;

    if (!card.memory) {
        fake_card_make(&card, RING, RING, MANY);
        fake_card_make(&beside, RING, RING, MANY);
        close(beside.handoff.maps[4].fd);
        beside.handoff.maps[4].fd = dup(card.handoff.maps[4].fd);
    }
    fake_card_reset(&card);
    handoff = card.handoff;
    change(&handoff, data, size);
    if (!tame(&handoff, &card.handoff))
        return 0;
    before = dup(0);
    close(before);
    if (second)
        begin_beside(&beside);
    if (ae_port_attach_on(&port, &handoff, second ? beside.port->domain : NULL, &err) == 0)
        use(port);
    else if (!err.text[0] || !err.code || port)
        abort();
    if (port)
        ae_port_close(port);
    if (second)
        end_beside(&beside);
    after = dup(0);
    close(after);
    if (after != before)
        abort();
    return 0;
}
