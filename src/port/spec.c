/* SPDX-License-Identifier: Apache-2.0 */

/* What a user calls a port: SCHEME:REST or a PCI ADDRESS, and choices behind it: ",key=value". */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "machine/pci.h"
#include "port/owner.h"

/* Beside a driver's own. */
static const char *const common_keys[] = {"domain", NULL};

static bool is_among(const char *const *keys, const char *key, size_t length)
{
    for (; keys && *keys; keys++)
        if (strlen(*keys) == length && memcmp(*keys, key, length) == 0)
            return true;
    return false;
}

static void list_keys(const struct ae_port_ops *ops, char *text, size_t size)
{
    const char *const *lists[] = {ops->keys, common_keys};
    size_t used = 0;

    for (unsigned i = 0; i < 2; i++)
        for (const char *const *key = lists[i]; key && *key && used < size; key++)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", *key);
}

static bool is_made_again(const char *key, size_t length)
{
    for (const char *at = key + strcspn(key, ","); *at; at += strcspn(at, ","))
        if (strncmp(++at, key, length + 1) == 0)
            return true;
    return false;
}

/* Every choice must be one that the driver offers, made once, and of something: "take=" of a
 * variable that was empty would take all. */
static int check_choices(const struct ae_port_owner *owner, const char *spec, struct ae_error *err)
{
    char known[128];

    for (const char *at = owner->choices; *at; at += strcspn(at, ",")) {
        const char *key = ++at;
        size_t length = strcspn(key, "=,");

        if (key[length] != '=')
            return ae_error_set(err, -EINVAL, "'%s': what stands behind a comma is key=value",
                                spec);
        if (is_made_again(key, length))
            return ae_error_set(err, -EINVAL, "'%s': '%.*s' stands there twice", spec, (int)length,
                                key);
        if (strchr(",", key[length + 1]))
            return ae_error_set(err, -EINVAL, "'%s': nothing stands behind '%.*s='", spec,
                                (int)length, key);
        if (is_among(owner->ops->keys, key, length) || is_among(common_keys, key, length))
            continue;
        list_keys(owner->ops, known, sizeof(known));
        return ae_error_set(err, -EINVAL, "'%s': there is no choice '%.*s'; %s has %s", spec,
                            (int)length, key, owner->ops->queue->name, known);
    }
    return 0;
}

static int find_pci_driver(struct ae_port_owner *owner, struct ae_error *err)
{
    char known[256];
    struct ae_pci pci;
    int rc = ae_pci_read(&pci, owner->base, err);

    if (rc)
        return rc;
    owner->ops = ae_port_driver_for(pci.info.vendor, pci.info.device);
    if (owner->ops)
        return 0;
    ae_port_describe_drivers(known, sizeof(known));
    return ae_error_set(err, -ENODEV,
                        "%s is a %04x:%04x, which Aether has no driver for; it has: %s",
                        owner->base, pci.info.vendor, pci.info.device, known);
}

static int find_driver(struct ae_port_owner *owner, const char *spec, struct ae_error *err)
{
    size_t length = strcspn(spec, ",");
    char address[AE_PCI_ADDRESS_TEXT], described[1024];

    owner->ops = ae_port_driver_of_scheme(spec);
    if (owner->ops) {
        size_t scheme = strlen(owner->ops->scheme);

        snprintf(owner->base, sizeof(owner->base), "%.*s", (int)(length - scheme), spec + scheme);
        if (!owner->base[0])
            return ae_error_set(err, -EINVAL, "'%s': something must stand behind the scheme: %s",
                                spec, owner->ops->description);
        return 0;
    }
    snprintf(owner->base, sizeof(owner->base), "%.*s", (int)length, spec);
    if (!ae_pci_parse(owner->base, address)) {
        memcpy(owner->base, address, sizeof(address));
        return find_pci_driver(owner, err);
    }
    ae_port_describe(described, sizeof(described));
    return ae_error_set(err, -EINVAL, "'%s' is no port; a port is one of: %s", spec, described);
}

int ae_port_parse_spec(struct ae_port_owner *owner, const char *spec, struct ae_error *err)
{
    size_t length = strcspn(spec, ",");
    int rc;

    if (strlen(spec) >= AE_PORT_SPEC)
        return ae_error_set(err, -ENAMETOOLONG, "a port's name of %zu characters: at most %d",
                            strlen(spec), AE_PORT_SPEC - 1);
    rc = find_driver(owner, spec, err);
    if (rc)
        return rc;
    snprintf(owner->choices, sizeof(owner->choices), "%s", spec + length);
    return check_choices(owner, spec, err);
}

int ae_port_pci_address(const char *spec, char *address)
{
    char base[AE_PORT_SPEC];

    snprintf(base, sizeof(base), "%.*s", (int)strcspn(spec, ","), spec);
    return ae_pci_parse(base, address);
}

void ae_port_describe(char *buffer, size_t size)
{
    size_t used = 0;

    buffer[0] = '\0';
    for (unsigned i = 0; ae_port_driver(i) && used < size; i++) {
        const struct ae_port_ops *ops = ae_port_driver(i);
        char keys[128];

        list_keys(ops, keys, sizeof(keys));
        if (ops->scheme) {
            used += (size_t)snprintf(buffer + used, size - used, "%s%s (choices: %s)",
                                     used ? "; " : "", ops->description, keys);
            continue;
        }
        for (const struct ae_pci_id *id = ops->pci->ids; id->vendor && used < size; id++)
            used += (size_t)snprintf(buffer + used, size - used,
                                     "%sa PCI address such as 0000:01:00.0 of a %s (choices: %s)",
                                     used ? "; " : "", id->name, keys);
    }
}
