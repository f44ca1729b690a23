/* SPDX-License-Identifier: Apache-2.0 */
#include "exposition.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include <aether/loop.h>

#include "counters.h"

struct sheet {
    const struct cli_views *views;
    bool openmetrics;
    FILE *out;
};

/* A counter's family is named without "_total" in OpenMetrics, and with it in the older format. */
static void family(const struct sheet *sheet, const char *name, const char *type, const char *help)
{
    const char *total = type[0] == 'c' && !sheet->openmetrics ? "_total" : "";

    fprintf(sheet->out, "# HELP aether_%s%s %s\n# TYPE aether_%s%s %s\n", name, total, help, name,
            total, type);
}

/* A label's value: what came from others has no control characters by now. */
static void value(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void label(FILE *out, const char *name, const char *text)
{
    fprintf(out, "%s=\"", name);
    value(out, text);
    fputc('"', out);
}

/* "aether_NAME{run="...",pid="..."", and not the brace: the caller adds labels, then ends it. */
static void begin(const struct sheet *sheet, const char *name, const char *suffix,
                  const struct ae_view *view)
{
    fprintf(sheet->out, "aether_%s%s{", name, suffix);
    label(sheet->out, "run", view->told.name);
    fprintf(sheet->out, ",pid=\"%d\"", view->pid);
}

static void end(const struct sheet *sheet, uint64_t number)
{
    fprintf(sheet->out, "} %" PRIu64 "\n", number);
}

static void each_view(const struct sheet *sheet,
                      void (*tell)(const struct sheet *sheet, const struct ae_view *view))
{
    for (unsigned i = 0; i < sheet->views->count; i++)
        tell(sheet, sheet->views->views[i]);
}

/* ---- Runs and workers ---- */

static void tell_age(const struct sheet *sheet, const struct ae_view *view)
{
    begin(sheet, "run_age_seconds", "", view);
    fprintf(sheet->out, "} %.3f\n",
            (double)cli_view_since_ms(sheet->views, view->told.since_ms) / 1000);
}

static void begin_worker(const struct sheet *sheet, const char *name, const char *suffix,
                         const struct ae_view *view, unsigned worker)
{
    begin(sheet, name, suffix, view);
    fprintf(sheet->out, ",worker=\"%u\",cpu=\"%d\"", worker, view->told.workers[worker].cpu);
}

static void tell_quiet(const struct sheet *sheet, const struct ae_view *view)
{
    for (unsigned i = 0; i < view->told.worker_count; i++) {
        begin_worker(sheet, "worker_quiet", "", view, i);
        end(sheet, view->told.workers[i].state == AE_VIEW_QUIET);
    }
}

static void tell_kernel(const struct sheet *sheet, const struct ae_view *view)
{
    for (unsigned i = 0; i < view->told.worker_count; i++) {
        struct ae_view_kernel kernel;

        if (!cli_view_kernel(&view->told.workers[i], &kernel))
            continue;
        begin_worker(sheet, "worker_kernel_entries", "_total", view, i);
        fputs(",kind=\"interrupt\"", sheet->out);
        end(sheet, kernel.interrupts);
        begin_worker(sheet, "worker_kernel_entries", "_total", view, i);
        fputs(",kind=\"softirq\"", sheet->out);
        end(sheet, kernel.softirqs);
        begin_worker(sheet, "worker_kernel_entries", "_total", view, i);
        fputs(",kind=\"switch\"", sheet->out);
        end(sheet, kernel.switches);
    }
}

/* Two of one name would be one metric twice: the first is told. */
static bool is_first(const struct ae_supervise_counter *counters, unsigned index)
{
    for (unsigned i = 0; i < index; i++)
        if (strcmp(counters[i].name, counters[index].name) == 0)
            return false;
    return true;
}

static void tell_own(const struct sheet *sheet, const struct ae_view *view)
{
    for (unsigned i = 0; i < view->told.worker_count; i++) {
        struct ae_supervise_counter counters[AE_WORKER_COUNTERS];
        unsigned count = ae_view_get_own(view, i, counters);

        for (unsigned j = 0; j < count; j++) {
            if (!is_first(counters, j))
                continue;
            begin_worker(sheet, "worker_value", "", view, i);
            fputc(',', sheet->out);
            label(sheet->out, "name", counters[j].name);
            end(sheet, counters[j].value);
        }
    }
}

static void tell_nets(const struct sheet *sheet, const struct ae_view *view)
{
    for (unsigned i = 0; i < view->told.worker_count; i++) {
        struct ae_view_net nets[AE_WORKER_NETS];
        unsigned count = ae_view_get_nets(view, i, nets);

        for (unsigned j = 0; j < count; j++)
            for (size_t k = 0; k < CLI_NET_COUNTERS; k++) {
                begin_worker(sheet, "network_events", "_total", view, i);
                fprintf(sheet->out, ",network=\"%u\",event=\"%s\"", j, cli_net_counters[k].name);
                end(sheet, cli_net_counter(&nets[j].counts, k));
            }
    }
}

static void tell_misses(const struct sheet *sheet, const struct ae_view *view)
{
    for (unsigned i = 0; i < view->told.worker_count; i++) {
        struct ae_worker_loop loops[AE_WORKER_LOOPS];
        unsigned count = ae_loops_read(loops, view->shared[i]);

        for (unsigned j = 0; j < count; j++) {
            begin_worker(sheet, "loop_missed_deadlines", "_total", view, i);
            fprintf(sheet->out, ",loop=\"%u\",", j);
            label(sheet->out, "name", loops[j].name);
            end(sheet, loops[j].misses);
        }
    }
}

/* ---- Channels ---- */

static void begin_channel(const struct sheet *sheet, const char *name, const char *suffix,
                          const struct ae_view *view, unsigned number)
{
    const struct ae_view_channel *channel = &view->told.channels[number];

    begin(sheet, name, suffix, view);
    fprintf(sheet->out, ",worker=\"%u\",kind=\"%s\",", channel->worker,
            ae_named_kind_name(channel->kind));
    label(sheet->out, "channel", channel->name);
}

static const struct {
    const char *name;
    bool counter, broadcast;
    size_t at; /* in a struct ae_view_depth */
    const char *help;
} depths[] = {
    {"channel_used_bytes", false, false, offsetof(struct ae_view_depth, used),
     "Bytes of records that were not read yet."},
    {"channel_refused", true, false, offsetof(struct ae_view_depth, refused),
     "Records for which a channel had no room."},
    {"broadcast_messages", true, true, offsetof(struct ae_view_depth, messages),
     "Messages that a broadcast has had."},
};

static void tell_depths(const struct sheet *sheet, size_t what, const struct ae_view *view)
{
    for (unsigned i = 0; i < view->told.channel_count; i++) {
        struct ae_view_depth depth;

        if (view->told.channels[i].kind == AE_NAMED_LOAN ||
            (view->told.channels[i].kind == AE_NAMED_BROADCAST) != depths[what].broadcast)
            continue;
        ae_view_get_depth(view, i, &depth);
        begin_channel(sheet, depths[what].name, depths[what].counter ? "_total" : "", view, i);
        end(sheet, *(const uint64_t *)(const void *)((const char *)&depth + depths[what].at));
    }
}

static void tell_size(const struct sheet *sheet, const struct ae_view *view)
{
    for (unsigned i = 0; i < view->told.channel_count; i++) {
        begin_channel(sheet, "channel_size_bytes", "", view, i);
        end(sheet, view->told.channels[i].size);
    }
}

static void expose_channels(const struct sheet *sheet)
{
    family(sheet, "channel_size_bytes", "gauge", "Bytes of a channel's ring, or of all slots.");
    each_view(sheet, tell_size);
    for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
        family(sheet, depths[i].name, depths[i].counter ? "counter" : "gauge", depths[i].help);
        for (unsigned j = 0; j < sheet->views->count; j++)
            tell_depths(sheet, i, sheet->views->views[j]);
    }
}

/* ---- Ports and queues ---- */

static void tell_links(const struct sheet *sheet, const struct ae_view *view)
{
    for (unsigned i = 0; i < view->told.port_count; i++) {
        begin(sheet, "port_link_up", "", view);
        fprintf(sheet->out, ",number=\"%u\",", i);
        label(sheet->out, "port", view->told.ports[i].info.spec);
        end(sheet, view->told.ports[i].link.up);
    }
}

static void tell_paths(const struct sheet *sheet, const struct ae_view *view)
{
    for (unsigned i = 0; i < view->told.port_count; i++) {
        const struct ae_port_info *info = &view->told.ports[i].info;

        begin(sheet, "port_info", "", view);
        fprintf(sheet->out, ",number=\"%u\",path=\"%s\",caller=\"%s\",", i,
                ae_path_name(info->path), ae_caller_name(info->caller));
        label(sheet->out, "driver", info->driver);
        fputc(',', sheet->out);
        label(sheet->out, "port", info->spec);
        end(sheet, 1);
    }
}

static void begin_queue(const struct sheet *sheet, const char *name, const char *suffix,
                        const struct ae_view *view, unsigned port, unsigned queue)
{
    char queue_name[64];

    snprintf(queue_name, sizeof(queue_name), "queue_%s", name);
    begin(sheet, queue_name, suffix, view);
    fprintf(sheet->out, ",number=\"%u\",", port);
    label(sheet->out, "port", view->told.ports[port].info.spec);
    fprintf(sheet->out, ",queue=\"%u\",worker=\"%u\"", queue,
            view->told.ports[port].workers[queue]);
}

static void each_queue(const struct sheet *sheet, size_t what,
                       void (*tell)(const struct sheet *sheet, size_t what,
                                    const struct ae_view *view, unsigned port, unsigned queue))
{
    for (unsigned i = 0; i < sheet->views->count; i++) {
        const struct ae_view *view = sheet->views->views[i];

        for (unsigned port = 0; port < view->told.port_count; port++)
            for (unsigned queue = 0; queue < view->told.ports[port].info.queues; queue++)
                tell(sheet, what, view, port, queue);
    }
}

static void tell_counter(const struct sheet *sheet, size_t counter, const struct ae_view *view,
                         unsigned port, unsigned queue)
{
    struct ae_queue_counters counters;

    ae_view_get_counters(view, port, queue, &counters);
    begin_queue(sheet, cli_queue_counters[counter].name, "_total", view, port, queue);
    end(sheet, cli_queue_counter(&counters, counter));
}

/* ---- What queues measure ---- */

static const struct {
    const char *name;
    bool time; /* in seconds */
    uint64_t greatest;
} measures[AE_QUEUE_MEASURES] = {
    [AE_QUEUE_BURST] = {"burst_frames", false, 1 << 12},
    [AE_QUEUE_TURN] = {"turn_seconds", true, AE_QUEUE_GREATEST},
    [AE_QUEUE_IDLE] = {"idle_seconds", true, AE_QUEUE_GREATEST},
};

static void print_scaled(const struct sheet *sheet, size_t measure, uint64_t number)
{
    if (measures[measure].time)
        fprintf(sheet->out, "%.9f", (double)number / 1e9);
    else
        fprintf(sheet->out, "%" PRIu64, number);
}

/* Powers of two have a bucket's end each: a bucket holds whole numbers up to one less. */
static void tell_measure(const struct sheet *sheet, size_t measure, const struct ae_view *view,
                         unsigned port, unsigned queue)
{
    const struct ae_queue_histogram *histogram = &view->queues[port][queue]->histograms[measure];
    uint64_t values = 0;
    uint32_t bucket = 0;

    for (uint64_t power = 2; power / 2 <= measures[measure].greatest; power *= 2) {
        for (; bucket < AE_QUEUE_BUCKETS && ae_queue_histogram_bound(bucket) < power; bucket++)
            values += __atomic_load_n(&histogram->buckets[bucket], __ATOMIC_RELAXED);
        begin_queue(sheet, measures[measure].name, "_bucket", view, port, queue);
        fputs(",le=\"", sheet->out);
        print_scaled(sheet, measure, power - 1);
        fputc('"', sheet->out);
        end(sheet, values);
    }
    for (; bucket < AE_QUEUE_BUCKETS; bucket++)
        values += __atomic_load_n(&histogram->buckets[bucket], __ATOMIC_RELAXED);
    begin_queue(sheet, measures[measure].name, "_bucket", view, port, queue);
    fputs(",le=\"+Inf\"", sheet->out);
    end(sheet, values);
    begin_queue(sheet, measures[measure].name, "_sum", view, port, queue);
    fputs("} ", sheet->out);
    print_scaled(sheet, measure, __atomic_load_n(&histogram->sum, __ATOMIC_RELAXED));
    fputc('\n', sheet->out);
    begin_queue(sheet, measures[measure].name, "_count", view, port, queue);
    end(sheet, values);
}

static void expose_queues(const struct sheet *sheet)
{
    char name[64];

    for (size_t i = 0; i < CLI_QUEUE_COUNTERS; i++) {
        snprintf(name, sizeof(name), "queue_%s", cli_queue_counters[i].name);
        family(sheet, name, "counter", cli_queue_counters[i].help);
        each_queue(sheet, i, tell_counter);
    }
    for (size_t i = 0; i < AE_QUEUE_MEASURES; i++) {
        snprintf(name, sizeof(name), "queue_%s", measures[i].name);
        family(sheet, name, "histogram", cli_measures[i].help);
        each_queue(sheet, i, tell_measure);
    }
}

void cli_expose(const struct cli_views *views, bool openmetrics, FILE *out)
{
    const struct sheet sheet = {views, openmetrics, out};

    family(&sheet, "unseen_runs", "gauge", "Runs that could not be looked at.");
    fprintf(out, "aether_unseen_runs %zu\n", json_array_size(views->unseen));
    family(&sheet, "run_age_seconds", "gauge", "Time since the run was started.");
    each_view(&sheet, tell_age);
    family(&sheet, "worker_quiet", "gauge", "1 while the worker is quiet.");
    each_view(&sheet, tell_quiet);
    family(&sheet, "worker_kernel_entries", "counter",
           "What the kernel counted on the worker's CPU since it is quiet.");
    each_view(&sheet, tell_kernel);
    family(&sheet, "worker_value", "gauge", "A number of the worker's own.");
    each_view(&sheet, tell_own);
    family(&sheet, "network_events", "counter",
           "What a network did with frames, or dropped them for.");
    each_view(&sheet, tell_nets);
    family(&sheet, "loop_missed_deadlines", "counter", "Turns that took longer than their bound.");
    each_view(&sheet, tell_misses);
    expose_channels(&sheet);
    family(&sheet, "port_info", "gauge", "1; how frames travel, and who enters the kernel for it.");
    each_view(&sheet, tell_paths);
    family(&sheet, "port_link_up", "gauge", "1 while the link is up.");
    each_view(&sheet, tell_links);
    expose_queues(&sheet);
    if (openmetrics)
        fputs("# EOF\n", out);
}
