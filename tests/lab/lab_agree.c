/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sends UDP datagrams of every length that the MTU allows, of a jumbo one each 37th, to a host that
 * returns them, and checks what comes back. Checksums are the card's, or made and checked in
 * software.
 *
 *     lab_agree PORT ADDRESS/PREFIX PEER UDP-PORT offload|software
 */

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aether/clock.h>
#include <aether/net.h>
#include <aether/owner.h>

#define HEADERS             28 /* IPv4, UDP */
#define LONGEST             (9000 - HEADERS)
#define OWN_PORT            4000
#define PATIENCE_NS         UINT64_C(5000000000)
#define RESOLVE_PATIENCE_NS UINT64_C(60000000000)

struct run {
    struct ae_queue *queue;
    struct ae_net *net;
    struct ae_udp_flow flow;
    bool software;
    uint16_t longest, step; /* of the datagrams' lengths */
    uint16_t length;        /* the one that is out */
    bool returned;          /* it came back */
    unsigned good, bad;
};

static uint8_t byte_of(uint16_t length, uint32_t at)
{
    return (uint8_t)(length * 7u + at * 13u + (at >> 8));
}

static uint64_t now_ns(void)
{
    return ae_clock_to_ns(ae_clock_ticks());
}

static void send_or_put(struct run *run, struct ae_packet *packet)
{
    if (ae_send(run->queue, &packet, 1) == 0)
        ae_packet_put(packet);
}

static void check(struct run *run, const struct ae_packet *packet,
                  const struct ae_datagram *datagram)
{
    bool same = datagram->length == run->length && datagram->destination_port == OWN_PORT;
    uint8_t bytes[LONGEST];

    if (same)
        same = ae_packet_read(packet, (uint32_t)(datagram->payload - packet->data), bytes,
                              datagram->length) == datagram->length;
    for (uint32_t i = 0; i < datagram->length && same; i++)
        same = bytes[i] == byte_of(run->length, i);
    run->good += same;
    run->bad += !same;
    run->returned = true;
}

static void receive(struct run *run)
{
    struct ae_packet *packets[16];
    uint16_t count = ae_receive(run->queue, packets, 16);

    for (uint16_t i = 0; i < count; i++) {
        struct ae_datagram datagram;
        enum ae_net_verdict verdict;

        /* Without the card's verdict, the software looks for itself. */
        if (run->software)
            packets[i]->flags = 0;
        verdict = ae_net_input(run->net, packets[i], now_ns(), &datagram);
        if (verdict == AE_NET_UDP)
            check(run, packets[i], &datagram);
        if (verdict == AE_NET_REPLY)
            send_or_put(run, packets[i]);
        else
            ae_packet_put(packets[i]);
    }
}

/* Asks for longer than the network would: the other side's link may just have been set up anew. */
static int resolve(struct run *run, ae_ipv4_t peer)
{
    uint64_t start = now_ns();
    int rc;

    do {
        struct ae_packet *request = ae_packet_get(run->queue->pool);

        rc = ae_net_resolve(run->net, peer, request, now_ns());
        if (request->length)
            send_or_put(run, request);
        else
            ae_packet_put(request);
        receive(run);
    } while (rc && now_ns() - start < RESOLVE_PATIENCE_NS);
    return rc;
}

static void send_length(struct run *run)
{
    struct ae_packet *packet = ae_packet_get(run->queue->pool);
    uint8_t bytes[LONGEST];

    for (uint32_t i = 0; i < run->length; i++)
        bytes[i] = byte_of(run->length, i);
    if (ae_packet_append(packet, bytes, run->length) ||
        ae_net_udp_send(run->net, &run->flow, packet)) {
        printf("# length %u is refused\n", run->length);
        ae_packet_put(packet);
        return;
    }
    send_or_put(run, packet);
}

static void exchange(struct run *run)
{
    for (uint32_t length = run->longest % run->step; length <= run->longest; length += run->step) {
        uint64_t start = now_ns();

        run->length = (uint16_t)length;
        run->returned = false;
        send_length(run);
        while (!run->returned && now_ns() - start < PATIENCE_NS)
            receive(run);
        if (!run->returned) {
            printf("# length %u did not come back\n", run->length);
            return;
        }
    }
}

static int open_net(struct run *run, struct ae_port *port, const char *address,
                    struct ae_error *err)
{
    struct ae_net_options options = {0};
    struct ae_port_info info;

    ae_port_get_info(port, &info);
    memcpy(options.mac, info.mac, sizeof(options.mac));
    options.mtu = info.mtu;
    run->longest = (uint16_t)(info.mtu - HEADERS);
    run->step = info.mtu > 1500 ? 37 : 1;
    options.offload_ipv4_checksum = options.offload_udp_checksum = !run->software;
    if (ae_ipv4_parse_prefix(address, &options.address, &options.prefix)) {
        snprintf(err->text, sizeof(err->text), "'%s' is no address with a prefix", address);
        return -EINVAL;
    }
    run->queue = ae_port_queue(port, 0);
    return ae_net_create(&run->net, &options, err);
}

static void print_counters(const struct run *run)
{
    struct ae_net_counter counters[64];
    unsigned count = ae_net_get_counters(run->net, counters, 64);

    for (unsigned i = 0; i < count; i++)
        if (counters[i].value)
            printf("# %s %" PRIu64 "\n", counters[i].name, counters[i].value);
}

int main(int argc, char **argv)
{
    struct run run = {.software = argc > 5 && strcmp(argv[5], "software") == 0};
    struct ae_port *port;
    struct ae_error err;
    ae_ipv4_t peer;
    unsigned lengths;
    bool ok;

    if (argc != 6 || ae_ipv4_parse(argv[3], &peer)) {
        fprintf(stderr, "Usage: lab_agree PORT ADDRESS/PREFIX PEER UDP-PORT offload|software\n");
        return 2;
    }
    if (ae_clock_calibrate(&err) || ae_port_open(&port, argv[1], NULL, &err) ||
        open_net(&run, port, argv[2], &err)) {
        fprintf(stderr, "lab_agree: %s\n", err.text);
        return 1;
    }
    if (resolve(&run, peer) ||
        ae_net_flow(run.net, &run.flow, peer, (uint16_t)atoi(argv[4]), OWN_PORT, &err)) {
        fprintf(stderr, "lab_agree: %s does not answer ARP\n", argv[3]);
        return 1;
    }
    exchange(&run);
    print_counters(&run);
    lengths = run.longest / run.step + 1u;
    ok = run.good == lengths && !run.bad && !run.queue->counters->receive_errors;
    printf("%s - %s: %u of %u lengths came back as they were sent\n", ok ? "ok" : "not ok", argv[5],
           run.good, lengths);
    ae_port_close(port);
    ae_net_destroy(run.net);
    return ok ? 0 : 1;
}
