/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define MTU_DEFAULT 1500
#define MTU_MIN     68 /* RFC 791, 3.2 */
#define MTU_MAX     9000

int ae_ipv4_parse(const char *text, ae_ipv4_t *address)
{
    struct in_addr in;

    if (inet_pton(AF_INET, text, &in) != 1)
        return -EINVAL;
    address->be = in.s_addr;
    return 0;
}

void ae_ipv4_format(ae_ipv4_t address, char text[AE_IPV4_TEXT])
{
    const uint8_t *bytes = (const uint8_t *)&address.be;

    snprintf(text, AE_IPV4_TEXT, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
}

int ae_ipv4_parse_prefix(const char *text, ae_ipv4_t *address, uint8_t *prefix)
{
    const char *slash = strchr(text, '/');
    char host[AE_IPV4_TEXT], *end;
    unsigned long bits;

    if (!slash || (size_t)(slash - text) >= sizeof(host) || slash[1] < '0' || slash[1] > '9')
        return -EINVAL;
    memcpy(host, text, (size_t)(slash - text));
    host[slash - text] = '\0';
    bits = strtoul(slash + 1, &end, 10);
    if (*end || bits < 1 || bits > 32)
        return -EINVAL;
    *prefix = (uint8_t)bits;
    return ae_ipv4_parse(host, address);
}

static int check_options(const struct ae_net_options *options, struct ae_error *err)
{
    char text[AE_IPV4_TEXT];
    uint8_t first = (uint8_t)options->address.be;

    ae_ipv4_format(options->address, text);
    if (first == 0 || first == 127 || first >= 224)
        return ae_error_set(err, -EINVAL, "%s is no address for a host", text);
    if (options->prefix < 1 || options->prefix > 32)
        return ae_error_set(err, -EINVAL, "%s/%u: a prefix is 1 to 32 bits", text, options->prefix);
    if (options->mtu && (options->mtu < MTU_MIN || options->mtu > MTU_MAX))
        return ae_error_set(err, -EINVAL, "MTU %u: %d to %d is possible", options->mtu, MTU_MIN,
                            MTU_MAX);
    if (options->mac[0] & 1)
        return ae_error_set(err, -EINVAL, "a multicast MAC address is no host's");
    return 0;
}

int ae_net_create(struct ae_net **out, const struct ae_net_options *options, struct ae_error *err)
{
    int rc = check_options(options, err);
    struct ae_net *net;

    if (rc)
        return rc;
    net = calloc(1, sizeof(*net));
    if (!net)
        return ae_error_set(err, -ENOMEM, "creating a network: out of memory");
    net->options = *options;
    if (!net->options.mtu)
        net->options.mtu = MTU_DEFAULT;
    net->mask = be32((uint32_t)(UINT64_C(0xffffffff) << (32 - options->prefix)));
    *out = net;
    return 0;
}

void ae_net_destroy(struct ae_net *net)
{
    free(net);
}

#define VLAN_TAG 4

/* IEEE 802.1Q, 9.6: VLAN 0 is none; the tag tells a priority only. A VLAN keeps its tag. */
static void strip_priority_tag(struct ae_packet *packet)
{
    const uint8_t *tag = packet->data + sizeof(struct ethernet);

    if (packet->length < sizeof(struct ethernet) + VLAN_TAG || (tag[0] & 0x0f) || tag[1])
        return;
    memmove(packet->data + VLAN_TAG, packet->data, 2 * ETHERNET_ADDRESS);
    packet->data += VLAN_TAG;
    packet->length -= VLAN_TAG;
}

static enum ae_net_verdict dispatch(struct ae_net *net, struct ae_packet *packet, uint64_t now,
                                    struct ae_datagram *datagram)
{
    switch (be16(ethernet_of(packet)->type)) {
    case TYPE_IPV4:
        return ae_ipv4_input(net, packet, datagram);
    case TYPE_ARP:
        return ae_arp_input(net, packet, now);
    case TYPE_VLAN:
    case TYPE_QINQ:
        net->counts.ethernet_vlan++;
        return AE_NET_DROP;
    default:
        net->counts.ethernet_unknown_type++;
        return AE_NET_DROP;
    }
}

enum ae_net_verdict ae_net_input(struct ae_net *net, struct ae_packet *packet, uint64_t now,
                                 struct ae_datagram *datagram)
{
    const struct ethernet *ethernet = ethernet_of(packet);

    if (packet->length < sizeof(*ethernet)) {
        net->counts.ethernet_short++;
        return AE_NET_DROP;
    }
    if (!(ethernet->destination[0] & 1) &&
        memcmp(ethernet->destination, net->options.mac, ETHERNET_ADDRESS) != 0) {
        net->counts.ethernet_other_host++;
        return AE_NET_DROP;
    }
    if (ethernet->source[0] & 1 || ae_mac_is_zero(ethernet->source)) {
        net->counts.ethernet_bad_source++;
        return AE_NET_DROP;
    }
    if (ethernet->type == be16(TYPE_VLAN))
        strip_priority_tag(packet);
    return dispatch(net, packet, now, datagram);
}

unsigned ae_net_get_counters(const struct ae_net *net, struct ae_net_counter *counters,
                             unsigned count)
{
    const struct ae_net_counter all[] = {
#define X(name, description) {#name, description, net->counts.name},
        AE_NET_COUNTERS(X)
#undef X
    };
    unsigned total = sizeof(all) / sizeof(all[0]);

    for (unsigned i = 0; i < count && i < total; i++)
        counters[i] = all[i];
    return total;
}
