/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/netdev.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"

#define SSH_PORT        22
#define TCP_ESTABLISHED 1

/* Calls each for every line of a file until it says true. */
static bool any_line(const char *path, bool (*each)(const char *line, const void *context),
                     const void *context)
{
    char *text, *rest, *line;
    bool found = false;

    if (ae_root_read_all(path, &text) < 0)
        return false;
    rest = text;
    while (!found && (line = strsep(&rest, "\n")))
        found = each(line, context);
    free(text);
    return found;
}

static bool is_default_ipv4(const char *line, const void *name)
{
    char interface[IFNAMSIZ];
    unsigned long destination, mask;

    return sscanf(line, "%15s %lx %*x %*x %*d %*d %*d %lx", interface, &destination, &mask) == 3 &&
           destination == 0 && mask == 0 && strcmp(interface, name) == 0;
}

static bool is_default_ipv6(const char *line, const void *name)
{
    char interface[IFNAMSIZ], destination[33], gateway[33];
    unsigned prefix, flags;

    return sscanf(line, "%32s %2x %*s %*x %32s %*x %*x %*x %8x %15s", destination, &prefix, gateway,
                  &flags, interface) == 5 &&
           prefix == 0 && strspn(destination, "0") == 32 && flags & RTF_UP &&
           strspn(gateway, "0") < 32 && strcmp(interface, name) == 0;
}

bool ae_netdev_has_default_route(const char *name)
{
    return any_line("/proc/net/route", is_default_ipv4, name) ||
           any_line("/proc/net/ipv6_route", is_default_ipv6, name);
}

/* One line of /proc/net/tcp: "N: LOCAL:PORT REMOTE:PORT STATE ...", addresses as raw words. */
static bool is_ssh_to(const char *line, const void *address)
{
    unsigned long local;
    unsigned port, state;

    return sscanf(line, " %*u: %8lx:%4x %*8x:%*4x %2x", &local, &port, &state) == 3 &&
           port == SSH_PORT && state == TCP_ESTABLISHED &&
           local == ((const struct in_addr *)address)->s_addr;
}

/* The same in /proc/net/tcp6, where IPv4 peers are ::ffff:ADDRESS. */
static bool is_ssh6_to(const char *line, const void *address)
{
    unsigned long local;
    unsigned port, state;

    return sscanf(line, " %*u: 0000000000000000FFFF0000%8lx:%4x %*32s:%*4x %2x", &local, &port,
                  &state) == 3 &&
           port == SSH_PORT && state == TCP_ESTABLISHED &&
           local == ((const struct in_addr *)address)->s_addr;
}

bool ae_netdev_has_ssh(const char *name)
{
    struct ifaddrs *list;
    bool found = false;

    if (getifaddrs(&list))
        return false;
    for (struct ifaddrs *at = list; at && !found; at = at->ifa_next) {
        const struct sockaddr_in *in = (const void *)at->ifa_addr;

        if (!in || in->sin_family != AF_INET || strcmp(at->ifa_name, name) != 0)
            continue;
        found = any_line("/proc/net/tcp", is_ssh_to, &in->sin_addr) ||
                any_line("/proc/net/tcp6", is_ssh6_to, &in->sin_addr);
    }
    freeifaddrs(list);
    return found;
}

static int interface_ioctl(unsigned long request, struct ifreq *ifr)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int rc = fd < 0 || ioctl(fd, request, ifr) ? -errno : 0;

    if (fd >= 0)
        close(fd);
    return rc;
}

static void name_interface(struct ifreq *ifr, const char *name)
{
    memset(ifr, 0, sizeof(*ifr));
    snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
}

static unsigned prefix_length(const struct sockaddr *mask)
{
    const uint8_t *bytes;
    size_t count;
    unsigned bits = 0;

    if (!mask)
        return 0;
    if (mask->sa_family == AF_INET) {
        bytes = (const uint8_t *)&((const struct sockaddr_in *)(const void *)mask)->sin_addr;
        count = 4;
    } else {
        bytes = (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)mask)->sin6_addr;
        count = 16;
    }
    for (size_t i = 0; i < count; i++)
        bits += (unsigned)__builtin_popcount(bytes[i]);
    return bits;
}

static const void *address_bytes(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    return &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
}

static json_t *save_addresses(const char *name)
{
    json_t *addresses = json_array();
    struct ifaddrs *list;

    if (getifaddrs(&list))
        return addresses;
    for (struct ifaddrs *at = list; at; at = at->ifa_next) {
        char text[INET6_ADDRSTRLEN];

        if (!at->ifa_addr || strcmp(at->ifa_name, name) != 0 ||
            (at->ifa_addr->sa_family != AF_INET && at->ifa_addr->sa_family != AF_INET6))
            continue;
        inet_ntop(at->ifa_addr->sa_family, address_bytes(at->ifa_addr), text, sizeof(text));
        /* The kernel makes a link-local address itself. */
        if (strncmp(text, "fe80:", 5) == 0)
            continue;
        json_array_append_new(addresses, json_pack("{s:s, s:i}", "address", text, "prefix",
                                                   (int)prefix_length(at->ifa_netmask)));
    }
    freeifaddrs(list);
    return addresses;
}

json_t *ae_netdev_save(const char *name)
{
    struct ifreq ifr;
    int mtu = 0, up = 0;

    name_interface(&ifr, name);
    if (!interface_ioctl(SIOCGIFMTU, &ifr))
        mtu = ifr.ifr_mtu;
    name_interface(&ifr, name);
    if (!interface_ioctl(SIOCGIFFLAGS, &ifr))
        up = !!(ifr.ifr_flags & IFF_UP);
    return json_pack("{s:s, s:i, s:b, s:o}", "name", name, "mtu", mtu, "up", up, "addresses",
                     save_addresses(name));
}

/* RTM_NEWADDR (rtnetlink(7)). */
static int add_address(const char *name, const char *text, uint8_t prefix)
{
    char buffer[8192];
    uint8_t bytes[16];
    int family = strchr(text, ':') ? AF_INET6 : AF_INET, rc = 0;
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    struct ifaddrmsg *body;
    struct mnl_socket *netlink;
    ssize_t got;

    if (inet_pton(family, text, bytes) != 1)
        return -EINVAL;
    message->nlmsg_type = RTM_NEWADDR;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
    body->ifa_family = (uint8_t)family;
    body->ifa_prefixlen = prefix;
    body->ifa_index = if_nametoindex(name);
    mnl_attr_put(message, IFA_LOCAL, family == AF_INET ? 4 : 16, bytes);
    mnl_attr_put(message, IFA_ADDRESS, family == AF_INET ? 4 : 16, bytes);
    netlink = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!netlink)
        return -errno;
    if (mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) ||
        mnl_socket_sendto(netlink, message, message->nlmsg_len) < 0)
        rc = -errno;
    got = rc ? 0 : mnl_socket_recvfrom(netlink, buffer, sizeof(buffer));
    if (got < 0 ||
        (got > 0 && mnl_cb_run(buffer, (size_t)got, 0, mnl_socket_get_portid(netlink), NULL, NULL) < 0))
        rc = -errno;
    mnl_socket_close(netlink);
    return rc;
}

static int rename_interface(const char *from, const char *to)
{
    struct ifreq ifr;

    if (strcmp(from, to) == 0)
        return 0;
    /* Only an interface that is down can be renamed. */
    name_interface(&ifr, from);
    ifr.ifr_flags = 0;
    interface_ioctl(SIOCSIFFLAGS, &ifr);
    name_interface(&ifr, from);
    snprintf(ifr.ifr_newname, sizeof(ifr.ifr_newname), "%s", to);
    return interface_ioctl(SIOCSIFNAME, &ifr);
}

static int set_mtu(const char *name, int mtu)
{
    struct ifreq ifr;

    if (mtu <= 0)
        return 0;
    name_interface(&ifr, name);
    ifr.ifr_mtu = mtu;
    return interface_ioctl(SIOCSIFMTU, &ifr);
}

static int set_up(const char *name)
{
    struct ifreq ifr;

    name_interface(&ifr, name);
    ifr.ifr_flags = IFF_UP;
    return interface_ioctl(SIOCSIFFLAGS, &ifr);
}

int ae_netdev_restore(const char *name, const json_t *saved, struct ae_error *err)
{
    const char *old = json_string_value(json_object_get(saved, "name"));
    const json_t *addresses = json_object_get(saved, "addresses");
    int rc;

    if (!old || strlen(old) >= IFNAMSIZ)
        return ae_error_set(err, -EINVAL, "restoring %s: the record has no usable name", name);
    rc = rename_interface(name, old);
    if (rc)
        return ae_error_set(err, rc, "renaming %s to %s: %s", name, old, strerror(-rc));
    rc = set_mtu(old, (int)json_integer_value(json_object_get(saved, "mtu")));
    if (rc)
        return ae_error_set(err, rc, "setting the MTU of %s: %s", old, strerror(-rc));
    if (json_is_true(json_object_get(saved, "up")))
        rc = set_up(old);
    if (rc)
        return ae_error_set(err, rc, "setting %s up: %s", old, strerror(-rc));
    for (size_t i = 0; i < json_array_size(addresses); i++) {
        const json_t *one = json_array_get(addresses, i);
        const char *text = json_string_value(json_object_get(one, "address"));

        rc = text ? add_address(old, text,
                                (uint8_t)json_integer_value(json_object_get(one, "prefix")))
                  : -EINVAL;
        if (rc)
            return ae_error_set(err, rc, "giving %s its address %s: %s", old, text ? text : "?",
                                strerror(-rc));
    }
    return 0;
}
