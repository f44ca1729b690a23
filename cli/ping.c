/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aether/clock.h>

#include "cli.h"
#include "host.h"
#include "json.h"
#include "measure/probe.h"
#include "measure/report.h"

#define HEADERS  42 /* Ethernet, IPv4, UDP */
#define OWN_PORT 40007

struct arguments {
    struct cli_host host;
    struct ae_probe_options probe;
    ae_ipv4_t to;
    char to_text[80];
    uint16_t to_port;
    bool kernel;
    bool busy_poll_asked;
    uint32_t busy_poll_us;
};

static struct ae_probe_result result;

enum { KEY_COUNT = 0x100, KEY_RATE, KEY_SIZE, KEY_WARM_UP, KEY_KERNEL, KEY_BUSY_POLL };

static uint64_t number(struct argp_state *state, const char *option, const char *text,
                       uint64_t least, uint64_t most)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end || value < least || value > most)
        argp_error(state, "%s=%s: a number from %" PRIu64 " to %" PRIu64 " is needed", option, text,
                   least, most);
    return value;
}

/* "10.77.0.1" or "10.77.0.1:7". */
static void parse_peer(struct arguments *arguments, struct argp_state *state, const char *text)
{
    char host[64];
    char *colon;

    snprintf(host, sizeof(host), "%s", text);
    colon = strchr(host, ':');
    if (colon) {
        *colon = '\0';
        arguments->to_port = (uint16_t)number(state, "UDP port", colon + 1, 1, 65535);
    }
    if (ae_ipv4_parse(host, &arguments->to))
        argp_error(state, "'%s' is no IPv4 address; one looks like 10.77.0.1 or 10.77.0.1:7", text);
    snprintf(arguments->to_text, sizeof(arguments->to_text), "%s:%u", host, arguments->to_port);
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->host;
        return 0;
    case KEY_COUNT:
        arguments->probe.count = number(state, "--count", value, 0, UINT64_C(1) << 40);
        return 0;
    case KEY_RATE:
        arguments->probe.rate = number(state, "--rate", value, 1, 100000000);
        return 0;
    case KEY_SIZE:
        arguments->probe.payload = (uint16_t)(number(state, "--size", value, 60, 1514) - HEADERS);
        return 0;
    case KEY_WARM_UP:
        arguments->probe.warm_up = number(state, "--warm-up", value, 0, 1000000000);
        return 0;
    case KEY_BUSY_POLL:
        arguments->busy_poll_us =
            (uint32_t)number(state, "--busy-poll", value, 0, AE_PROBE_BUSY_POLL_MAX);
        arguments->busy_poll_asked = true;
        return 0;
    case KEY_KERNEL:
        arguments->kernel = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "one peer is enough: '%s'", value);
        parse_peer(arguments, state, value);
        return 0;
    case ARGP_KEY_END:
        if (arguments->busy_poll_asked && !arguments->kernel)
            argp_error(state, "--busy-poll is for --kernel");
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "a peer is needed, such as 10.77.0.1:7");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_text(const struct arguments *arguments, const struct ae_port_info *info)
{
    printf("%u-byte frames to %s, ", arguments->probe.payload + HEADERS, arguments->to_text);
    if (arguments->probe.rate)
        printf("%" PRIu64 " a second", arguments->probe.rate);
    else
        printf("back to back");
    if (arguments->kernel && arguments->busy_poll_us)
        printf(", busy poll of %u us", arguments->busy_poll_us);
    printf(", on the path %s, caller %s (%s), %.1f s\n", ae_path_name(info->path),
           ae_caller_name(info->caller), info->driver, (double)result.elapsed_ns / 1e9);
    printf("  sent %" PRIu64 ", received %" PRIu64 ", lost %" PRIu64 ", duplicates %" PRIu64
           ", reordered %" PRIu64 ", strange %" PRIu64 "\n",
           result.sent, result.received, result.lost, result.duplicates, result.reordered,
           result.strange);
    if (arguments->probe.rate)
        printf("  %" PRIu64 " were sent more than 1 us after they were meant to be\n",
               result.late_sends);
    printf("Round trip%s:\n", arguments->probe.rate ? ", from when each was meant to be sent" : "");
    ae_report_print(&result.round_trip, stdout);
}

/* host: NULL, where the kernel's network was used. */
static void print_result(const struct arguments *arguments, const struct ae_port_info *info,
                         const struct cli_host_worker *host)
{
    json_t *json;

    if (!arguments->host.launch.json) {
        print_text(arguments, info);
        if (host)
            cli_host_print_net(host, stdout);
        fflush(stdout);
        return;
    }
    json = json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "peer",
        arguments->to_text, "path", ae_path_name(info->path), "caller",
        ae_caller_name(info->caller), "driver", info->driver, "frame",
        arguments->probe.payload + HEADERS, "rate", (json_int_t)arguments->probe.rate, "sent",
        (json_int_t)result.sent, "received", (json_int_t)result.received, "lost",
        (json_int_t)result.lost, "duplicates", (json_int_t)result.duplicates, "reordered",
        (json_int_t)result.reordered, "strange", (json_int_t)result.strange, "late_sends",
        (json_int_t)result.late_sends, "elapsed_ns", (json_int_t)result.elapsed_ns, "gave_up",
        result.gave_up, "round_trip", ae_report_json(&result.round_trip));
    if (arguments->kernel)
        json_object_set_new(json, "busy_poll_us", json_integer(arguments->busy_poll_us));
    if (host)
        json_object_set_new(json, "net", cli_host_net_json(host));
    cli_json_print(json, JSON_INDENT(2));
}

/* 0, or CLI_FAILED and why. */
static int judge(const struct arguments *arguments)
{
    if (!result.gave_up)
        return result.received ? CLI_OK : CLI_FAILED;
    fprintf(stderr,
            "aether ping: %s answered %" PRIu64 " of %" PRIu64
            " probes and none of the last %d, a second "
            "each; gave up. Does something return datagrams there (aether echo)?\n",
            arguments->to_text, result.received, result.sent,
            result.received ? AE_PROBE_PATIENCE : AE_PROBE_PATIENCE_FIRST);
    return CLI_FAILED;
}

static int work(struct arguments *arguments)
{
    struct cli_host_worker host;
    struct ae_probe_port probe;
    struct ae_probe_wire wire;
    struct ae_error err;
    int status = cli_host_start(&host, &arguments->host, "ping");

    if (status)
        return status;
    if (ae_probe_port_open(&probe, ae_worker_port(host.worker, 0), host.queue, host.net,
                           arguments->to, arguments->to_port, OWN_PORT, &err)) {
        cli_host_finish(&host);
        return cli_fail("ping", &err);
    }
    status = cli_host_enter(&host, &arguments->host, "ping");
    if (status)
        return status;
    arguments->probe.worker = host.worker;
    ae_probe_port_wire(&probe, &wire);
    ae_probe_run(&wire, &arguments->probe, &result);
    ae_quiet_leave(host.worker);
    print_result(arguments, &host.info, &host);
    cli_host_finish(&host);
    return judge(arguments);
}

/* The contender: the same loop over a socket, polled without waiting, on the same CPU. */
static int open_socket(struct arguments *arguments, int *fd, struct ae_error *err)
{
    int rc =
        ae_probe_socket_open(fd, arguments->to, arguments->to_port, arguments->busy_poll_us, err);

    /* Unasked for, it is there where it is allowed; the result says which it was. */
    if ((rc != -EPERM && rc != -ENOPROTOOPT) || arguments->busy_poll_asked)
        return rc;
    arguments->busy_poll_us = 0;
    return ae_probe_socket_open(fd, arguments->to, arguments->to_port, 0, err);
}

static int work_kernel(struct arguments *arguments)
{
    static const struct ae_port_info socket_info = {
        .driver = "socket", .path = AE_PATH_KERNEL, .caller = AE_CALLER_WORKER};
    struct ae_probe_wire wire;
    struct ae_error err;
    cpu_set_t set;
    int fd;

    if (arguments->host.launch.cpu_count) {
        CPU_ZERO(&set);
        CPU_SET((size_t)arguments->host.launch.cpus[0], &set);
        if (sched_setaffinity(0, sizeof(set), &set)) {
            perror("aether ping: moving to the CPU");
            return CLI_FAILED;
        }
    }
    if (ae_clock_calibrate(&err) || open_socket(arguments, &fd, &err))
        return cli_fail("ping", &err);
    ae_probe_socket_wire(&fd, &wire);
    ae_probe_run(&wire, &arguments->probe, &result);
    close(fd);
    print_result(arguments, &socket_info, NULL);
    return judge(arguments);
}

int cli_ping(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"count", KEY_COUNT, "N", 0, "probes (10000); 0: until --seconds are over", 1},
        {"rate", KEY_RATE, "N", 0,
         "probes a second, whether or not answers keep up; without it: back "
         "to back, one at a time",
         1},
        {"size", KEY_SIZE, "BYTES", 0, "of a frame without its FCS (60)", 1},
        {"warm-up", KEY_WARM_UP, "N", 0, "probes before those that count (1000)", 1},
        {"kernel", KEY_KERNEL, NULL, 0,
         "through a socket of the kernel's instead of a port, at its best: "
         "polled without sleeping, and polling the card (see --busy-poll)",
         1},
        {"busy-poll", KEY_BUSY_POLL, "US", 0,
         "with --kernel: how long the socket polls the card in a "
         "call (50, where it is allowed); 0: it does not",
         1},
        {0}};
    static const struct argp_child children[] = {{&cli_host_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {options,
                                     parse,
                                     "PEER[:UDP-PORT]",
                                     "Sends UDP datagrams from a quiet CPU to a peer that returns "
                                     "them, and shows the round trips.\v"
                                     "With --rate, latency counts from the moment a probe was "
                                     "meant to be sent, so that a stall is "
                                     "seen by every probe that it held back.\n"
                                     "Example: aether ping --cpu 1 --port 0000:01:00.0 --bind "
                                     "--address 10.77.0.2/24 10.77.0.1:7",
                                     children,
                                     NULL,
                                     NULL};
    struct arguments arguments = {
        .probe = {.count = 10000, .warm_up = 1000, .payload = 60 - HEADERS},
        .to_port = 7,
        .busy_poll_us = 50};
    int status;

    cli_launch_init(&arguments.host.launch);
    argv[0] = (char[]){"aether ping"};
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
        return CLI_USAGE;
    arguments.probe.duration_ns = (uint64_t)arguments.host.launch.seconds * 1000000000;
    if (arguments.kernel)
        return work_kernel(&arguments);
    status = cli_host_check(&arguments.host, "ping");
    if (status)
        return status;
    if (ae_worker_supervised())
        return work(&arguments);
    /* The worker ends by itself; the supervisor steps in only if it does not. */
    if (arguments.host.launch.seconds)
        arguments.host.launch.seconds += 2;
    /* With a count they are a limit, not a time to be quiet for. */
    if (arguments.probe.count)
        arguments.host.launch.asked = 0;
    return cli_launch_self(&arguments.host.launch, "ping", argc, argv);
}
