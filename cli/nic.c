/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <aether/nic.h>

#include "base/error.h"
#include "base/root.h"
#include "base/text.h"
#include "cli.h"
#include "json.h"
#include "machine/iommu.h"
#include "machine/pci.h"
#include "nic/record.h"
#include "port/check.h"
#include "vfio/holder.h"

struct arguments {
    const char *action;
    const char *given; /* as an address */
    char address[AE_PCI_ADDRESS_TEXT];
    bool json, dry_run;
    struct ae_nic_options options;
};

/* What stands in a card's way, or "" when nothing does. */
static const char *obstacle(const struct ae_pci *pci, struct ae_error *err)
{
    struct ae_error busy;
    int rc = ae_port_check_function(pci, err);

    if (rc == -ENODEV || !ae_nic_check(pci->info.address, NULL, &busy))
        return rc ? err->text : "";
    if (rc)
        ae_error_set(err, rc, "%s; and %s", AE_TEXT(err->text), busy.text);
    else
        *err = busy;
    return err->text;
}

/* RFC 2863's operational state: "up", "down", "unknown"; "" without an interface. */
static const char *link_of(const struct ae_pci *pci, char *text, size_t size)
{
    char path[128];

    snprintf(path, sizeof(path), "/sys/class/net/%s/operstate", pci->netdev);
    if (!pci->netdev[0] || ae_root_read(path, text, size) < 0)
        text[0] = '\0';
    return text;
}

static json_t *describe(const struct ae_pci *pci)
{
    char name[128], link[32], holder[AE_VFIO_HOLDER_TEXT] = "", ids[16];
    bool taken = ae_pci_is_vfio(pci);
    struct ae_error err;
    const char *why = obstacle(pci, &err);

    ae_pci_describe(pci, name, sizeof(name));
    snprintf(ids, sizeof(ids), "%04x:%04x", pci->info.vendor, pci->info.device);
    if (taken && ae_vfio_holder(pci->iommu_group, holder, sizeof(holder)) != AE_VFIO_HOLDER)
        holder[0] = '\0';
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:s, s:b, s:s}", "address",
                     pci->info.address, "ids", ids, "name", AE_TEXT(name), "driver",
                     AE_TEXT(pci->driver), "interface", AE_TEXT(pci->netdev), "link",
                     link_of(pci, link, sizeof(link)), "state", taken ? "taken" : "kernel",
                     "iommu_group", pci->iommu_group, "numa_node", pci->info.numa_node, "user",
                     holder, "usable", (int)!why[0], "obstacle", why);
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

static const char *number_of(const json_t *card, const char *key, char text[16])
{
    int number = (int)json_integer_value(json_object_get(card, key));

    snprintf(text, 16, number < 0 ? "-" : "%d", number);
    return text;
}

static void print_card(const json_t *card)
{
    const char *why = text_of(card, "obstacle"), *user = text_of(card, "user");
    char group[16], node[16];

    printf("%-13s %-10s %-10s %-7s %5s %4s  %s [%s]\n", text_of(card, "address"),
           text_of(card, "driver"), text_of(card, "interface"), text_of(card, "link"),
           number_of(card, "iommu_group", group), number_of(card, "numa_node", node),
           text_of(card, "name"), text_of(card, "ids"));
    if (strcmp(user, "-") != 0)
        printf("              taken, in use by %s\n", user);
    else if (strcmp(text_of(card, "state"), "taken") == 0)
        puts("              taken, not in use");
    if (strcmp(why, "-") != 0)
        printf("              cannot be taken: %s\n", why);
    else if (strcmp(text_of(card, "state"), "taken") != 0)
        puts("              can be taken");
}

static int print_json(json_t *value)
{
    cli_json_print(value, JSON_INDENT(2));
    return CLI_OK;
}

static int list(const struct arguments *arguments)
{
    json_t *cards = json_array(), *card;
    size_t index;

    ae_pci_list(add_card, cards);
    if (arguments->json)
        return print_json(json_pack("{s:o}", "cards", cards));
    if (json_array_size(cards) == 0)
        puts("This machine has no PCI network card; 'make lab' boots one that has.");
    else
        printf("%-13s %-10s %-10s %-7s %5s %4s  %s\n", "ADDRESS", "DRIVER", "INTERFACE", "LINK",
               "GROUP", "NODE", "CARD");
    json_array_foreach (cards, index, card)
        print_card(card);
    json_decref(cards);
    return CLI_OK;
}

/* What was done to the card, or would be. */
static int report(const struct arguments *arguments, const char *state, const char *details,
                  const char *warning)
{
    if (warning)
        fprintf(stderr, "aether nic bind: %s: no driver of Aether's can run this card: %s\n",
                arguments->address, warning);
    if (arguments->json)
        return print_json(json_pack("{s:s, s:s, s:b, s:s, s:s*}", "address", arguments->address,
                                    "state", state, "dry_run", (int)arguments->dry_run, "details",
                                    details, "warning", warning));
    printf("%s: %s%s\n", arguments->address, arguments->dry_run ? "would be " : "", details);
    return CLI_OK;
}

static int bind_card(const struct arguments *arguments)
{
    struct ae_error err, unfit;
    struct ae_pci pci;
    char details[256];
    bool fit;

    if (ae_pci_read(&pci, arguments->address, &err))
        return cli_fail("nic bind", &err);
    /* Another program may have a driver for it. */
    fit = !ae_port_check_function(&pci, &unfit);
    if (ae_pci_is_vfio(&pci))
        snprintf(details, sizeof(details), "left as it is, taken already");
    else
        snprintf(details, sizeof(details), "taken from %.63s%s%.63s",
                 pci.driver[0] ? pci.driver : "no driver", pci.netdev[0] ? " with interface " : "",
                 pci.netdev);
    if (arguments->dry_run ? ae_nic_check(arguments->address, &arguments->options, &err)
                           : ae_nic_bind(arguments->address, &arguments->options, &err))
        return cli_fail("nic bind", &err);
    return report(arguments, "taken", details, fit ? NULL : unfit.text);
}

static int describe_return(const struct ae_pci *pci, char *details, size_t size,
                           struct ae_error *err)
{
    json_t *record;
    const char *driver, *interface;
    int rc = ae_nic_record_read(pci, &record, err);

    if (rc)
        return rc;
    driver = json_string_value(json_object_get(record, "driver"));
    interface = json_string_value(json_object_get(json_object_get(record, "interface"), "name"));
    if (!driver)
        driver = "whatever driver the kernel has for it";
    else if (!driver[0])
        driver = "no driver";
    if (!record && !ae_pci_is_vfio(pci))
        snprintf(details, size, "left as it is, never taken");
    else
        snprintf(details, size, "given back to %.63s%s%.63s", driver,
                 interface ? " with interface " : "", interface ? interface : "");
    json_decref(record);
    return 0;
}

static int unbind_card(const struct arguments *arguments)
{
    struct ae_error err;
    struct ae_pci pci;
    char details[256];

    if (ae_pci_read(&pci, arguments->address, &err) ||
        describe_return(&pci, details, sizeof(details), &err) ||
        (!arguments->dry_run && ae_nic_unbind(arguments->address, &err)))
        return cli_fail("nic unbind", &err);
    return report(arguments, "kernel", details, NULL);
}

static const struct {
    const char *name;
    bool wants_address;
    int (*run)(const struct arguments *arguments);
} actions[] = {
    {"list", false, list},
    {"bind", true, bind_card},
    {"unbind", true, unbind_card},
};

enum { KEY_FORCE = 0x100, KEY_JSON, KEY_DRY_RUN, KEY_NO_IOMMU };

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case KEY_FORCE:
        arguments->options.force = true;
        return 0;
    case KEY_NO_IOMMU:
        arguments->options.allow_no_iommu = true;
        return 0;
    case KEY_JSON:
        arguments->json = true;
        cli_json_ask();
        return 0;
    case KEY_DRY_RUN:
        arguments->dry_run = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            arguments->action = value;
        else if (state->arg_num == 1)
            arguments->given = value;
        else
            argp_error(state, "too many arguments: '%s'", value);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "say what to do: list, bind or unbind");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_nic(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"force", KEY_FORCE, NULL, 0,
         "bind: even if the machine's own traffic goes through the card", 0},
        {"allow-no-iommu", KEY_NO_IOMMU, NULL, 0,
         "bind: even if the card can then write to all of memory", 0},
        {"dry-run", KEY_DRY_RUN, NULL, 0, "check everything, change nothing", 0},
        {"json", KEY_JSON, NULL, 0, "print JSON", 0},
        {0},
    };
    static const struct argp argp = {
        options,
        parse,
        "list\nbind ADDRESS\nunbind ADDRESS",
        "Lists network cards, takes one from the kernel (vfio-pci), gives it back.\v"
        "What a card was - driver, interface, addresses - is kept in /run/aether/nic and comes "
        "back with 'unbind'.",
        NULL,
        NULL,
        NULL};
    struct arguments arguments = {0};

    argv[0] = (char[]){"aether nic"};
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
        return CLI_USAGE;
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(actions[i].name, arguments.action) != 0)
            continue;
        if (actions[i].wants_address == !arguments.given ||
            (arguments.given && ae_pci_parse(arguments.given, arguments.address))) {
            fprintf(stderr, "aether nic %s: %s\n", arguments.action,
                    actions[i].wants_address
                        ? "needs a PCI address such as 0000:01:00.0; see 'aether nic list'"
                        : "takes no address");
            return CLI_USAGE;
        }
        return actions[i].run(&arguments);
    }
    fprintf(stderr, "aether nic: unknown action '%s'; there are list, bind, unbind\n",
            AE_TEXT(arguments.action));
    return CLI_USAGE;
}
