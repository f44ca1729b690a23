/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <aether/clock.h>

#include "base/unset.h"
#include "cli.h"
#include "host.h"
#include "json.h"

#define BURST 32

struct arguments {
    struct cli_host host;
    unsigned udp_port; /* 0: any */
};

enum { KEY_UDP = 0x100 };

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    char *end;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->host;
        return 0;
    case KEY_UDP:
        arguments->udp_port = (unsigned)strtoul(value, &end, 10);
        if (value[0] < '0' || value[0] > '9' || *end || arguments->udp_port > 65535)
            argp_error(state, "--udp-port=%s: 1 to 65535, or 0 for any", value);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "no argument is taken: '%s'", value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Turns a burst of frames into answers, in place; returns how many there are. */
static uint16_t answer(struct cli_host_worker *host, unsigned udp_port, struct ae_packet **packets,
                       uint16_t count, uint64_t *answered)
{
    uint64_t now = ae_clock_to_ns(ae_clock_ticks());
    uint16_t answers = 0;

    for (uint16_t i = 0; i < count; i++) {
        struct ae_datagram datagram AE_UNSET;
        enum ae_net_verdict verdict = ae_net_input(host->net, packets[i], now, &datagram);

        if (verdict == AE_NET_UDP && (!udp_port || datagram.destination_port == udp_port) &&
            ae_net_may_return(host->net, &datagram)) {
            ae_net_udp_reply(host->net, packets[i], &datagram);
            ++*answered;
            verdict = AE_NET_REPLY;
        }
        if (verdict == AE_NET_REPLY)
            packets[answers++] = packets[i];
        else
            ae_packet_put(packets[i]);
    }
    return answers;
}

static void print_result(const struct arguments *arguments, const struct cli_host_worker *host,
                         uint64_t answered, uint64_t unsent)
{
    json_t *json;

    if (!arguments->host.launch.json) {
        printf("Answered %" PRIu64 " datagrams on the path %s, caller %s (%s); no room for %" PRIu64
               "\n",
               answered, ae_path_name(host->info.path), ae_caller_name(host->info.caller),
               host->info.driver, unsent);
        cli_host_print_net(host, stdout);
        return;
    }
    json = json_pack("{s:s, s:s, s:I, s:I, s:o}", "path", ae_path_name(host->info.path), "caller",
                     ae_caller_name(host->info.caller), "datagrams", (json_int_t)answered, "unsent",
                     (json_int_t)unsent, "net", cli_host_net_json(host));
    cli_json_print(json, JSON_COMPACT);
}

static int work(const struct arguments *arguments)
{
    struct cli_host_worker host;
    struct ae_packet *packets[BURST];
    uint64_t *answered, *unsent;
    int status = cli_host_start(&host, &arguments->host, "echo");

    if (status)
        return status;
    answered = ae_worker_counter(host.worker, "datagrams answered");
    unsent = ae_worker_counter(host.worker, "answers the ring had no room for");
    status = cli_host_enter(&host, &arguments->host, "echo");
    if (status)
        return status;
    while (ae_worker_running(host.worker)) {
        uint16_t count = ae_receive(host.queue, packets, BURST), answers, sent;

        if (!count)
            continue;
        answers = answer(&host, arguments->udp_port, packets, count, answered);
        sent = ae_send(host.queue, packets, answers);
        *unsent += (uint64_t)(answers - sent);
        while (sent < answers)
            ae_packet_put(packets[sent++]);
    }
    ae_quiet_leave(host.worker);
    print_result(arguments, &host, *answered, *unsent);
    cli_host_finish(&host);
    return CLI_OK;
}

int cli_echo(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"udp-port", KEY_UDP, "N", 0, "answer this UDP port (7); 0: any", 1}, {0}};
    static const struct argp_child children[] = {{&cli_host_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        options,
        parse,
        "",
        "Answers UDP datagrams, ARP and ICMP echo from a quiet CPU, until it is interrupted.\v"
        "Example: aether echo --cpu 1 --port 0000:01:00.0 --bind --address 10.77.0.2/24",
        children,
        NULL,
        NULL};
    struct arguments arguments = {.udp_port = 7};
    int status;

    cli_launch_init(&arguments.host.launch);
    argv[0] = (char[]){"aether echo"};
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
        return CLI_USAGE;
    status = cli_host_check(&arguments.host, "echo");
    if (status)
        return status;
    if (ae_worker_supervised())
        return work(&arguments);
    return cli_launch_self(&arguments.host.launch, "echo", argc, argv);
}
