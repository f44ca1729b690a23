/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

enum { KEY_ADDRESS = 0x300, KEY_GATEWAY };

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct cli_host *host = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &host->launch;
        return 0;
    case KEY_ADDRESS:
        if (ae_ipv4_parse_prefix(value, &host->address, &host->prefix))
            argp_error(state,
                       "--address=%s: an address and a prefix such as 10.77.0.2/24 is needed",
                       value);
        return 0;
    case KEY_GATEWAY:
        if (ae_ipv4_parse(value, &host->gateway))
            argp_error(state, "--gateway=%s: an address such as 10.77.0.1 is needed", value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"address", KEY_ADDRESS, "A.B.C.D/N", 0, "our IPv4 address on the port, and its subnet", 5},
    {"gateway", KEY_GATEWAY, "A.B.C.D", 0, "where other subnets are reached", 5},
    {0},
};

static const struct argp_child children[] = {{&cli_launch_argp, 0, NULL, 0}, {0}};
const struct argp cli_host_argp = {options, parse, NULL, NULL, children, NULL, NULL};

int cli_host_check(const struct cli_host *host, const char *verb)
{
    const char *missing = NULL;

    if (!host->launch.cpu_count)
        missing = "--cpu=LIST: the CPU to be quiet on";
    else if (host->launch.port_count != 1)
        missing = "one --port=SPEC, such as 0000:01:00.0 ('aether nic list')";
    else if (!host->prefix)
        missing = "--address=A.B.C.D/N: our IPv4 address";
    if (!missing)
        return CLI_OK;
    fprintf(stderr, "aether %s: this is needed: %s\n", verb, missing);
    return CLI_USAGE;
}

int cli_host_start(struct cli_host_worker *out, const struct cli_host *host, const char *verb)
{
    struct ae_net_options net = {
        .address = host->address, .prefix = host->prefix, .gateway = host->gateway};
    struct ae_error err;

    memset(out, 0, sizeof(*out));
    if (ae_worker_start(&out->worker, &err))
        return cli_fail(verb, &err);
    out->queue = ae_port_queue(ae_worker_port(out->worker, 0), 0);
    ae_port_get_info(ae_worker_port(out->worker, 0), &out->info);
    memcpy(net.mac, out->info.mac, sizeof(net.mac));
    net.mtu = out->info.mtu;
    net.offload_ipv4_checksum = out->info.features & AE_PORT_SEND_IPV4_CHECKSUM;
    net.offload_udp_checksum = out->info.features & AE_PORT_SEND_UDP_CHECKSUM;
    if (ae_worker_net(out->worker, &out->net, &net, &err)) {
        cli_host_finish(out);
        return cli_fail(verb, &err);
    }
    return CLI_OK;
}

int cli_host_enter(struct cli_host_worker *out, const struct cli_host *host, const char *verb)
{
    const struct ae_quiet_options quiet = {.allow = host->launch.allow};
    struct ae_error err;

    fflush(stdout);
    if (!ae_quiet_enter(out->worker, &quiet, &err))
        return CLI_OK;
    cli_host_finish(out);
    return cli_fail(verb, &err);
}

#define COUNTERS 64 /* more than there are */

json_t *cli_host_net_json(const struct cli_host_worker *host)
{
    struct ae_net_counter counters[COUNTERS];
    unsigned count = ae_net_get_counters(host->net, counters, COUNTERS);
    json_t *json = json_object();

    for (unsigned i = 0; i < count && i < COUNTERS; i++)
        json_object_set_new(json, counters[i].name, json_integer((json_int_t)counters[i].value));
    return json;
}

void cli_host_print_net(const struct cli_host_worker *host, FILE *out)
{
    struct ae_net_counter counters[COUNTERS];
    unsigned count = ae_net_get_counters(host->net, counters, COUNTERS), printed = 0;

    for (unsigned i = 0; i < count && i < COUNTERS; i++)
        if (counters[i].value)
            fprintf(out, "%s%" PRIu64 " %s", printed++ ? "; " : "Network: ", counters[i].value,
                    counters[i].description);
    if (printed)
        fputc('\n', out);
}

void cli_host_finish(struct cli_host_worker *out)
{
    ae_worker_finish(out->worker);
}
