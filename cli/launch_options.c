/* SPDX-License-Identifier: Apache-2.0 */
#include "launch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aether/net.h>

#include "base/cpus.h"
#include "calls.h"
#include "json.h"

#define CHANNEL_SIZE    65536
#define CHANNEL_SLOT    256
#define LOAN_SIZE       256 /* packets */
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

#define MIRROR_LEAST 4
#define MIRROR_MOST  (1u << 20)

enum {
    KEY_CPU = 0x200,
    KEY_PORT,
    KEY_USER,
    KEY_ALLOW,
    KEY_SECONDS,
    KEY_BIND,
    KEY_NO_PROOF,
    KEY_NO_IOMMU,
    KEY_IOMMU,
    KEY_SMALL_PAGES,
    KEY_LAUNCH_JSON,
    KEY_ENV,
    KEY_INPUT,
    KEY_QUIET,
    KEY_LOG,
    KEY_JOIN,
    KEY_PROMISCUOUS,
    KEY_NAME,
    KEY_MEASURE,
    KEY_CHANNEL,
    KEY_MIRROR,
};

static const struct {
    const char *name;
    uint32_t allow;
} allowances[] = {
    {"tick", AE_QUIET_ALLOW_TICK},       {"shared", AE_QUIET_ALLOW_SHARED},
    {"irqs", AE_QUIET_ALLOW_IRQS},       {"unlocked", AE_QUIET_ALLOW_UNLOCKED},
    {"threads", AE_QUIET_ALLOW_THREADS}, {"all", AE_QUIET_ALLOW_ALL},
};

/* Beside them: the slowest path that a port may have. No name stands for all of these. */
static bool allow_path(struct cli_launch *launch, const char *name)
{
    for (enum ae_path path = AE_PATH_ZERO_COPY; path <= AE_PATH_KERNEL; path++)
        if (strcmp(name, ae_path_name(path)) == 0) {
            if (path > launch->port.slowest)
                launch->port.slowest = path;
            return true;
        }
    return false;
}

static unsigned long number(struct argp_state *state, const char *option, const char *text,
                            unsigned long most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end || value > most)
        argp_error(state, "%s=%s: a number from 0 to %lu is needed", option, text, most);
    return value;
}

/* Rings have powers of two. */
static uint32_t mirror(uint32_t frames)
{
    uint32_t slots = MIRROR_LEAST;

    while (slots < frames)
        slots *= 2;
    return frames ? slots : AE_SUPERVISE_NO_MIRROR;
}

static void allow(struct cli_launch *launch, struct argp_state *state, char *list)
{
    for (char *name; (name = strsep(&list, ","));) {
        size_t i = 0, count = sizeof(allowances) / sizeof(allowances[0]);

        while (i < count && strcmp(allowances[i].name, name) != 0)
            i++;
        if (i < count)
            launch->allow |= allowances[i].allow;
        else if (!allow_path(launch, name))
            argp_error(state,
                       "--allow=%s: tick, shared, irqs, unlocked, threads and all are known, and "
                       "the paths zero-copy, copy and kernel",
                       name);
    }
}

void cli_launch_allow_text(const struct cli_launch *launch, char *text, size_t size)
{
    const size_t count = sizeof(allowances) / sizeof(allowances[0]) - 1; /* without "all" */

    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        if (launch->allow & allowances[i].allow)
            snprintf(text + strlen(text), size - strlen(text), "%s%s", text[0] ? "," : "",
                     allowances[i].name);
}

static void parse_iommu(struct cli_launch *launch, struct argp_state *state, const char *name)
{
    if (strcmp(name, "container") == 0)
        launch->port.iommu = AE_IOMMU_CONTAINER;
    else if (strcmp(name, "iommufd") == 0)
        launch->port.iommu = AE_IOMMU_IOMMUFD;
    else
        argp_error(state, "--iommu=%s: container and iommufd are known", name);
}

void cli_launch_parse_cpus(struct cli_launch *launch, struct argp_state *state, const char *list)
{
    struct ae_cpus cpus;

    launch->cpu_count = 0;
    if (ae_cpus_parse(&cpus, list) || !ae_cpus_count(&cpus))
        argp_error(state, "--cpu=%s: a CPU or a list such as 2,4-5 is needed", list);
    else if (ae_cpus_count(&cpus) > AE_SUPERVISE_WORKERS)
        argp_error(state, "--cpu=%s: %u CPUs; %d are the most", list, ae_cpus_count(&cpus),
                   AE_SUPERVISE_WORKERS);
    else
        for (int cpu = ae_cpus_next(&cpus, 0); cpu >= 0;
             cpu = ae_cpus_next(&cpus, (unsigned)cpu + 1))
            launch->cpus[launch->cpu_count++] = cpu;
}

static void join(struct cli_launch *launch, struct argp_state *state, const char *text)
{
    struct ae_port_filter *filter = &launch->filter;
    ae_ipv4_t group;

    if (filter->address_count == AE_FILTER_ADDRESSES)
        argp_error(state, "--join: %d are the most", AE_FILTER_ADDRESSES);
    else if (ae_ipv4_parse(text, &group) ||
             ae_ipv4_group_mac(group, launch->groups[filter->address_count]))
        argp_error(state, "--join=%s: a group is needed, 224.0.0.0 to 239.255.255.255", text);
    else
        filter->address_count++;
    filter->addresses = launch->groups;
    launch->port.filter = filter;
}

static bool set_choice(struct ae_supervise_channel *channel, struct argp_state *state,
                       const char *key, const char *value)
{
    if (strcmp(key, "kind") == 0) {
        channel->kind = 0;
        while (channel->kind < AE_NAMED_KINDS &&
               strcmp(value, ae_named_kind_name(channel->kind)) != 0)
            channel->kind++;
        return channel->kind < AE_NAMED_KINDS;
    }
    if (strcmp(key, "size") == 0)
        channel->size = (uint32_t)number(state, "--channel: size", value, UINT32_MAX);
    else if (strcmp(key, "slot") == 0)
        channel->slot = (uint32_t)number(state, "--channel: slot", value, UINT32_MAX);
    else if (strcmp(key, "port") == 0)
        channel->port = (unsigned)number(state, "--channel: port", value, UINT32_MAX);
    else if (strcmp(key, "worker") == 0)
        channel->worker = (unsigned)number(state, "--channel: worker", value, UINT32_MAX);
    else
        return false;
    return true;
}

/* A worker of our own is given the same words again, so they stay as they are. */
static void add_channel(struct cli_launch *launch, struct argp_state *state, const char *words)
{
    struct ae_supervise_channel *channel = &launch->channels[launch->channel_count];
    char *text = launch->channel_words[launch->channel_count];
    bool good = strlen(words) < sizeof(launch->channel_words[0]);

    if (launch->channel_count == AE_WORKER_CHANNELS) {
        argp_error(state, "--channel: %d are the most", AE_WORKER_CHANNELS);
        return;
    }
    snprintf(text, sizeof(launch->channel_words[0]), "%s", words);
    *channel = (struct ae_supervise_channel){
        .name = strsep(&text, ","), .kind = AE_NAMED_KINDS, .slot = CHANNEL_SLOT};
    for (char *key; good && (key = strsep(&text, ","));) {
        char *value = strchr(key, '=');

        if (value)
            *value++ = '\0';
        good = value && set_choice(channel, state, key, value);
    }
    if (!good || channel->kind == AE_NAMED_KINDS)
        argp_error(state,
                   "--channel=%s: NAME,kind=KIND[,size=SIZE][,slot=BYTES][,port=N][,worker=N] is "
                   "needed; kinds are out, in, broadcast and loan",
                   words);
    if (!channel->size)
        channel->size = channel->kind == AE_NAMED_LOAN ? LOAN_SIZE : CHANNEL_SIZE;
    launch->channel_count++;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct cli_launch *launch = state->input;

    switch (key) {
    case KEY_CPU:
        cli_launch_parse_cpus(launch, state, value);
        return 0;
    case KEY_PORT:
        if (launch->port_count == AE_WORKER_PORTS)
            argp_error(state, "--port: %d are the most", AE_WORKER_PORTS);
        else
            launch->ports[launch->port_count++] = value;
        return 0;
    case KEY_USER:
        launch->user = value;
        return 0;
    case KEY_ALLOW:
        allow(launch, state, value);
        return 0;
    case KEY_SECONDS:
        launch->seconds = (unsigned)number(state, "--seconds", value, 1000000000);
        launch->asked = launch->seconds;
        return 0;
    case KEY_BIND:
        launch->bind = true;
        return 0;
    case KEY_NO_PROOF:
        launch->no_proof = true;
        return 0;
    case KEY_NO_IOMMU:
        launch->port.allow_no_iommu = true;
        return 0;
    case KEY_IOMMU:
        parse_iommu(launch, state, value);
        return 0;
    case KEY_SMALL_PAGES:
        launch->port.page_size = (size_t)sysconf(_SC_PAGESIZE);
        return 0;
    case KEY_LAUNCH_JSON:
        launch->json = true;
        cli_json_ask();
        return 0;
    case KEY_ENV:
        if (!*value || strchr(value, '='))
            argp_error(state, "--env=%s: a variable's name is needed, without a value", value);
        else if (launch->environment_count == CLI_LAUNCH_VARIABLES)
            argp_error(state, "--env: %d are the most", CLI_LAUNCH_VARIABLES);
        else
            launch->environment[launch->environment_count++] = value;
        return 0;
    case KEY_QUIET:
        if (!cli_calls_parse(&launch->calls, value))
            argp_error(state, "--quiet=%s: trace, observe and enforce are known", value);
        return 0;
    case KEY_LOG:
        if (ae_log_level_parse(&launch->log, value))
            argp_error(state, "--log=%s: error, warning, notice, info and debug are known", value);
        return 0;
    case KEY_JOIN:
        join(launch, state, value);
        return 0;
    case KEY_PROMISCUOUS:
        launch->filter.promiscuous = true;
        launch->port.filter = &launch->filter;
        return 0;
    case KEY_MIRROR:
        launch->mirror = mirror((uint32_t)number(state, "--mirror", value, MIRROR_MOST));
        return 0;
    case KEY_MEASURE:
        launch->port.measure = true;
        return 0;
    case KEY_CHANNEL:
        add_channel(launch, state, value);
        return 0;
    case KEY_NAME:
        if (!*value || strlen(value) >= AE_WORKER_NAME || value[strspn(value, NAME_CHARACTERS)])
            argp_error(state, "--name=%s: 1 to %d letters, digits and -_. are needed", value,
                       AE_WORKER_NAME - 1);
        launch->name = value;
        return 0;
    case KEY_INPUT:
        launch->input = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"cpu", KEY_CPU, "LIST", 0,
     "the quiet CPU; of several, each runs a worker with a queue of its own", 10},
    {"port", KEY_PORT, "SPEC", 0, "a port: a PCI address, or SCHEME:WHAT; repeatable", 10},
    {"channel", KEY_CHANNEL, "NAME,kind=KIND[,size=SIZE][,slot=BYTES][,port=N][,worker=N]", 0,
     "a channel to host processes, which open it as RUN:NAME: out, in, broadcast or loan; "
     "repeatable",
     10},
    {"bind", KEY_BIND, NULL, 0, "take the cards from the kernel first, give them back at the end",
     10},
    {"promiscuous", KEY_PROMISCUOUS, NULL, 0, "have the ports let all frames in", 10},
    {"join", KEY_JOIN, "GROUP", 0, "have the ports let this IPv4 group's frames in; repeatable",
     10},
    {"name", KEY_NAME, "NAME", 0, "what 'aether ps' calls this run; else as the program", 10},
    {"user", KEY_USER, "NAME", 0, "run the worker as this user", 10},
    {"env", KEY_ENV, "NAME", 0,
     "pass this variable on, too (NAME* for all that begin so); repeatable", 10},
    {"input", KEY_INPUT, NULL, 0, "the worker reads our standard input, which is no terminal", 10},
    {"allow", KEY_ALLOW, "LIST", 0,
     "go on although this is not quiet: tick, shared, irqs, unlocked, threads, all; or although a "
     "port has this path: zero-copy, copy, kernel",
     10},
    {"quiet", KEY_QUIET, "HOW", 0,
     "a system call made while quiet is left to the trace (trace), noted (observe) or refused "
     "(enforce)",
     10},
    {"log", KEY_LOG, "LEVEL", 0,
     "print what the worker logs up to this: error, warning, notice, info (this is the default), "
     "debug",
     10},
    {"seconds", KEY_SECONDS, "N", 0, "ask the worker to stop after this long", 10},
    {"measure", KEY_MEASURE, NULL, 0,
     "measure how many frames a poll returns, and the time between polls", 10},
    {"mirror", KEY_MIRROR, "FRAMES", 0,
     "how many frames 'aether capture' may be behind a worker by (2048); 0: no capture", 10},
    {"no-proof", KEY_NO_PROOF, NULL, 0, "do not count what the kernel does on the CPU", 10},
    {"allow-no-iommu", KEY_NO_IOMMU, NULL, 0,
     "take devices without an IOMMU: they can then write to all of memory", 10},
    {"iommu", KEY_IOMMU, "WHICH", 0, "devices by the container or by iommufd, and by nothing else",
     10},
    {"small-pages", KEY_SMALL_PAGES, NULL, 0,
     "use ordinary pages where there are no huge ones: for ports that no device reaches", 10},
    {"json", KEY_LAUNCH_JSON, NULL, 0, "print one JSON object", 10},
    {0},
};

const struct argp cli_launch_argp = {options, parse, NULL, NULL, NULL, NULL, NULL};

void cli_launch_init(struct cli_launch *launch)
{
    memset(launch, 0, sizeof(*launch));
}
