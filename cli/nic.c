/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <aether/nic.h>

#include "cli.h"
#include "machine/iommu.h"
#include "machine/pci.h"
#include "port/port.h"

struct arguments {
    const char *action;
    const char *address;
    bool json;
    struct ae_nic_options options;
};

/* What stands in a card's way, or "" when nothing does. */
static const char *obstacle(const struct ae_pci *pci, struct ae_error *err)
{
    err->text[0] = '\0';
    if (!ae_port_driver_for(pci->info.vendor, pci->info.device))
        return "no driver of Aether's";
    return ae_nic_check(pci->info.address, NULL, err) ? err->text : "";
}

static json_t *describe(const struct ae_pci *pci)
{
    struct ae_error err;
    char name[128];

    ae_pci_describe(pci, name, sizeof(name));
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:b, s:s}", "address", pci->info.address,
                     "name", name, "driver", pci->driver, "interface", pci->netdev, "state",
                     ae_pci_is_vfio(pci) ? "taken" : "kernel", "iommu_group", pci->iommu_group,
                     "numa_node", pci->info.numa_node, "usable", obstacle(pci, &err)[0] == '\0',
                     "obstacle", obstacle(pci, &err));
}

static int add_card(const struct ae_pci *pci, void *context)
{
    if (pci->info.class_code >> 16 == PCI_CLASS_NETWORK)
        json_array_append_new(context, describe(pci));
    return 0;
}

static const char *text_of(const json_t *card, const char *key)
{
    const char *text = json_string_value(json_object_get(card, key));

    return text && text[0] ? text : "-";
}

static int list(const struct arguments *arguments)
{
    json_t *cards = json_array(), *card;
    size_t index;

    ae_pci_list(add_card, cards);
    if (arguments->json) {
        json_dumpf(cards, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(cards);
        return CLI_OK;
    }
    printf("%-13s %-10s %-10s %5s %4s  %s\n", "ADDRESS", "DRIVER", "INTERFACE", "GROUP", "NODE",
           "CARD");
    json_array_foreach(cards, index, card) {
        const char *obstacle_text = json_string_value(json_object_get(card, "obstacle"));

        printf("%-13s %-10s %-10s %5d %4d  %s\n", text_of(card, "address"),
               text_of(card, "driver"), text_of(card, "interface"),
               (int)json_integer_value(json_object_get(card, "iommu_group")),
               (int)json_integer_value(json_object_get(card, "numa_node")), text_of(card, "name"));
        if (obstacle_text && obstacle_text[0])
            printf("              cannot be taken: %s\n", obstacle_text);
    }
    if (json_array_size(cards) == 0)
        puts("This machine has no PCI network card; 'make lab' boots one that has.");
    json_decref(cards);
    return CLI_OK;
}

static int report(const struct arguments *arguments, const char *done)
{
    if (arguments->json)
        printf("{\"address\": \"%s\", \"state\": \"%s\"}\n", arguments->address, done);
    else
        printf("%s: %s\n", arguments->address, done);
    return CLI_OK;
}

static int bind_card(const struct arguments *arguments)
{
    struct ae_error err;

    if (ae_nic_bind(arguments->address, &arguments->options, &err))
        return cli_fail("nic bind", &err);
    return report(arguments, "taken");
}

static int unbind_card(const struct arguments *arguments)
{
    struct ae_error err;

    if (ae_nic_unbind(arguments->address, &err))
        return cli_fail("nic unbind", &err);
    return report(arguments, "kernel");
}

static int check_card(const struct arguments *arguments)
{
    struct ae_error err;

    if (ae_nic_check(arguments->address, &arguments->options, &err))
        return cli_fail("nic check", &err);
    return report(arguments, "usable");
}

static const struct {
    const char *name;
    bool wants_address;
    int (*run)(const struct arguments *arguments);
} actions[] = {
    {"list", false, list},
    {"check", true, check_card},
    {"bind", true, bind_card},
    {"unbind", true, unbind_card},
};

enum { KEY_FORCE = 0x100, KEY_JSON };

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case KEY_FORCE:
        arguments->options.force = true;
        return 0;
    case KEY_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            arguments->action = value;
        else if (state->arg_num == 1)
            arguments->address = value;
        else
            argp_error(state, "too many arguments: '%s'", value);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_nic(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"force", KEY_FORCE, NULL, 0, "even if the machine's own traffic goes through it", 0},
        {"json", KEY_JSON, NULL, 0, "print JSON", 0},
        {0},
    };
    static const struct argp argp = {
        options, parse, "list\ncheck ADDRESS\nbind ADDRESS\nunbind ADDRESS",
        "Lists network cards, takes one from the kernel (vfio-pci), gives it back.\v"
        "What a card was - driver, interface, addresses - is kept in /run/aether/nic and comes "
        "back with 'unbind'.",
        NULL, NULL, NULL};
    struct arguments arguments = {0};

    argv[0] = (char[]){"aether nic"};
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
        return CLI_USAGE;
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(actions[i].name, arguments.action) != 0)
            continue;
        if (actions[i].wants_address == !arguments.address) {
            fprintf(stderr, "aether nic %s: %s\n", arguments.action,
                    arguments.address ? "takes no address" : "needs a PCI address; see 'nic list'");
            return CLI_USAGE;
        }
        return actions[i].run(&arguments);
    }
    fprintf(stderr, "aether nic: unknown action '%s'; there are list, check, bind, unbind\n",
            arguments.action);
    return CLI_USAGE;
}
