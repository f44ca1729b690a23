/* SPDX-License-Identifier: Apache-2.0 */

/* A host on a wire: what it is set up with, and what it counts. */

#include "net/net.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"

#define MTU_DEFAULT 1500
#define MTU_MIN     68 /* RFC 791, 3.2 */
#define MTU_MAX     9000

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

size_t ae_net_size(void)
{
    return sizeof(struct ae_net);
}

int ae_net_create_at(struct ae_net **out, void *memory, const struct ae_net_options *options,
                     struct ae_error *err)
{
    int rc = check_options(options, err);
    struct ae_net *net = memory;

    if (rc)
        return rc;
    net->options = *options;
    if (!net->options.mtu)
        net->options.mtu = MTU_DEFAULT;
    net->mask = be32((uint32_t)(UINT64_C(0xffffffff) << (32 - options->prefix)));
    *out = net;
    return 0;
}

int ae_net_create(struct ae_net **out, const struct ae_net_options *options, struct ae_error *err)
{
    void *memory = calloc(1, sizeof(struct ae_net));
    int rc;

    if (!memory)
        return ae_error_set(err, -ENOMEM, "creating a network: out of memory");
    rc = ae_net_create_at(out, memory, options, err);
    if (rc)
        free(memory);
    else
        (*out)->ours = true;
    return rc;
}

void ae_net_destroy(struct ae_net *net)
{
    if (net && net->ours)
        free(net);
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
