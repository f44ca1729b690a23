/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "machine/netlink.h"
#include "machine/netlink_message.h"

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
    char buffer[AE_NETLINK_BUFFER];
    struct nlmsghdr *message = ae_netlink_begin(buffer, RTM_GETADDR, NLM_F_DUMP);
    int rc;

    mnl_nlmsg_put_extra_header(message, sizeof(struct ifaddrmsg));
    rc = ae_netlink_transact(message, parse_address, &addresses);
    return rc ? rc : addresses.result;
}

int ae_netlink_add_address(const struct ae_address *address)
{
    static const uint8_t none[4];
    char buffer[AE_NETLINK_BUFFER];
    struct nlmsghdr *message =
        ae_netlink_begin(buffer, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
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
    return ae_netlink_transact(message, NULL, NULL);
}
