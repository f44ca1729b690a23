/* SPDX-License-Identifier: Apache-2.0 */

/* A port of Aether's: the back end of vhost-user, the other end of a pair. Its owner is a thread
 * which stays where it may run anywhere. */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <aether/owner.h>
#include <aether/packet.h>

#include "wire.h"

#define TEND_MS 100

struct port_wire {
    struct wire wire;
    struct ae_port *port;
    struct ae_queue *queue;
    pthread_t owner;
    bool ended;
};

static uint16_t send_frames(struct wire *wire, const struct wire_frame *frames, uint16_t count)
{
    struct port_wire *own = (struct port_wire *)wire;
    struct ae_packet *packets[WIRE_BURST];
    uint16_t sent;

    count = (uint16_t)ae_packet_get_burst(own->queue->pool, packets, count);
    for (uint16_t i = 0; i < count; i++)
        packets[i]->length = wire_make(wire, packets[i]->data, &frames[i]);
    sent = ae_send(own->queue, packets, count);
    ae_packet_put_burst(packets + sent, (uint32_t)(count - sent));
    return sent;
}

static uint16_t receive_frames(struct wire *wire, struct wire_frame *frames, uint16_t most)
{
    struct port_wire *own = (struct port_wire *)wire;
    struct ae_packet *packets[WIRE_BURST];
    uint16_t came = ae_receive(own->queue, packets, most), count = 0;

    for (uint16_t i = 0; i < came; i++)
        count += wire_take(wire, packets[i]->data, packets[i]->length, &frames[count]);
    ae_packet_put_burst(packets, came);
    return count;
}

static void *tend(void *context)
{
    struct port_wire *own = context;
    struct ae_port_owner *owner = ae_port_get_owner(own->port);
    struct pollfd fd = {ae_port_owner_fd(owner), POLLIN, 0};

    while (!__atomic_load_n(&own->ended, __ATOMIC_ACQUIRE)) {
        ae_port_owner_step(owner);
        poll(&fd, 1, TEND_MS);
    }
    return NULL;
}

static void close_wire(struct wire *wire)
{
    struct port_wire *own = (struct port_wire *)wire;

    __atomic_store_n(&own->ended, true, __ATOMIC_RELEASE);
    pthread_join(own->owner, NULL);
    ae_port_close(own->port);
    free(own);
}

struct wire *wire_port(const char *spec, struct ae_error *err)
{
    struct ae_port_options options = {.receive_ring = 1024, .send_ring = 1024};
    struct port_wire *own = calloc(1, sizeof(*own));
    int rc = own ? ae_port_open(&own->port, spec, &options, err) : -ENOMEM;

    if (rc) {
        free(own);
        return NULL;
    }
    own->queue = ae_port_queue(own->port, 0);
    rc = pthread_create(&own->owner, NULL, tend, own);
    if (rc) {
        snprintf(err->text, sizeof(err->text), "no thread to be had: %s", strerror(rc));
        ae_port_close(own->port);
        free(own);
        return NULL;
    }
    own->wire.send = send_frames;
    own->wire.receive = receive_frames;
    own->wire.close = close_wire;
    return &own->wire;
}
