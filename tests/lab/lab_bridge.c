/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Joins ports two by two: what comes in at one goes out at the other. A frame of EtherType 0x88b5
 * (for local experiments) ends it as SIGKILL would: that is how the guest kills its own network.
 *
 * lab_bridge SPEC SPEC [SPEC SPEC]...
 */

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <aether/clock.h>
#include <aether/owner.h>

#define PORTS   8
#define BURST   32
#define TEND_US 100

static int is_end(const struct ae_packet *packet)
{
    return packet->data[12] == 0x88 && packet->data[13] == 0xb5;
}

/* Between pools of two ports a frame has to be copied. */
static struct ae_packet *copy(struct ae_packet *packet, struct ae_pool *pool)
{
    struct ae_packet *other = ae_packet_get(pool);

    if (other) {
        for (uint32_t i = 0; i < packet->length; i++)
            other->data[i] = packet->data[i];
        other->length = packet->length;
    }
    ae_packet_put(packet);
    return other;
}

static unsigned forward(struct ae_queue *from, struct ae_queue *to)
{
    struct ae_packet *packets[BURST];
    uint16_t got = ae_receive(from, packets, BURST), count = 0, sent;

    for (uint16_t i = 0; i < got; i++) {
        if (is_end(packets[i]))
            raise(SIGKILL);
        packets[count] = copy(packets[i], to->pool);
        count = (uint16_t)(count + (packets[count] != NULL));
    }
    sent = ae_send(to, packets, count);
    while (sent < count)
        ae_packet_put(packets[sent++]);
    return got;
}

int main(int count, char **specs)
{
    struct ae_port *ports[PORTS];
    uint64_t soon = 0;
    struct ae_error err;

    count--;
    specs++;
    if (count < 2 || count % 2 || count > PORTS) {
        fprintf(stderr, "usage: lab_bridge SPEC SPEC [SPEC SPEC]...\n");
        return 2;
    }
    ae_clock_calibrate(NULL);
    for (int i = 0; i < count; i++)
        if (ae_port_open(&ports[i], specs[i], &(struct ae_port_options){.page_size = 4096}, &err)) {
            fprintf(stderr, "lab_bridge: %s\n", err.text);
            return 1;
        }
    for (;;) {
        unsigned moved = 0;

        if (ae_clock_ticks() >= soon) {
            for (int i = 0; i < count; i++)
                ae_port_owner_step(ae_port_get_owner(ports[i]));
            soon = ae_clock_ticks() + ae_clock_from_ns(TEND_US * 1000);
        }
        for (int i = 0; i < count; i++)
            moved += forward(ae_port_queue(ports[i], 0), ae_port_queue(ports[i ^ 1], 0));
        /* The guest's own CPUs are emulated by those that we run on. */
        if (!moved)
            usleep(TEND_US);
    }
}
