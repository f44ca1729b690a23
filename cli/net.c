/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <stdio.h>

#include "cli.h"
#include "json.h"
#include "views.h"

static void print_filter(const struct ae_view_filter *filter)
{
    if (filter->promiscuous) {
        puts("  lets all frames in");
        return;
    }
    printf("  lets in beside its own: %s", filter->all_multicast ? "all groups" : "");
    for (unsigned i = 0; i < filter->address_count; i++) {
        char mac[CLI_MAC];

        printf("%s%s", i || filter->all_multicast ? ", " : "", cli_mac(filter->addresses[i], mac));
    }
    if (filter->vlan_count)
        printf(" (of %u VLANs and of none)", filter->vlan_count);
    putchar('\n');
}

static void print_port(const struct ae_view *view, const struct ae_view_port *port)
{
    char mac[CLI_MAC];

    printf("%s: %s of %s (process %d)\n", port->info.spec, port->info.driver, view->told.name,
           view->pid);
    printf("  %s", port->link.device_gone ? "gone" : port->link.up ? "up" : "down");
    if (port->link.up && port->link.mbps)
        printf(" %u Mb/s %s duplex", port->link.mbps, port->link.full_duplex ? "full" : "half");
    printf(", changed %u times%s%s\n", port->link.changes, port->trouble[0] ? ": " : "",
           port->trouble);
    printf("  address %s, MTU %u, %u queue%s, path %s, caller %s\n", cli_mac(port->info.mac, mac),
           port->info.mtu, port->info.queues, port->info.queues == 1 ? "" : "s",
           ae_path_name(port->info.path), ae_caller_name(port->info.caller));
    if (view->told.filter.set)
        print_filter(&view->told.filter);
}

int cli_net(int argc, char **argv)
{
    const struct argp argp = {.options = cli_views_options,
                              .parser = cli_views_parse,
                              .doc =
                                  "Lists the ports of the runs that go on: addresses, links, what "
                                  "they let in."};
    json_t *runs = json_array();
    struct cli_views views;
    bool json = false;
    int status;

    argv[0] = (char[]){"aether net"};
    argp_parse(&argp, argc, argv, 0, NULL, &json);
    status = cli_views_take(&views, "net");
    for (unsigned i = 0; i < views.count; i++) {
        const struct ae_view *view = views.views[i];

        for (unsigned port = 0; port < view->told.port_count && !json; port++)
            print_port(view, &view->told.ports[port]);
        if (json)
            json_array_append_new(runs, cli_view_json(view));
    }
    if (json)
        cli_json_print(json_pack("{s:O, s:O}", "runs", runs, "unseen", views.unseen),
                       JSON_INDENT(2));
    cli_views_tell_unseen(&views, "net");
    cli_views_drop(&views);
    json_decref(runs);
    return status;
}
