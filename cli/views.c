/* SPDX-License-Identifier: Apache-2.0 */
#include "views.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include <aether/loop.h>
#include <aether/partition.h>

#include "base/error.h"
#include "base/now.h"
#include "base/text.h"
#include "cli.h"
#include "counters.h"
#include "json.h"
#include "machine/topology.h"
#include "measure/queue.h"
#include "proof/certificate/certificate.h"

const struct argp_option cli_views_options[] = {
    {"json", 'j', NULL, 0, "One JSON object instead of text", 0}, {0}};

error_t cli_views_parse(int key, char *value, struct argp_state *state)
{
    bool *json = state->input;

    (void)value;
    if (key == ARGP_KEY_ARG)
        argp_error(state, "it takes no arguments");
    if (key != 'j')
        return ARGP_ERR_UNKNOWN;
    *json = true;
    cli_json_ask();
    return 0;
}

/* ---- Who there is ---- */

static int take_one(struct ae_view *view, const char *name, const struct ae_error *why,
                    void *context)
{
    struct cli_views *views = context;

    if (view)
        views->views[views->count++] = view;
    else
        json_array_append_new(views->unseen,
                              json_pack("{s:s, s:s}", "run", name, "why", AE_TEXT(why->text)));
    return 0;
}

int cli_views_take(struct cli_views *views, const char *verb)
{
    struct timespec now;
    int rc;

    views->count = 0;
    views->unseen = json_array();
    rc = ae_view_each(take_one, views);
    clock_gettime(CLOCK_MONOTONIC, &now);
    views->at_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    if (!rc)
        return CLI_OK;
    fprintf(stderr, "aether %s: looking for runs in %s: %s\n", verb, AE_VIEW_RUNS, strerror(-rc));
    return CLI_FAILED;
}

void cli_views_drop(struct cli_views *views)
{
    for (unsigned i = 0; i < views->count; i++)
        ae_view_close(views->views[i]);
    views->count = 0;
    json_decref(views->unseen);
    views->unseen = NULL;
}

void cli_views_tell_unseen(const struct cli_views *views, const char *verb)
{
    json_t *one;
    size_t i;

    json_array_foreach (views->unseen, i, one)
        fprintf(stderr, "aether %s: run %s: %s\n", verb,
                json_string_value(json_object_get(one, "run")),
                json_string_value(json_object_get(one, "why")));
}

/* ---- Which is meant ---- */

static bool is_process(const char *which, pid_t pid)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", pid);
    return pid > 0 && strcmp(which, text) == 0;
}

bool cli_view_worker_is_meant(const struct ae_view *view, unsigned number, const char *which)
{
    const struct ae_view_worker *worker = &view->told.workers[number];
    char partition[AE_PARTITION_NAME];

    return is_process(which, view->pid) || strcmp(which, view->told.name) == 0 ||
           is_process(which, worker->pid) ||
           strcmp(which, cli_view_partition(worker, partition)) == 0;
}

bool cli_view_is_meant(const struct ae_view *view, const char *which)
{
    for (unsigned i = 0; i < view->told.worker_count; i++)
        if (cli_view_worker_is_meant(view, i, which))
            return true;
    return false;
}

const char *cli_views_unseen(const struct cli_views *views, const char *which)
{
    json_t *one;
    size_t i;

    json_array_foreach (views->unseen, i, one)
        if (strcmp(json_string_value(json_object_get(one, "run")), which) == 0)
            return json_string_value(json_object_get(one, "why"));
    return NULL;
}

int cli_views_none(const struct cli_views *views, const char *which, struct ae_error *err)
{
    const char *why = cli_views_unseen(views, which);

    return ae_error_set(err, -ENOENT, "%s: %s", which,
                        why ? why : "there is no such run ('aether ps')");
}

struct ae_view *cli_views_find(struct cli_views *views, const char *which, struct ae_error *err)
{
    struct ae_view *found = NULL;

    for (unsigned i = 0; i < views->count; i++) {
        struct ae_view *view = views->views[i];

        if (!cli_view_is_meant(view, which))
            continue;
        if (found) {
            ae_error_set(err, -EEXIST, "%s is %s (process %d) and %s (process %d); name a process",
                         which, found->told.name, found->pid, view->told.name, view->pid);
            return NULL;
        }
        found = view;
    }
    if (!found)
        cli_views_none(views, which, err);
    return found;
}

/* ---- As texts ---- */

uint64_t cli_view_since_ms(const struct cli_views *views, uint64_t since_ms)
{
    uint64_t now = views->at_ns / 1000000;

    return since_ms < now ? now - since_ms : 0;
}

const char *cli_duration(uint64_t ms, char text[CLI_DURATION])
{
    static const struct {
        uint64_t seconds;
        const char *name;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    uint64_t seconds = ms / 1000;
    size_t i = 0;

    while (i < 3 && seconds < units[i].seconds)
        i++;
    if (i == 3)
        snprintf(text, CLI_DURATION, "%" PRIu64 " s", seconds);
    else
        snprintf(text, CLI_DURATION, "%" PRIu64 " %s %" PRIu64 " %s", seconds / units[i].seconds,
                 units[i].name, seconds % units[i].seconds / units[i + 1].seconds,
                 units[i + 1].name);
    return text;
}

const char *cli_view_user(uid_t uid, char text[CLI_USER])
{
    const struct passwd *user = getpwuid(uid);

    if (user)
        snprintf(text, CLI_USER, "%s", user->pw_name);
    else
        snprintf(text, CLI_USER, "%u", uid);
    return ae_text_shown(text, CLI_USER, text);
}

const char *cli_view_partition(const struct ae_view_worker *worker, char *name)
{
    if (ae_partition_applied_on(worker->cpu, name, NULL))
        name[0] = '\0';
    return name;
}

const char *cli_mac(const uint8_t mac[6], char text[CLI_MAC])
{
    snprintf(text, CLI_MAC, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5]);
    return text;
}

/* Counted in 32 bits by the kernel: what went back is not known. */
static bool take_away(uint64_t *now, uint64_t before)
{
    if (*now < before)
        return false;
    *now -= before;
    return true;
}

bool cli_view_kernel(const struct ae_view_worker *worker, struct ae_view_kernel *since)
{
    return worker->state == AE_VIEW_QUIET && !ae_view_read_kernel(worker->cpu, since) &&
           take_away(&since->interrupts, worker->kernel.interrupts) &&
           take_away(&since->softirqs, worker->kernel.softirqs) &&
           take_away(&since->switches, worker->kernel.switches);
}

/* ---- As JSON ---- */

const struct cli_measure cli_measures[AE_QUEUE_MEASURES] = {
    [AE_QUEUE_BURST] = {"burst", "frames", "Frames that a poll returned, where it returned some."},
    [AE_QUEUE_TURN] = {"turn", "ns", "Time from a poll that returned frames to the next."},
    [AE_QUEUE_IDLE] = {"idle", "ns", "Time from a poll that returned none to the next."},
};

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)(value & INT64_MAX));
}

static json_t *measures_json(const struct ae_queue_state *state)
{
    struct ae_histogram *histogram = malloc(sizeof(*histogram));
    json_t *all = json_array();

    for (unsigned i = 0; histogram && i < AE_QUEUE_MEASURES; i++) {
        ae_queue_histogram_read(histogram, &state->histograms[i]);
        if (!histogram->count)
            continue;
        json_array_append_new(all,
                              json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "measure",
                                        cli_measures[i].name, "unit", cli_measures[i].unit, "count",
                                        number(histogram->count), "min", number(histogram->min),
                                        "p50", number(ae_histogram_percentile(histogram, 50)),
                                        "p90", number(ae_histogram_percentile(histogram, 90)),
                                        "p99", number(ae_histogram_percentile(histogram, 99)),
                                        "p99_9", number(ae_histogram_percentile(histogram, 99.9)),
                                        "max", number(histogram->max)));
    }
    free(histogram);
    return all;
}

static json_t *queues_json(const struct ae_view *view, unsigned port)
{
    json_t *all = json_array();

    for (unsigned i = 0; i < view->told.ports[port].info.queues; i++) {
        json_t *queue = json_pack("{s:i, s:i, s:b, s:o}", "queue", (int)i, "worker",
                                  (int)view->told.ports[port].workers[i], "broken",
                                  (int)ae_view_is_broken(view, port, i), "measures",
                                  measures_json(view->queues[port][i]));
        struct ae_queue_counters counters;

        ae_view_get_counters(view, port, i, &counters);
        cli_queue_counters_json(&counters, queue);
        json_array_append_new(all, queue);
    }
    return all;
}

static json_t *ports_json(const struct ae_view *view)
{
    json_t *all = json_array();

    for (unsigned i = 0; i < view->told.port_count; i++) {
        const struct ae_view_port *port = &view->told.ports[i];
        char mac[CLI_MAC];

        json_array_append_new(
            all,
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:{s:b, s:b, s:I, s:I}, s:s, s:o}", "port",
                      port->info.spec, "driver", port->info.driver, "path",
                      ae_path_name(port->info.path), "caller", ae_caller_name(port->info.caller),
                      "mac", cli_mac(port->info.mac, mac), "mtu", (int)port->info.mtu, "link", "up",
                      (int)port->link.up, "gone", (int)port->link.device_gone, "mbps",
                      (json_int_t)port->link.mbps, "changes", (json_int_t)port->link.changes,
                      "trouble", port->trouble, "queues", queues_json(view, i)));
    }
    return all;
}

static json_t *own_json(const struct ae_view *view, unsigned worker)
{
    struct ae_supervise_counter counters[AE_WORKER_COUNTERS];
    unsigned count = ae_view_get_own(view, worker, counters);
    json_t *all = json_array();

    for (unsigned i = 0; i < count; i++)
        json_array_append_new(all, json_pack("{s:s, s:o}", "counter", counters[i].name, "value",
                                             number(counters[i].value)));
    return all;
}

static json_t *nets_json(const struct ae_view *view, unsigned worker)
{
    struct ae_view_net nets[AE_WORKER_NETS];
    unsigned count = ae_view_get_nets(view, worker, nets);
    json_t *all = json_array();

    for (unsigned i = 0; i < count; i++) {
        json_t *counters = json_object();
        char address[AE_IPV4_TEXT];

        for (size_t j = 0; j < CLI_NET_COUNTERS; j++)
            json_object_set_new(counters, cli_net_counters[j].name,
                                number(cli_net_counter(&nets[i].counts, j)));
        ae_ipv4_format(nets[i].address, address);
        json_array_append_new(all,
                              json_pack("{s:s, s:o}", "address", address, "counters", counters));
    }
    return all;
}

static json_t *loops_json(const struct ae_shared *shared)
{
    struct ae_worker_loop loops[AE_WORKER_LOOPS];
    unsigned count = ae_loops_read(loops, shared);

    return ae_certificate_loops(loops, count);
}

static double seconds_since(uint64_t since_ms)
{
    uint64_t now = (uint64_t)ae_now_ms();

    return since_ms < now ? (double)(now - since_ms) / 1000 : 0;
}

static json_t *workers_json(const struct ae_view *view)
{
    json_t *all = json_array();

    for (unsigned i = 0; i < view->told.worker_count; i++) {
        const struct ae_view_worker *worker = &view->told.workers[i];
        char partition[AE_PARTITION_NAME];
        struct ae_view_kernel kernel;
        json_t *json = json_pack(
            "{s:i, s:i, s:i, s:s, s:f, s:s, s:o, s:o, s:o}", "cpu", worker->cpu, "node",
            ae_topology_node((unsigned)worker->cpu), "pid", worker->pid, "state",
            ae_view_state_name(worker->state), "seconds", seconds_since(worker->since_ms),
            "partition", cli_view_partition(worker, partition), "counters", own_json(view, i),
            "networks", nets_json(view, i), "worker_loops", loops_json(view->shared[i]));

        if (cli_view_kernel(worker, &kernel))
            json_object_set_new(
                json, "kernel",
                json_pack("{s:o, s:o, s:o}", "interrupts", number(kernel.interrupts), "softirqs",
                          number(kernel.softirqs), "switches", number(kernel.switches)));
        json_array_append_new(all, json);
    }
    return all;
}

static json_t *channels_json(const struct ae_view *view)
{
    json_t *all = json_array();

    for (unsigned i = 0; i < view->told.channel_count; i++) {
        const struct ae_view_channel *channel = &view->told.channels[i];
        struct ae_view_depth depth;
        json_t *json = json_pack("{s:s, s:s, s:I, s:I}", "channel", channel->name, "kind",
                                 ae_named_kind_name(channel->kind), "worker",
                                 (json_int_t)channel->worker, "size", (json_int_t)channel->size);

        ae_view_get_depth(view, i, &depth);
        if (channel->kind == AE_NAMED_BROADCAST) {
            json_object_set_new(json, "messages", number(depth.messages));
        } else if (channel->kind != AE_NAMED_LOAN) {
            json_object_set_new(json, "used", number(depth.used));
            json_object_set_new(json, "refused", number(depth.refused));
        }
        if (channel->kind != AE_NAMED_BROADCAST)
            json_object_set_new(json, "peer", json_integer(channel->peer));
        json_array_append_new(all, json);
    }
    return all;
}

static json_t *filter_json(const struct ae_view_filter *filter)
{
    json_t *addresses;

    if (!filter->set)
        return json_null();
    addresses = json_array();
    for (unsigned i = 0; i < filter->address_count; i++) {
        char mac[CLI_MAC];

        json_array_append_new(addresses, json_string(cli_mac(filter->addresses[i], mac)));
    }
    return json_pack("{s:b, s:b, s:i, s:o}", "promiscuous", (int)filter->promiscuous,
                     "all_multicast", (int)filter->all_multicast, "vlans", (int)filter->vlan_count,
                     "addresses", addresses);
}

json_t *cli_view_json(const struct ae_view *view)
{
    char user[CLI_USER];

    return json_pack("{s:s, s:i, s:s, s:f, s:o, s:o, s:o, s:o}", "run", view->told.name, "pid",
                     (int)view->pid, "user", cli_view_user(view->told.user, user), "seconds",
                     seconds_since(view->told.since_ms), "workers", workers_json(view), "ports",
                     ports_json(view), "channels", channels_json(view), "filter",
                     filter_json(&view->told.filter));
}
