/* SPDX-License-Identifier: Apache-2.0 */
#include "port/xdp/flows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static bool add_address(struct xdp_flows *flows, const char *word)
{
    return flows->address_count < XDP_ADDRESSES &&
           inet_pton(AF_INET, word, &flows->addresses[flows->address_count++]) == 1;
}

static bool add_port(uint16_t *ports, unsigned *count, const char *word)
{
    char *end;
    unsigned long port = strtoul(word, &end, 10);

    if (*count == XDP_PORTS || word[0] < '0' || word[0] > '9' || *end || port < 1 || port > 65535)
        return false;
    ports[(*count)++] = (uint16_t)port;
    return true;
}

static bool add(struct xdp_flows *flows, const char *key, const char *word)
{
    if (strcmp(key, "address") == 0)
        return add_address(flows, word);
    if (strcmp(key, "udp") == 0)
        return add_port(flows->udp, &flows->udp_count, word);
    return add_port(flows->tcp, &flows->tcp_count, word);
}

/* "7+9": several of a kind. */
static int parse(struct xdp_flows *flows, const struct ae_port_owner *owner, const char *key,
                 struct ae_error *err)
{
    char text[AE_PORT_SPEC], *rest = text, *word;

    ae_port_choice_text(owner, key, text);
    while (text[0] && (word = strsep(&rest, "+")))
        if (!add(flows, key, word))
            return ae_error_set(err, -EINVAL, "%s=...%s: up to %d %s are needed, with + between",
                                key, word, XDP_PORTS,
                                strcmp(key, "address") == 0 ? "IPv4 addresses"
                                                            : "numbers from 1 to 65535");
    return 0;
}

int ae_xdp_flows_parse(struct xdp_flows *flows, const struct ae_port_owner *owner,
                       struct ae_error *err)
{
    static const char *const keys[] = {"address", "udp", "tcp"};
    static const char *const takes[] = {"all", NULL};
    unsigned long vlan = 0;
    unsigned taken;
    int rc = ae_port_choice_number(owner, "vlan", 1, 4094, &vlan, err);

    *flows =
        (struct xdp_flows){.vlan = (uint16_t)vlan, .all = ae_port_choice_is_made(owner, "take")};
    if (!rc)
        rc = ae_port_choice_word(owner, "take", takes, &taken, err);
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]) && !rc; i++)
        rc = parse(flows, owner, keys[i], err);
    if (rc)
        return rc;
    if (flows->all && (flows->address_count || flows->udp_count || flows->tcp_count))
        return ae_error_set(err, -EINVAL, "take=all takes what address, udp and tcp would, too");
    if (!flows->all && !vlan && !flows->address_count && !flows->udp_count && !flows->tcp_count)
        return ae_error_set(
            err, -EINVAL,
            "which frames is it to take from the kernel? address=A.B.C.D, udp=PORT, "
            "tcp=PORT, vlan=ID say which, take=all all of them (SSH among them)");
    return 0;
}
