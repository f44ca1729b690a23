/* SPDX-License-Identifier: Apache-2.0 */
#include "rates.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <aether/loop.h>

#include "measure/queue.h"

/* ---- Samples ---- */

void cli_sample_drop(struct cli_sample *sample)
{
    free(sample->queues);
    *sample = (struct cli_sample){.queues = NULL};
}

static void add(struct cli_sample *sample, const struct ae_view *view, unsigned port,
                unsigned queue)
{
    struct cli_sampled *grown =
        reallocarray(sample->queues, sample->count + 1, sizeof(*sample->queues));

    if (!grown)
        return;
    sample->queues = grown;
    grown += sample->count++;
    *grown = (struct cli_sampled){.pid = view->pid, .port = port, .queue = queue};
    ae_view_get_counters(view, port, queue, &grown->counters);
}

void cli_sample_take(struct cli_sample *sample, const struct cli_views *views)
{
    cli_sample_drop(sample);
    sample->at_ns = views->at_ns;
    for (unsigned i = 0; i < views->count; i++)
        for (unsigned port = 0; port < views->views[i]->told.port_count; port++)
            for (unsigned queue = 0; queue < views->views[i]->told.ports[port].info.queues; queue++)
                add(sample, views->views[i], port, queue);
}

/* ---- Rates ---- */

static const struct ae_queue_counters *find(const struct cli_sample *sample, pid_t pid,
                                            unsigned port, unsigned queue)
{
    for (size_t i = 0; i < sample->count; i++) {
        const struct cli_sampled *one = &sample->queues[i];

        if (one->pid == pid && one->port == port && one->queue == queue)
            return &one->counters;
    }
    return NULL;
}

void cli_rates_get(struct cli_rates *rates, const struct cli_sample *before,
                   const struct cli_views *views, const struct ae_view *view, unsigned port,
                   unsigned queue)
{
    const struct ae_queue_counters *then = find(before, view->pid, port, queue);
    double seconds = (double)(views->at_ns - before->at_ns) / 1e9;
    struct ae_queue_counters now;

    *rates = (struct cli_rates){{0}};
    if (!then || seconds <= 0)
        return;
    ae_view_get_counters(view, port, queue, &now);
    for (size_t i = 0; i < CLI_QUEUE_COUNTERS; i++) {
        uint64_t from = cli_queue_counter(then, i), to = cli_queue_counter(&now, i);

        /* A worker that was started again begins anew. */
        rates->rates[i] = to > from ? (double)(to - from) / seconds : 0;
    }
}

static double rate_of(const struct cli_rates *rates, size_t at)
{
    return rates->rates[at / sizeof(uint64_t)];
}

#define RATE(rates, counter) rate_of(rates, offsetof(struct ae_queue_counters, counter))

static double rate_of_trouble(const struct cli_rates *rates)
{
    double sum = 0;

    for (size_t i = 0; i < CLI_QUEUE_COUNTERS; i++)
        sum += cli_queue_counters[i].trouble ? rates->rates[i] : 0;
    return sum;
}

/* ---- For a person ---- */

static void print_troubles(const struct ae_view *view, unsigned port, unsigned queue, FILE *out)
{
    struct ae_queue_counters counters;
    unsigned printed = 0;

    ae_view_get_counters(view, port, queue, &counters);
    for (size_t i = 0; i < CLI_QUEUE_COUNTERS; i++)
        if (cli_queue_counters[i].trouble && cli_queue_counter(&counters, i))
            fprintf(out, "%s%s %" PRIu64,
                    printed++ ? ", " : "      since the start: ", cli_queue_counters[i].name,
                    cli_queue_counter(&counters, i));
    if (printed)
        fputc('\n', out);
    if (ae_view_is_broken(view, port, queue))
        fputs("      it is broken, and does nothing until the worker is started again\n", out);
}

static void print_measures(const struct ae_queue_state *state, FILE *out)
{
    struct ae_histogram *histogram = malloc(sizeof(*histogram));

    for (unsigned i = 0; histogram && i < AE_QUEUE_MEASURES; i++) {
        ae_queue_histogram_read(histogram, &state->histograms[i]);
        if (histogram->count)
            fprintf(out,
                    "      %-5s %-6s p50 %" PRIu64 "  p99 %" PRIu64 "  p99.9 %" PRIu64
                    "  max %" PRIu64 "\n",
                    cli_measures[i].name, cli_measures[i].unit,
                    ae_histogram_percentile(histogram, 50), ae_histogram_percentile(histogram, 99),
                    ae_histogram_percentile(histogram, 99.9), histogram->max);
    }
    free(histogram);
}

static void print_port(const struct cli_views *views, const struct cli_sample *before,
                       const struct ae_view *view, unsigned number, FILE *out)
{
    const struct ae_view_port *port = &view->told.ports[number];

    fprintf(out, "  port %s  %s, path %s, caller %s  ", port->info.spec, port->info.driver,
            ae_path_name(port->info.path), ae_caller_name(port->info.caller));
    fputs(port->link.device_gone ? "gone" : port->link.up ? "up" : "down", out);
    if (port->link.up && port->link.mbps)
        fprintf(out, " %u Mb/s", port->link.mbps);
    fprintf(out, "%s%s\n", port->trouble[0] ? ": " : "", port->trouble);
    fprintf(out, "    %5s %4s %11s %9s %11s %9s %9s\n", "QUEUE", "CPU", "RX/S", "RX MB/S", "TX/S",
            "TX MB/S", "DROPS/S");
    for (unsigned i = 0; i < port->info.queues; i++) {
        struct cli_rates rates;

        cli_rates_get(&rates, before, views, view, number, i);
        fprintf(out, "    %5u %4d %11.0f %9.2f %11.0f %9.2f %9.0f\n", i,
                view->told.workers[port->workers[i]].cpu, RATE(&rates, received_frames),
                RATE(&rates, received_bytes) / 1e6, RATE(&rates, sent_frames),
                RATE(&rates, sent_bytes) / 1e6, rate_of_trouble(&rates));
        print_troubles(view, number, i, out);
        print_measures(view->queues[number][i], out);
    }
}

static void print_nets(const struct ae_view *view, unsigned worker, FILE *out)
{
    struct ae_view_net nets[AE_WORKER_NETS];
    unsigned count = ae_view_get_nets(view, worker, nets);

    for (unsigned i = 0; i < count; i++) {
        char address[AE_IPV4_TEXT];

        ae_ipv4_format(nets[i].address, address);
        fprintf(out, "    network %s\n", address);
        for (size_t j = 0; j < CLI_NET_COUNTERS; j++)
            if (cli_net_counter(&nets[i].counts, j))
                fprintf(out, "      %-48s %20" PRIu64 "\n", cli_net_counters[j].words,
                        cli_net_counter(&nets[i].counts, j));
    }
}

static void print_loops(const struct ae_shared *shared, FILE *out)
{
    struct ae_worker_loop loops[AE_WORKER_LOOPS];
    unsigned count = ae_loops_read(loops, shared);

    for (unsigned i = 0; i < count; i++) {
        fprintf(out, "    loop %s: %" PRIu64 " turns, %" PRIu64 " missed %" PRIu64 " ns",
                loops[i].name, loops[i].turns, loops[i].misses, loops[i].bound_ns);
        if (loops[i].cyclic)
            fprintf(
                out,
                ", %" PRIu64 " skipped; late by p50 %" PRIu64 " p99 %" PRIu64 " max %" PRIu64 " ns",
                loops[i].skipped, loops[i].wakeup.p50, loops[i].wakeup.p99, loops[i].wakeup.max);
        fputc('\n', out);
    }
}

static void print_worker(const struct cli_views *views, const struct ae_view *view, unsigned number,
                         FILE *out)
{
    const struct ae_view_worker *worker = &view->told.workers[number];
    struct ae_supervise_counter own[AE_WORKER_COUNTERS];
    unsigned count = ae_view_get_own(view, number, own);
    struct ae_view_kernel kernel;
    char duration[CLI_DURATION];

    fprintf(out, "  worker %d  CPU %d  %s for %s\n", worker->pid, worker->cpu,
            ae_view_state_name(worker->state),
            cli_duration(cli_view_since_ms(views, worker->since_ms), duration));
    if (cli_view_kernel(worker, &kernel))
        fprintf(out,
                "    kernel on its CPU since: %" PRIu64 " interrupts, %" PRIu64
                " softirqs, %" PRIu64 " switches\n",
                kernel.interrupts, kernel.softirqs, kernel.switches);
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "    %-31s %20" PRIu64 "\n", own[i].name, own[i].value);
    print_nets(view, number, out);
    print_loops(view->shared[number], out);
}

static void print_channels(const struct ae_view *view, FILE *out)
{
    for (unsigned i = 0; i < view->told.channel_count; i++) {
        const struct ae_view_channel *channel = &view->told.channels[i];
        struct ae_view_depth depth;

        ae_view_get_depth(view, i, &depth);
        fprintf(out, "  channel %s  %s  ", channel->name, ae_named_kind_name(channel->kind));
        if (channel->kind == AE_NAMED_BROADCAST) {
            fprintf(out, "%" PRIu64 " messages\n", depth.messages);
            continue;
        }
        fprintf(out, "%" PRIu64 " of %u bytes used, refused %" PRIu64 " times", depth.used,
                channel->size, depth.refused);
        if (channel->peer)
            fprintf(out, ", process %d", channel->peer);
        fputc('\n', out);
    }
}

void cli_rates_print(const struct cli_views *views, const struct cli_sample *before, FILE *out)
{
    fprintf(out, "%u run%s, over %.1f s\n", views->count, views->count == 1 ? "" : "s",
            (double)(views->at_ns - before->at_ns) / 1e9);
    for (unsigned i = 0; i < views->count; i++) {
        const struct ae_view *view = views->views[i];
        char user[CLI_USER], duration[CLI_DURATION];

        fprintf(out, "\n%s  process %d  user %s  for %s\n", view->told.name, view->pid,
                cli_view_user(view->told.user, user),
                cli_duration(cli_view_since_ms(views, view->told.since_ms), duration));
        for (unsigned worker = 0; worker < view->told.worker_count; worker++)
            print_worker(views, view, worker, out);
        for (unsigned port = 0; port < view->told.port_count; port++)
            print_port(views, before, view, port, out);
        print_channels(view, out);
    }
}

/* ---- As JSON ---- */

static void add_rates(json_t *run, const struct cli_views *views, const struct cli_sample *before,
                      const struct ae_view *view)
{
    json_t *port, *queue;
    size_t i, j;

    json_array_foreach (json_object_get(run, "ports"), i, port)
        json_array_foreach (json_object_get(port, "queues"), j, queue) {
            struct cli_rates rates;

            cli_rates_get(&rates, before, views, view, (unsigned)i, (unsigned)j);
            json_object_set_new(queue, "per_second",
                                json_pack("{s:f, s:f, s:f, s:f, s:f}", "received_frames",
                                          RATE(&rates, received_frames), "received_bytes",
                                          RATE(&rates, received_bytes), "sent_frames",
                                          RATE(&rates, sent_frames), "sent_bytes",
                                          RATE(&rates, sent_bytes), "drops",
                                          rate_of_trouble(&rates)));
        }
}

json_t *cli_rates_json(const struct cli_views *views, const struct cli_sample *before)
{
    json_t *runs = json_array();

    for (unsigned i = 0; i < views->count; i++) {
        json_t *run = cli_view_json(views->views[i]);

        add_rates(run, views, before, views->views[i]);
        json_array_append_new(runs, run);
    }
    return json_pack("{s:f, s:o, s:O}", "seconds", (double)(views->at_ns - before->at_ns) / 1e9,
                     "runs", runs, "unseen", views->unseen);
}
