/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Joins ports two by two: what comes in at one goes out at the other, without a copy in between,
 * for all are on one domain. A frame of EtherType 0x88b5 (for local experiments) ends it as SIGKILL
 * would: that is how the guest kills its own network.
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
#define PAGE    4096

static int is_end(const struct ae_packet *packet)
{
    return packet->data[12] == 0x88 && packet->data[13] == 0xb5;
}

static unsigned forward(struct ae_queue *from, struct ae_queue *to)
{
    struct ae_packet *packets[BURST];
    uint16_t got = ae_receive(from, packets, BURST), sent;

    for (uint16_t i = 0; i < got; i++)
        if (is_end(packets[i]))
            raise(SIGKILL);
    sent = ae_send(to, packets, got);
    while (sent < got)
        ae_packet_put(packets[sent++]);
    return got;
}

static int open_ports(struct ae_port **ports, char **specs, int count, struct ae_error *err)
{
    struct ae_port_options options = {.page_size = PAGE};
    struct ae_domain_options domain = {.page_size = PAGE};
    struct ae_port_plan plan;
    int rc = 0;

    for (int i = 0; i < count && !rc; i++) {
        rc = ae_port_plan(&plan, specs[i], &options, err);
        domain.packets += rc ? 0 : plan.packets;
    }
    if (!rc)
        rc = ae_domain_create(&options.domain, &domain, err);
    for (int i = 0; i < count && !rc; i++)
        rc = ae_port_open(&ports[i], specs[i], &options, err);
    return rc;
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
    if (open_ports(ports, specs, count, &err)) {
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
