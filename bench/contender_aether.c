/* SPDX-License-Identifier: Apache-2.0 */

/* Aether's port, with nothing but the public interface. */

#include <stdio.h>

#include <aether/owner.h>
#include <aether/packet.h>

typedef struct ae_packet packet;

static struct ae_queue *queue;

static inline uint16_t take(packet **packets, uint16_t count)
{
    return ae_receive(queue, packets, count);
}

static inline uint16_t give(packet **packets, uint16_t count)
{
    return ae_send(queue, packets, count);
}

static inline bool get(packet **packets, uint16_t count)
{
    uint16_t got = (uint16_t)ae_packet_get_burst(queue->pool, packets, count);

    if (got < count)
        ae_packet_put_burst(packets, got);
    return got == count;
}

static inline void put(packet **packets, uint16_t count)
{
    ae_packet_put_burst(packets, count);
}

static inline uint8_t *data(packet *one)
{
    return one->data;
}

static inline uint32_t length(const packet *one)
{
    return one->length;
}

static inline void set_length(packet *one, uint16_t bytes)
{
    one->length = bytes;
}

#include "work.h"

/* Waits until the other side is there: it may still be reading what it was told. */
static bool wait_for_link(struct ae_port *port)
{
    uint64_t give_up = ae_clock_ticks() + ae_clock_from_ns(UINT64_C(5000000000));
    struct ae_link link;

    do {
        ae_port_owner_step(ae_port_get_owner(port));
        ae_port_get_link(port, &link);
    } while (!link.up && ae_clock_ticks() < give_up);
    return link.up;
}

int main(int argc, char **argv)
{
    static char described[AE_PORT_SPEC + 64];
    struct ae_port_options options = {0};
    struct ae_port_info info;
    struct ae_port *port;
    struct ae_error err;
    char spec[AE_PORT_SPEC];

    contender_parse(&contender, argc, argv, "contender_aether");
    contender_prepare(&contender);
    options.receive_ring = options.send_ring = contender.queue_size;
    options.page_size = contender.small_pages ? 4096 : 0;
    snprintf(spec, sizeof(spec), "vhost-user:%s,packed=%s%s%s", contender.path,
             contender.packed ? "on" : "off", *contender.driver ? "," : "", contender.driver);
    if (ae_port_open(&port, spec, &options, &err)) {
        fprintf(stderr, "contender_aether: %s\n", err.text);
        return 1;
    }
    queue = ae_port_queue(port, 0);
    if (!wait_for_link(port)) {
        fprintf(stderr, "contender_aether: %s: nobody answers\n", spec);
        ae_port_close(port);
        return 1;
    }
    ae_port_get_info(port, &info);
    snprintf(described, sizeof(described), "%s, path %s, caller %s", info.driver,
             ae_path_name(info.path), ae_caller_name(info.caller));
    contender.described = described;
    run_work();
    fflush(stdout);
    ae_port_close(port);
    return 0;
}
