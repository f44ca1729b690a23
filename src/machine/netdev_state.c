/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/netdev_state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "machine/netlink.h"

/* What an administrator sets; the other flags are the kernel's own findings. */
#define KEPT_FLAGS (IFA_F_NODAD | IFA_F_NOPREFIXROUTE | IFA_F_HOMEADDRESS | IFA_F_MCAUTOJOIN)

static json_int_t seconds_since_boot(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (json_int_t)now.tv_sec;
}

static bool comes_back_by_itself(const struct ae_address *address)
{
    return address->family == AF_INET6 &&
           (address->valid != AE_FOREVER ||
            IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)(const void *)address->local));
}

static json_t *pack_bytes(int family, const void *bytes)
{
    char text[INET6_ADDRSTRLEN];

    return json_string(inet_ntop(family, bytes, text, sizeof(text)));
}

static json_t *pack_address(const struct ae_address *address)
{
    static const uint8_t none[4];
    json_t *packed = json_pack(
        "{s:o, s:o, s:i, s:i, s:I, s:I, s:I}", "local", pack_bytes(address->family, address->local),
        "peer", pack_bytes(address->family, address->peer), "prefix", (int)address->prefix, "scope",
        (int)address->scope, "flags", (json_int_t)(address->flags & KEPT_FLAGS), "preferred",
        (json_int_t)address->preferred, "valid", (json_int_t)address->valid);

    if (packed && memcmp(address->broadcast, none, sizeof(none)) != 0)
        json_object_set_new(packed, "broadcast", pack_bytes(AF_INET, address->broadcast));
    if (packed && address->label[0])
        json_object_set_new(packed, "label", json_string(address->label));
    return packed;
}

/* What an administrator sets of an interface; the other flags are the kernel's own findings. */
#define KEPT_LINK_FLAGS (IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI | IFF_MULTICAST | IFF_DYNAMIC)

static json_t *pack_mac(const struct ae_link_state *link)
{
    char text[3 * sizeof(link->mac)] = "";

    for (unsigned i = 0; i < link->mac_length; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%02x", i ? ":" : "",
                 link->mac[i]);
    return json_string(text);
}

static int save_altname(const char *name, void *context)
{
    return json_array_append_new(context, json_string(name)) ? -ENOMEM : 0;
}

static int save_link(json_t *saved, const struct ae_link_state *link)
{
    json_t *altnames = json_array();
    int rc = ae_netlink_altnames(link->index, save_altname, altnames);

    json_object_set_new(saved, "altnames", altnames);
    json_object_set_new(saved, "alias", json_string(link->alias));
    json_object_set_new(saved, "queue_length", json_integer(link->queue_length));
    json_object_set_new(saved, "flags", json_integer(link->flags & KEPT_LINK_FLAGS));
    if (link->mac_length)
        json_object_set_new(saved, "mac", pack_mac(link));
    return rc;
}

struct saving {
    unsigned index;
    json_t *addresses;
};

static int save_address(const struct ae_address *address, void *context)
{
    struct saving *saving = context;

    if (address->index != saving->index || comes_back_by_itself(address) ||
        (address->family != AF_INET && address->family != AF_INET6))
        return 0;
    return json_array_append_new(saving->addresses, pack_address(address)) ? -ENOMEM : 0;
}

json_t *ae_netdev_save(unsigned index, struct ae_error *err)
{
    struct saving saving = {index, json_array()};
    struct ae_link_state link;
    json_t *saved = NULL;
    int rc = saving.addresses ? ae_netlink_get_link(index, &link) : -ENOMEM;

    if (!rc)
        rc = ae_netlink_addresses(save_address, &saving);
    if (!rc)
        saved = json_pack("{s:s, s:i, s:I, s:b, s:I, s:O}", "name", link.name, "index", (int)index,
                          "mtu", (json_int_t)link.mtu, "up", (int)link.up, "saved_at",
                          seconds_since_boot(), "addresses", saving.addresses);
    if (saved && (rc = save_link(saved, &link))) {
        json_decref(saved);
        saved = NULL;
    }
    json_decref(saving.addresses);
    if (!saved)
        ae_error_set(err, rc ? rc : -ENOMEM, "reading the state of interface %u: %s", index,
                     strerror(rc ? -rc : ENOMEM));
    return saved;
}

static bool unpack_bytes(const json_t *address, const char *key, int family, void *bytes)
{
    const char *text = json_string_value(json_object_get(address, key));

    return text && inet_pton(family, text, bytes) == 1;
}

static bool unpack_number(const json_t *object, const char *key, json_int_t most, json_int_t *value)
{
    const json_t *number = json_object_get(object, key);

    *value = json_integer_value(number);
    return json_is_integer(number) && *value >= 0 && *value <= most;
}

/* Lifetimes went on while the interface was away. */
static uint32_t shortened(json_int_t lifetime, json_int_t away)
{
    if (lifetime == AE_FOREVER || away < 0)
        return (uint32_t)lifetime;
    return away >= lifetime ? 0 : (uint32_t)(lifetime - away);
}

static int unpack_address(const json_t *packed, json_int_t away, struct ae_address *address)
{
    const char *local = json_string_value(json_object_get(packed, "local"));
    const char *label = json_string_value(json_object_get(packed, "label"));
    json_int_t prefix, scope, flags, preferred, valid;
    int family = local && strchr(local, ':') ? AF_INET6 : AF_INET;

    memset(address, 0, sizeof(*address));
    if (!unpack_bytes(packed, "local", family, address->local) ||
        !unpack_bytes(packed, "peer", family, address->peer) ||
        !unpack_number(packed, "prefix", family == AF_INET ? 32 : 128, &prefix) ||
        !unpack_number(packed, "scope", UINT8_MAX, &scope) ||
        !unpack_number(packed, "flags", UINT32_MAX, &flags) ||
        !unpack_number(packed, "preferred", UINT32_MAX, &preferred) ||
        !unpack_number(packed, "valid", UINT32_MAX, &valid) ||
        (label && strlen(label) >= sizeof(address->label)))
        return -EBADMSG;
    unpack_bytes(packed, "broadcast", AF_INET, address->broadcast);
    if (label)
        strcpy(address->label, label);
    address->family = (uint8_t)family;
    address->prefix = (uint8_t)prefix;
    address->scope = (uint8_t)scope;
    address->flags = (uint32_t)flags;
    address->preferred = shortened(preferred, away);
    address->valid = shortened(valid, away);
    return 0;
}

/* With `index` 0 it only looks whether every address makes sense. */
static int restore_addresses(unsigned index, const json_t *saved, struct ae_error *err)
{
    const json_t *addresses = json_object_get(saved, "addresses");
    json_int_t away = seconds_since_boot() - json_integer_value(json_object_get(saved, "saved_at"));

    for (size_t i = 0; i < json_array_size(addresses); i++) {
        struct ae_address address;
        int rc = unpack_address(json_array_get(addresses, i), away, &address);

        address.index = index;
        if (!rc && index && address.valid)
            rc = ae_netlink_add_address(&address);
        if (rc)
            return ae_error_set(err, rc, "address %zu of the record: %s", i + 1, strerror(-rc));
    }
    return 0;
}

/* Old kernels rename an interface only while it is down. */
static int restore_name(unsigned index, const char *name, struct ae_error *err)
{
    struct ae_link_state now;
    int rc = ae_netlink_get_link(index, &now);

    if (!rc && strcmp(now.name, name) == 0)
        return 0;
    if (!rc)
        rc = ae_netlink_set_up(index, false);
    if (!rc)
        rc = ae_netlink_set_name(index, name);
    if (rc == -EEXIST)
        return ae_error_set(err, rc,
                            "%s cannot have its name %s back, another interface has it now; rename "
                            "that one and try again",
                            now.name, name);
    return rc ? ae_error_set(err, rc, "naming interface %u %s: %s", index, name, strerror(-rc)) : 0;
}

static bool unpack_mac(const json_t *saved, struct ae_link_state *link)
{
    const char *text = json_string_value(json_object_get(saved, "mac"));
    unsigned byte;
    int end;

    link->mac_length = 0;
    while (text && sscanf(text, "%2x%n", &byte, &end) == 1 &&
           link->mac_length < sizeof(link->mac)) {
        link->mac[link->mac_length++] = (uint8_t)byte;
        text += end + (text[end] == ':');
    }
    return link->mac_length > 0;
}

/* Some drivers take another MAC address only while the interface is down. */
static int restore_mac(unsigned index, const struct ae_link_state *wanted)
{
    struct ae_link_state now;
    int rc = ae_netlink_get_link(index, &now);

    if (rc || (now.mac_length == wanted->mac_length &&
               memcmp(now.mac, wanted->mac, wanted->mac_length) == 0))
        return rc;
    rc = ae_netlink_set_up(index, false);
    return rc ? rc : ae_netlink_set_mac(index, wanted->mac, wanted->mac_length);
}

/* The rest of what the record holds; one of an older version holds none of it. */
static int restore_rest(unsigned index, const json_t *saved, struct ae_error *err)
{
    const json_t *altnames = json_object_get(saved, "altnames");
    const char *alias = json_string_value(json_object_get(saved, "alias")), *what = "MAC address";
    struct ae_link_state link;
    json_int_t number;
    int rc = unpack_mac(saved, &link) ? restore_mac(index, &link) : 0;

    if (!rc && unpack_number(saved, "queue_length", UINT32_MAX, &number)) {
        what = "transmit queue length";
        rc = ae_netlink_set_queue_length(index, (uint32_t)number);
    }
    if (!rc && alias && *alias) {
        what = "alias";
        rc = ae_netlink_set_alias(index, alias);
    }
    if (!rc && unpack_number(saved, "flags", UINT32_MAX, &number)) {
        what = "flags";
        rc = ae_netlink_set_flags(index, (uint32_t)number, KEPT_LINK_FLAGS);
    }
    for (size_t i = 0; !rc && i < json_array_size(altnames); i++) {
        what = "other names";
        rc = ae_netlink_add_altname(index, json_string_value(json_array_get(altnames, i)));
        rc = rc == -EEXIST ? 0 : rc; /* udev was here first */
    }
    return rc ? ae_error_set(err, rc, "giving interface %u its %s: %s", index, what, strerror(-rc))
              : 0;
}

static bool are_names(const json_t *names)
{
    for (size_t i = 0; i < json_array_size(names); i++)
        if (!json_is_string(json_array_get(names, i)))
            return false;
    return true;
}

int ae_netdev_restore(unsigned index, const json_t *saved, struct ae_error *err)
{
    const char *name = json_string_value(json_object_get(saved, "name"));
    bool up = json_is_true(json_object_get(saved, "up"));
    json_int_t mtu;
    int rc;

    if (!name || !*name || strlen(name) >= IF_NAMESIZE ||
        !unpack_number(saved, "mtu", UINT32_MAX, &mtu) || restore_addresses(0, saved, NULL) ||
        !are_names(json_object_get(saved, "altnames")))
        return ae_error_set(err, -EBADMSG, "the record of the interface makes no sense");
    rc = restore_name(index, name, err);
    if (rc)
        return rc;
    rc = ae_netlink_set_mtu(index, (uint32_t)mtu);
    if (rc)
        return ae_error_set(err, rc, "giving %s its MTU %lld: %s", name, (long long)mtu,
                            strerror(-rc));
    rc = restore_rest(index, saved, err);
    if (rc)
        return rc;
    rc = ae_netlink_set_up(index, up);
    if (rc)
        return ae_error_set(err, rc, "turning %s %s: %s", name, up ? "up" : "down", strerror(-rc));
    rc = restore_addresses(index, saved, err);
    return rc ? ae_error_prefix(err, rc, "giving %s its addresses", name) : 0;
}
