/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "machine/netlink.h"
#include "machine/netlink_message.h"

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
    char buffer[AE_NETLINK_BUFFER];
    struct nlmsghdr *message = ae_netlink_begin(buffer, RTM_GETLINK, NLM_F_ACK);

    memset(link, 0, sizeof(*link));
    begin_link(message, index);
    return ae_netlink_transact(message, parse_link, link);
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
    char buffer[AE_NETLINK_BUFFER];
    struct nlmsghdr *message = ae_netlink_begin(buffer, RTM_GETLINK, NLM_F_ACK);
    int rc;

    begin_link(message, index);
    rc = ae_netlink_transact(message, parse_altnames, &names);
    return rc ? rc : names.result;
}

int ae_netlink_add_altname(unsigned index, const char *name)
{
    char buffer[AE_NETLINK_BUFFER];
    struct nlmsghdr *message = ae_netlink_begin(
        buffer, RTM_NEWLINKPROP, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND);
    struct nlattr *list;

    begin_link(message, index);
    list = mnl_attr_nest_start(message, IFLA_PROP_LIST);
    mnl_attr_put_strz(message, IFLA_ALT_IFNAME, name);
    mnl_attr_nest_end(message, list);
    return ae_netlink_transact(message, NULL, NULL);
}

/* One property of an interface. */
static int set_attribute(unsigned index, uint16_t type, size_t length, const void *value)
{
    char buffer[AE_NETLINK_BUFFER];
    struct nlmsghdr *message = ae_netlink_begin(buffer, RTM_SETLINK, NLM_F_ACK);

    begin_link(message, index);
    mnl_attr_put(message, type, length, value);
    return ae_netlink_transact(message, NULL, NULL);
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
    char buffer[AE_NETLINK_BUFFER];
    struct nlmsghdr *message = ae_netlink_begin(buffer, RTM_SETLINK, NLM_F_ACK);
    struct ifinfomsg *body = begin_link(message, index);

    body->ifi_change = mask;
    body->ifi_flags = flags & mask;
    return ae_netlink_transact(message, NULL, NULL);
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
    char buffer[AE_NETLINK_BUFFER];
    struct nlmsghdr *message = ae_netlink_begin(buffer, RTM_GETLINK, NLM_F_DUMP);
    int rc;

    begin_link(message, 0);
    rc = ae_netlink_transact(message, look_at_link, &finding);
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
