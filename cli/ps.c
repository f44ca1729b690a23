/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include <aether/partition.h>

#include "base/cpus.h"
#include "base/text.h"
#include "cli.h"
#include "json.h"
#include "views.h"

/* ---- Partitions ---- */

static int add_partition(const char *name, void *context)
{
    struct ae_partition *partition = NULL;
    enum ae_level level = AE_LEVEL_NONE;
    char cpus[AE_CPUS_TEXT] = "";
    struct ae_error err = {.text = ""};
    int rc = ae_partition_load(&partition, name, &err);

    if (!rc)
        rc = ae_partition_level(partition, &level, &err);
    if (!rc)
        rc = ae_partition_quiet_cpus(partition, cpus, sizeof(cpus));
    json_array_append_new(context, json_pack("{s:s, s:s, s:s, s:s}", "partition", name,
                                             "quiet_cpus", cpus, "level", ae_level_name(level),
                                             "trouble", rc ? AE_TEXT(err.text) : ""));
    ae_partition_free(partition);
    return 0;
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static void print_partitions(const json_t *partitions)
{
    const json_t *one;
    size_t i;

    if (!json_array_size(partitions))
        return;
    printf("%-16s %-20s %s\n", "PARTITION", "QUIET CPUS", "LEVEL");
    json_array_foreach (partitions, i, one)
        printf("%-16s %-20s %s%s%s\n", text_of(one, "partition"), text_of(one, "quiet_cpus"),
               text_of(one, "level"), text_of(one, "trouble")[0] ? ": " : "",
               text_of(one, "trouble"));
    putchar('\n');
}

/* ---- Runs ---- */

static bool has_queue(const struct ae_view_port *port, unsigned worker)
{
    return memchr(port->workers, (int)worker, port->info.queues) != NULL;
}

static void print_ports(const struct ae_view *view, unsigned worker)
{
    unsigned printed = 0;

    for (unsigned i = 0; i < view->told.port_count; i++) {
        const struct ae_view_port *port = &view->told.ports[i];

        if (has_queue(port, worker))
            printf("%s%s %s/%s%s", printed++ ? ", " : "", port->info.spec,
                   ae_path_name(port->info.path), ae_caller_name(port->info.caller),
                   port->link.device_gone ? " (gone)"
                   : port->link.up        ? ""
                                          : " (down)");
    }
    puts(printed ? "" : "-");
}

static void print_runs(const struct cli_views *views)
{
    printf("%-16s %7s %-10s %4s %7s %-8s %-12s %-12s %s\n", "RUN", "PID", "USER", "CPU", "WORKER",
           "STATE", "FOR", "PARTITION", "PORTS");
    for (unsigned i = 0; i < views->count; i++) {
        const struct ae_view *view = views->views[i];

        for (unsigned j = 0; j < view->told.worker_count; j++) {
            const struct ae_view_worker *worker = &view->told.workers[j];
            char user[CLI_USER], duration[CLI_DURATION], partition[AE_PARTITION_NAME];

            cli_duration(cli_view_since_ms(views, worker->since_ms), duration);
            cli_view_partition(worker, partition);
            printf("%-16s %7d %-10s %4d %7d %-8s %-12s %-12s ", view->told.name, view->pid,
                   cli_view_user(view->told.user, user), worker->cpu, worker->pid,
                   ae_view_state_name(worker->state), duration, partition[0] ? partition : "-");
            print_ports(view, j);
        }
    }
}

int cli_ps(int argc, char **argv)
{
    const struct argp argp = {.options = cli_views_options,
                              .parser = cli_views_parse,
                              .doc = "Lists partitions, and the runs that go on, a line a worker.\v"
                                     "A run can be looked at by root, and by the user whose its "
                                     "workers are."};
    json_t *partitions = json_array(), *runs = json_array();
    struct cli_views views;
    bool json = false;
    int status;

    argv[0] = (char[]){"aether ps"};
    argp_parse(&argp, argc, argv, 0, NULL, &json);
    ae_partition_each_name(add_partition, partitions);
    status = cli_views_take(&views, "ps");
    for (unsigned i = 0; i < views.count && json; i++)
        json_array_append_new(runs, cli_view_json(views.views[i]));
    if (json) {
        cli_json_print(json_pack("{s:O, s:O, s:O}", "partitions", partitions, "runs", runs,
                                 "unseen", views.unseen),
                       JSON_INDENT(2));
    } else if (!status) {
        print_partitions(partitions);
        print_runs(&views);
    }
    cli_views_tell_unseen(&views, "ps");
    cli_views_drop(&views);
    json_decref(partitions);
    json_decref(runs);
    return status;
}
