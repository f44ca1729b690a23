/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "machine/netlink.h"
#include "machine/netlink_message.h"

/* A next hop that is an object of its own (Linux 5.3): an interface, or a group of others. */
struct hop {
    uint32_t id;
    unsigned interface;
    struct nexthop_grp *members;
    unsigned count;
};

struct hops {
    struct hop *items;
    size_t count, capacity;
};

struct routes {
    const struct hops *hops;
    struct ae_route route;
    uint32_t hop; /* id of the object; 0: none */
    const struct nlattr *multipath;
    int (*each)(const struct ae_route *route, void *context);
    void *context;
    int result;
};

static int note_hop(const struct nlattr *attribute, void *context)
{
    struct hop *hop = context;
    size_t length = mnl_attr_get_payload_len(attribute);

    switch (mnl_attr_get_type(attribute)) {
    case NHA_ID:
        hop->id = mnl_attr_get_u32(attribute);
        break;
    case NHA_OIF:
        hop->interface = mnl_attr_get_u32(attribute);
        break;
    case NHA_GROUP:
        hop->members = malloc(length);
        if (!hop->members)
            return MNL_CB_ERROR;
        memcpy(hop->members, mnl_attr_get_payload(attribute), length);
        hop->count = (unsigned)(length / sizeof(*hop->members));
        break;
    default:
        break;
    }
    return MNL_CB_OK;
}

static int parse_hop(const struct nlmsghdr *message, void *context)
{
    struct hops *hops = context;

    if (hops->count == hops->capacity) {
        size_t capacity = hops->capacity ? 2 * hops->capacity : 16;
        struct hop *bigger = realloc(hops->items, capacity * sizeof(*bigger));

        if (!bigger)
            return MNL_CB_ERROR;
        hops->items = bigger;
        hops->capacity = capacity;
    }
    hops->items[hops->count] = (struct hop){0};
    return mnl_attr_parse(message, sizeof(struct nhmsg), note_hop, &hops->items[hops->count++]);
}

/* A kernel without such objects has none. */
static int read_hops(struct hops *hops)
{
    char buffer[AE_NETLINK_BUFFER];
    struct nlmsghdr *message = ae_netlink_begin(buffer, RTM_GETNEXTHOP, NLM_F_DUMP);
    int rc;

    mnl_nlmsg_put_extra_header(message, sizeof(struct nhmsg));
    rc = ae_netlink_transact(message, parse_hop, hops);
    return rc == -EOPNOTSUPP || rc == -EINVAL ? 0 : rc;
}

static void free_hops(struct hops *hops)
{
    for (size_t i = 0; i < hops->count; i++)
        free(hops->items[i].members);
    free(hops->items);
}

static const struct hop *find_hop(const struct hops *hops, uint32_t id)
{
    for (size_t i = 0; i < hops->count; i++)
        if (hops->items[i].id == id)
            return &hops->items[i];
    return NULL;
}

static void tell_route(struct routes *routes, unsigned interface)
{
    struct ae_route route = routes->route;

    route.interface = interface;
    if (interface && !routes->result)
        routes->result = routes->each(&route, routes->context);
}

/* A group's members are no groups. */
static void tell_hop(struct routes *routes, uint32_t id)
{
    const struct hop *hop = find_hop(routes->hops, id), *member;

    if (!hop)
        return;
    tell_route(routes, hop->interface);
    for (unsigned i = 0; i < hop->count; i++) {
        member = find_hop(routes->hops, hop->members[i].id);
        if (member)
            tell_route(routes, member->interface);
    }
}

static void tell_multipath(struct routes *routes)
{
    struct rtnexthop *hop = mnl_attr_get_payload(routes->multipath);
    size_t left = mnl_attr_get_payload_len(routes->multipath);

    while (left >= sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) && hop->rtnh_len <= left) {
        size_t step = RTNH_ALIGN(hop->rtnh_len);

        tell_route(routes, (unsigned)hop->rtnh_ifindex);
        left -= step < left ? step : left;
        hop = RTNH_NEXT(hop);
    }
}

static int note_route(const struct nlattr *attribute, void *context)
{
    struct routes *routes = context;

    switch (mnl_attr_get_type(attribute)) {
    case RTA_TABLE:
        routes->route.table = mnl_attr_get_u32(attribute);
        break;
    case RTA_OIF:
        routes->route.interface = mnl_attr_get_u32(attribute);
        break;
    case RTA_NH_ID:
        routes->hop = mnl_attr_get_u32(attribute);
        break;
    case RTA_MULTIPATH:
        routes->multipath = attribute;
        break;
    default:
        break;
    }
    return MNL_CB_OK;
}

static int parse_route(const struct nlmsghdr *message, void *context)
{
    const struct rtmsg *body = mnl_nlmsg_get_payload(message);
    struct routes *routes = context;

    routes->route = (struct ae_route){
        .family = body->rtm_family, .prefix = body->rtm_dst_len, .table = body->rtm_table};
    routes->hop = 0;
    routes->multipath = NULL;
    mnl_attr_parse(message, sizeof(*body), note_route, routes);
    if (body->rtm_type != RTN_UNICAST || routes->route.table == RT_TABLE_LOCAL)
        return MNL_CB_OK;
    tell_route(routes, routes->route.interface);
    if (routes->multipath)
        tell_multipath(routes);
    if (routes->hop)
        tell_hop(routes, routes->hop);
    return MNL_CB_OK;
}

int ae_netlink_routes(int (*each)(const struct ae_route *route, void *context), void *context)
{
    static const uint8_t families[] = {AF_INET, AF_INET6};
    struct hops hops = {0};
    struct routes routes = {.hops = &hops, .each = each, .context = context};
    int rc = read_hops(&hops);

    for (size_t i = 0; !rc && !routes.result && i < sizeof(families); i++) {
        char buffer[AE_NETLINK_BUFFER];
        struct nlmsghdr *message = ae_netlink_begin(buffer, RTM_GETROUTE, NLM_F_DUMP);
        struct rtmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

        body->rtm_family = families[i];
        rc = ae_netlink_transact(message, parse_route, &routes);
    }
    free_hops(&hops);
    return rc ? rc : routes.result;
}
