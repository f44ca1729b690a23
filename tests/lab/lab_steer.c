/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Steers flows of datagrams from the queue to which they come to the other, and looks where all of
 * them come then: those of the same entry of the table to the other, all else where it did.
 *
 *     lab_steer PORT ADDRESS/PREFIX FLOWS
 */

#include <aether/clock.h>
#include <aether/net.h>
#include <aether/owner.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port/virtio/spread.h"

#define QUEUES      2
#define FLOWS_MAX   128
#define ENOUGH      3 /* datagrams of each flow, to say where it comes */
#define BURST       16
#define STEP_NS     UINT64_C(1000000)
#define SETTLE_NS   UINT64_C(200000000) /* what was in the rings before does not count */
#define PATIENCE_NS UINT64_C(40000000000)

struct flow {
    struct ae_port_flow is;
    unsigned queue; /* to which it should come */
    unsigned seen[QUEUES];
};

struct run {
    struct ae_port *port;
    struct ae_net *net;
    struct flow flows[FLOWS_MAX];
    unsigned known;
    uint64_t step; /* when the owner has its turn */
};

static int failures;

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%s - %s\n", good ? "ok" : "not ok", what);
}

static uint64_t now_ns(void)
{
    return ae_clock_to_ns(ae_clock_ticks());
}

static void count(struct run *run, const struct ae_datagram *datagram, unsigned queue)
{
    struct ae_port_flow is = {.source_port = datagram->source_port,
                              .destination_port = datagram->destination_port,
                              .protocol = 17};
    unsigned i = 0;

    memcpy(is.source, &datagram->source, sizeof(is.source));
    memcpy(is.destination, &datagram->destination, sizeof(is.destination));
    while (i < run->known && memcmp(&run->flows[i].is, &is, sizeof(is)) != 0)
        i++;
    if (i == FLOWS_MAX)
        return;
    if (i == run->known)
        run->flows[run->known++] = (struct flow){.is = is, .queue = queue};
    run->flows[i].seen[queue]++;
}

static void receive(struct run *run, unsigned index)
{
    struct ae_queue *queue = ae_port_queue(run->port, index);
    struct ae_packet *packets[BURST];
    uint16_t got = ae_receive(queue, packets, BURST);

    for (uint16_t i = 0; i < got; i++) {
        struct ae_datagram datagram;
        enum ae_net_verdict verdict = ae_net_input(run->net, packets[i], now_ns(), &datagram);

        if (verdict == AE_NET_UDP)
            count(run, &datagram, index);
        if (verdict != AE_NET_REPLY || ae_send(queue, &packets[i], 1) == 0)
            ae_packet_put(packets[i]);
    }
}

static void turn(struct run *run)
{
    for (unsigned queue = 0; queue < QUEUES; queue++)
        receive(run, queue);
    if (now_ns() >= run->step) {
        ae_port_owner_step(ae_port_get_owner(run->port));
        run->step = now_ns() + STEP_NS;
    }
}

static bool seen_enough(const struct run *run, unsigned flows)
{
    bool enough = run->known >= flows;

    for (unsigned i = 0; i < run->known; i++)
        enough = enough && run->flows[i].seen[0] + run->flows[i].seen[1] >= ENOUGH;
    return enough;
}

/* Until each of so many flows was seen often enough. */
static bool look(struct run *run, unsigned flows)
{
    uint64_t start = now_ns();

    while (now_ns() - start < SETTLE_NS)
        turn(run);
    for (unsigned i = 0; i < run->known; i++)
        memset(run->flows[i].seen, 0, sizeof(run->flows[i].seen));
    while (!seen_enough(run, flows) && now_ns() - start < PATIENCE_NS)
        turn(run);
    return seen_enough(run, flows);
}

/* Each comes to the queue where it should, and to no other. */
static void check_places(const struct run *run, const char *when)
{
    unsigned at[QUEUES] = {0}, elsewhere = 0;
    char text[128];

    for (unsigned i = 0; i < run->known; i++) {
        const struct flow *flow = &run->flows[i];

        at[flow->queue]++;
        elsewhere += flow->seen[!flow->queue] || !flow->seen[flow->queue];
    }
    snprintf(text, sizeof(text), "%s: %u flows come to queue 0, %u to queue 1, %u elsewhere", when,
             at[0], at[1], elsewhere);
    check(at[0] && at[1] && !elsewhere, text);
}

static void steer(struct run *run, unsigned from)
{
    unsigned first = 0, moved = 0, entry;
    struct ae_error err;
    char when[64];

    while (first < run->known && run->flows[first].queue != from)
        first++;
    if (first == run->known)
        return;
    entry = ae_virtio_spread_entry(&run->flows[first].is);
    for (unsigned i = 0; i < run->known; i++)
        if (ae_virtio_spread_entry(&run->flows[i].is) == entry) {
            run->flows[i].queue = !from;
            moved++;
        }
    snprintf(when, sizeof(when), "%u of them steered from queue %u to %u", moved, from, !from);
    if (ae_port_owner_steer(ae_port_get_owner(run->port), &run->flows[first].is, !from, &err)) {
        check(false, err.text);
        return;
    }
    if (look(run, run->known))
        check_places(run, when);
    else
        check(false, when);
}

int main(int argc, char **argv)
{
    struct ae_net_options options = {0};
    struct run run = {0};
    struct ae_port_info info;
    struct ae_error err;

    if (argc != 4 || ae_ipv4_parse_prefix(argv[2], &options.address, &options.prefix)) {
        fprintf(stderr, "Usage: lab_steer PORT ADDRESS/PREFIX FLOWS\n");
        return 2;
    }
    if (ae_clock_calibrate(&err) ||
        ae_port_open(&run.port, argv[1], &(struct ae_port_options){.queues = QUEUES}, &err)) {
        fprintf(stderr, "lab_steer: %s\n", err.text);
        return 1;
    }
    ae_port_get_info(run.port, &info);
    memcpy(options.mac, info.mac, sizeof(options.mac));
    if (ae_net_create(&run.net, &options, &err)) {
        fprintf(stderr, "lab_steer: %s\n", err.text);
        return 1;
    }
    if (look(&run, (unsigned)atoi(argv[3]))) {
        check_places(&run, "by hash");
        steer(&run, 0);
        steer(&run, 1);
    } else {
        check(false, "flows arrive");
    }
    ae_port_close(run.port);
    ae_net_destroy(run.net);
    return failures > 0;
}
