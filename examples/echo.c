/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The smallest useful worker: answers UDP datagrams, ARP and ICMP echo. Copy it to start your own.
 *
 *     aether run --cpu 1 --port 0000:01:00.0 --bind build/examples/echo 10.77.0.2/24
 */

#include <aether/clock.h>
#include <aether/net.h>
#include <aether/worker.h>
#include <stdio.h>
#include <string.h>

#define BURST 32

static int complain(const struct ae_error *err)
{
    fprintf(stderr, "echo: %s\n", err->text);
    return 1;
}

/* A host with this address on the port. */
static int make_net(struct ae_worker *worker, struct ae_net **net, const struct ae_port *port,
                    const char *address, struct ae_error *err)
{
    struct ae_net_options options = {0};
    struct ae_port_info info;

    ae_port_get_info(port, &info);
    memcpy(options.mac, info.mac, sizeof(options.mac));
    options.mtu = info.mtu;
    if (ae_ipv4_parse_prefix(address, &options.address, &options.prefix)) {
        snprintf(err->text, sizeof(err->text), "'%s': 10.77.0.2/24 would be an address", address);
        return -1;
    }
    return ae_worker_net(worker, net, &options, err);
}

/* The quiet part: no system call, no allocation, no lock, until somebody wants us to stop. */
static void serve(struct ae_worker *worker, struct ae_queue *queue, struct ae_net *net,
                  uint64_t *answered)
{
    struct ae_packet *packets[BURST];

    while (ae_worker_running(worker)) {
        uint16_t count = ae_receive(queue, packets, BURST), replies = 0, sent;
        uint64_t now = ae_clock_to_ns(ae_clock_ticks());

        for (uint16_t i = 0; i < count; i++) {
            struct ae_datagram datagram;
            enum ae_net_verdict verdict = ae_net_input(net, packets[i], now, &datagram);

            if (verdict == AE_NET_UDP) {
                /* datagram.payload is yours to read, and to change in place: then set .changed.
                 * Of a frame in several packets the others have the rest: ae_packet_next. */
                ae_net_udp_reply(net, packets[i], &datagram);
                ++*answered;
            }
            if (verdict == AE_NET_DROP)
                ae_packet_put(packets[i]);
            else
                packets[replies++] = packets[i];
        }
        sent = replies ? ae_send(queue, packets, replies) : 0;
        while (sent < replies)
            ae_packet_put(packets[sent++]); /* the ring is full: these are still ours */
    }
}

int main(int argc, char **argv)
{
    struct ae_worker *worker;
    struct ae_port *port;
    struct ae_net *net;
    struct ae_error err;
    uint64_t *answered;
    int rc;

    if (argc != 2) {
        fprintf(stderr, "Usage: aether run --cpu N --port SPEC echo ADDRESS/PREFIX\n");
        return 2;
    }
    if (ae_worker_start(&worker, &err))
        return complain(&err);
    port = ae_worker_port(worker, 0);
    if (!port) {
        fprintf(stderr, "echo: a port is needed: aether run --port SPEC\n");
        ae_worker_finish(worker);
        return 2;
    }
    answered = ae_worker_counter(worker, "datagrams answered");
    if (make_net(worker, &net, port, argv[1], &err)) {
        ae_worker_finish(worker);
        return complain(&err);
    }
    rc = ae_quiet_enter(worker, NULL, &err);
    if (!rc) {
        serve(worker, ae_port_queue(port, 0), net, answered);
        ae_quiet_leave(worker);
        printf("Answered %llu datagrams\n", (unsigned long long)*answered);
    }
    ae_worker_finish(worker);
    return rc ? complain(&err) : 0;
}
