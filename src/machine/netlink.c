/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
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

int ae_netlink_set_name(unsigned index, const char *name)
{
    char buffer[BUFFER];
    struct nlmsghdr *message = begin(buffer, RTM_SETLINK, NLM_F_ACK);

    begin_link(message, index);
    mnl_attr_put_strz(message, IFLA_IFNAME, name);
    return transact(message, NULL, NULL);
}

int ae_netlink_set_mtu(unsigned index, uint32_t mtu)
{
    char buffer[BUFFER];
    struct nlmsghdr *message = begin(buffer, RTM_SETLINK, NLM_F_ACK);

    begin_link(message, index);
    mnl_attr_put_u32(message, IFLA_MTU, mtu);
    return transact(message, NULL, NULL);
}

int ae_netlink_set_up(unsigned index, bool up)
{
    char buffer[BUFFER];
    struct nlmsghdr *message = begin(buffer, RTM_SETLINK, NLM_F_ACK);
    struct ifinfomsg *body = begin_link(message, index);

    body->ifi_change = IFF_UP;
    body->ifi_flags = up ? IFF_UP : 0;
    return transact(message, NULL, NULL);
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
