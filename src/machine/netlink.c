/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER 16384

/* Sends one request and hands every answer to parse until the kernel says it is done. */
static int transact(struct nlmsghdr *request, mnl_cb_t parse, void *context)
{
    struct mnl_socket *netlink = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    char answer[BUFFER];
    int rc = 0, more = MNL_CB_OK;

    if (!netlink)
        return -errno;
    request->nlmsg_seq = 1;
    if (mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) ||
        mnl_socket_sendto(netlink, request, request->nlmsg_len) < 0)
        rc = -errno;
    while (!rc && more > MNL_CB_STOP) {
        ssize_t got = mnl_socket_recvfrom(netlink, answer, sizeof(answer));

        more = got < 0 ? MNL_CB_ERROR
                       : mnl_cb_run(answer, (size_t)got, 1, mnl_socket_get_portid(netlink), parse,
                                    context);
        if (more < MNL_CB_STOP)
            rc = -errno;
    }
    mnl_socket_close(netlink);
    return rc;
}

static struct nlmsghdr *begin(char *buffer, uint16_t type, uint16_t flags)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | flags;
    return message;
}

static struct ifinfomsg *begin_link(struct nlmsghdr *message, unsigned index)
{
    struct ifinfomsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

    body->ifi_family = AF_UNSPEC;
    body->ifi_index = (int)index;
    return body;
}

static int note_link(const struct nlattr *attribute, void *context)
{
    struct ae_link_state *link = context;

    switch (mnl_attr_get_type(attribute)) {
    case IFLA_IFNAME:
        strncpy(link->name, mnl_attr_get_str(attribute), sizeof(link->name) - 1);
        break;
    case IFLA_MTU:
        link->mtu = mnl_attr_get_u32(attribute);
        break;
    case IFLA_TXQLEN:
        link->queue_length = mnl_attr_get_u32(attribute);
        break;
    case IFLA_IFALIAS:
        strncpy(link->alias, mnl_attr_get_str(attribute), sizeof(link->alias) - 1);
        break;
    case IFLA_ADDRESS:
        link->mac_length = (uint8_t)mnl_attr_get_payload_len(attribute);
        if (link->mac_length > sizeof(link->mac))
            link->mac_length = 0;
        memcpy(link->mac, mnl_attr_get_payload(attribute), link->mac_length);
        break;
    default:
        break;
    }
    return MNL_CB_OK;
}

static int parse_link(const struct nlmsghdr *message, void *context)
{
    const struct ifinfomsg *body = mnl_nlmsg_get_payload(message);
    struct ae_link_state *link = context;

    link->index = (unsigned)body->ifi_index;
    link->up = body->ifi_flags & IFF_UP;
    link->flags = body->ifi_flags;
    return mnl_attr_parse(message, sizeof(*body), note_link, link);
}

int ae_netlink_get_link(unsigned index, struct ae_link_state *link)
{
    char buffer[BUFFER];
    struct nlmsghdr *message = begin(buffer, RTM_GETLINK, NLM_F_ACK);

    memset(link, 0, sizeof(*link));
    begin_link(message, index);
    return transact(message, parse_link, link);
}

struct altnames {
    int (*each)(const char *name, void *context);
    void *context;
    int result;
};

static int note_altname(const struct nlattr *attribute, void *context)
{
    struct altnames *names = context;

    if (mnl_attr_get_type(attribute) == IFLA_ALT_IFNAME && !names->result)
        names->result = names->each(mnl_attr_get_str(attribute), names->context);
    return MNL_CB_OK;
}

static int find_altnames(const struct nlattr *attribute, void *context)
{
    return mnl_attr_get_type(attribute) == IFLA_PROP_LIST
               ? mnl_attr_parse_nested(attribute, note_altname, context)
               : MNL_CB_OK;
}

static int parse_altnames(const struct nlmsghdr *message, void *context)
{
    return mnl_attr_parse(message, sizeof(struct ifinfomsg), find_altnames, context);
}

int ae_netlink_altnames(unsigned index, int (*each)(const char *name, void *context), void *context)
{
    struct altnames names = {each, context, 0};
    char buffer[BUFFER];
    struct nlmsghdr *message = begin(buffer, RTM_GETLINK, NLM_F_ACK);
    int rc;

    begin_link(message, index);
    rc = transact(message, parse_altnames, &names);
    return rc ? rc : names.result;
}

int ae_netlink_add_altname(unsigned index, const char *name)
{
    char buffer[BUFFER];
    struct nlmsghdr *message =
        begin(buffer, RTM_NEWLINKPROP, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND);
    struct nlattr *list;

    begin_link(message, index);
    list = mnl_attr_nest_start(message, IFLA_PROP_LIST);
    mnl_attr_put_strz(message, IFLA_ALT_IFNAME, name);
    mnl_attr_nest_end(message, list);
    return transact(message, NULL, NULL);
}

/* One property of an interface. */
static int set_attribute(unsigned index, uint16_t type, size_t length, const void *value)
{
    char buffer[BUFFER];
    struct nlmsghdr *message = begin(buffer, RTM_SETLINK, NLM_F_ACK);

    begin_link(message, index);
    mnl_attr_put(message, type, length, value);
    return transact(message, NULL, NULL);
}

int ae_netlink_set_mac(unsigned index, const uint8_t *mac, size_t length)
{
    return set_attribute(index, IFLA_ADDRESS, length, mac);
}

int ae_netlink_set_queue_length(unsigned index, uint32_t packets)
{
    return set_attribute(index, IFLA_TXQLEN, sizeof(packets), &packets);
}

int ae_netlink_set_alias(unsigned index, const char *alias)
{
    return set_attribute(index, IFLA_IFALIAS, strlen(alias), alias);
}

int ae_netlink_set_flags(unsigned index, uint32_t flags, uint32_t mask)
{
    char buffer[BUFFER];
    struct nlmsghdr *message = begin(buffer, RTM_SETLINK, NLM_F_ACK);
    struct ifinfomsg *body = begin_link(message, index);

    body->ifi_change = mask;
    body->ifi_flags = flags & mask;
    return transact(message, NULL, NULL);
}

struct finding {
    const char *parent;
    unsigned index; /* 0: not found yet */
    bool here;      /* the message being read has that parent */
};

static int compare_parent(const struct nlattr *attribute, void *context)
{
    struct finding *finding = context;

    if (mnl_attr_get_type(attribute) == IFLA_PARENT_DEV_NAME)
        finding->here = strcmp(mnl_attr_get_str(attribute), finding->parent) == 0;
    return MNL_CB_OK;
}

static int look_at_link(const struct nlmsghdr *message, void *context)
{
    const struct ifinfomsg *body = mnl_nlmsg_get_payload(message);
    struct finding *finding = context;

    finding->here = false;
    mnl_attr_parse(message, sizeof(*body), compare_parent, finding);
    if (finding->here && !finding->index)
        finding->index = (unsigned)body->ifi_index;
    return MNL_CB_OK;
}

int ae_netlink_find_link(const char *parent, unsigned *index)
{
    struct finding finding = {.parent = parent};
    char buffer[BUFFER];
    struct nlmsghdr *message = begin(buffer, RTM_GETLINK, NLM_F_DUMP);
    int rc;

    begin_link(message, 0);
    rc = transact(message, look_at_link, &finding);
    *index = finding.index;
    return rc ? rc : finding.index ? 0 : -ENODEV;
}

int ae_netlink_set_namespace(unsigned index, int fd)
{
    uint32_t namespace = (uint32_t)fd;

    return set_attribute(index, IFLA_NET_NS_FD, sizeof(namespace), &namespace);
}

int ae_netlink_set_name(unsigned index, const char *name)
{
    return set_attribute(index, IFLA_IFNAME, strlen(name) + 1, name);
}

int ae_netlink_set_mtu(unsigned index, uint32_t mtu)
{
    return set_attribute(index, IFLA_MTU, sizeof(mtu), &mtu);
}

int ae_netlink_set_up(unsigned index, bool up)
{
    return ae_netlink_set_flags(index, up ? IFF_UP : 0, IFF_UP);
}

struct addresses {
    int (*each)(const struct ae_address *address, void *context);
    void *context;
    int result;
};

static void copy_bytes(void *to, size_t size, const struct nlattr *attribute)
{
    size_t length = mnl_attr_get_payload_len(attribute);

    memcpy(to, mnl_attr_get_payload(attribute), length < size ? length : size);
}

static void note_lifetime(struct ae_address *address, const struct nlattr *attribute)
{
    struct ifa_cacheinfo info = {0};

    copy_bytes(&info, sizeof(info), attribute);
    address->preferred = info.ifa_prefered;
    address->valid = info.ifa_valid;
}

static int note_address(const struct nlattr *attribute, void *context)
{
    struct ae_address *address = context;

    switch (mnl_attr_get_type(attribute)) {
    case IFA_LOCAL:
        copy_bytes(address->local, sizeof(address->local), attribute);
        break;
    case IFA_ADDRESS:
        copy_bytes(address->peer, sizeof(address->peer), attribute);
        break;
    case IFA_BROADCAST:
        copy_bytes(address->broadcast, sizeof(address->broadcast), attribute);
        break;
    case IFA_LABEL:
        strncpy(address->label, mnl_attr_get_str(attribute), sizeof(address->label) - 1);
        break;
    case IFA_FLAGS:
        address->flags = mnl_attr_get_u32(attribute);
        break;
    case IFA_CACHEINFO:
        note_lifetime(address, attribute);
        break;
    default:
        break;
    }
    return MNL_CB_OK;
}

static int parse_address(const struct nlmsghdr *message, void *context)
{
    static const uint8_t none[16];
    const struct ifaddrmsg *body = mnl_nlmsg_get_payload(message);
    struct ae_address address = {.index = body->ifa_index,
                                 .family = body->ifa_family,
                                 .prefix = body->ifa_prefixlen,
                                 .scope = body->ifa_scope,
                                 .flags = body->ifa_flags,
                                 .preferred = AE_FOREVER,
                                 .valid = AE_FOREVER};
    struct addresses *addresses = context;

    mnl_attr_parse(message, sizeof(*body), note_address, &address);
    /* IPv6 has IFA_LOCAL only where the peer's address differs. */
    if (memcmp(address.local, none, sizeof(none)) == 0)
        memcpy(address.local, address.peer, sizeof(address.local));
    if (!addresses->result)
        addresses->result = addresses->each(&address, addresses->context);
    return MNL_CB_OK;
}

int ae_netlink_addresses(int (*each)(const struct ae_address *address, void *context),
                         void *context)
{
    struct addresses addresses = {each, context, 0};
    char buffer[BUFFER];
    struct nlmsghdr *message = begin(buffer, RTM_GETADDR, NLM_F_DUMP);
    int rc;

    mnl_nlmsg_put_extra_header(message, sizeof(struct ifaddrmsg));
    rc = transact(message, parse_address, &addresses);
    return rc ? rc : addresses.result;
}

int ae_netlink_add_address(const struct ae_address *address)
{
    static const uint8_t none[4];
    char buffer[BUFFER];
    struct nlmsghdr *message = begin(buffer, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
    struct ifaddrmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
    size_t length = address->family == AF_INET ? 4 : 16;

    body->ifa_family = address->family;
    body->ifa_prefixlen = address->prefix;
    body->ifa_scope = address->scope;
    body->ifa_index = address->index;
    mnl_attr_put(message, IFA_LOCAL, length, address->local);
    mnl_attr_put(message, IFA_ADDRESS, length, address->peer);
    mnl_attr_put_u32(message, IFA_FLAGS, address->flags);
    if (address->family == AF_INET && memcmp(address->broadcast, none, sizeof(none)) != 0)
        mnl_attr_put(message, IFA_BROADCAST, sizeof(address->broadcast), address->broadcast);
    if (address->label[0])
        mnl_attr_put_strz(message, IFA_LABEL, address->label);
    if (address->valid != AE_FOREVER) {
        struct ifa_cacheinfo info = {.ifa_prefered = address->preferred,
                                     .ifa_valid = address->valid};

        mnl_attr_put(message, IFA_CACHEINFO, sizeof(info), &info);
    }
    return transact(message, NULL, NULL);
}

/* ---- Routes ---- */

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
    char buffer[BUFFER];
    struct nlmsghdr *message = begin(buffer, RTM_GETNEXTHOP, NLM_F_DUMP);
    int rc;

    mnl_nlmsg_put_extra_header(message, sizeof(struct nhmsg));
    rc = transact(message, parse_hop, hops);
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
        char buffer[BUFFER];
        struct nlmsghdr *message = begin(buffer, RTM_GETROUTE, NLM_F_DUMP);
        struct rtmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

        body->rtm_family = families[i];
        rc = transact(message, parse_route, &routes);
    }
    free_hops(&hops);
    return rc ? rc : routes.result;
}
