/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/netdev.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "machine/netlink.h"

#define SSH_PORT        22
#define TCP_ESTABLISHED 1
#define STACK           16

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

/*
 * As good as a default route: tunnels take all traffic with two halves (0.0.0.0/1, 128.0.0.0/1), or
 * with pieces of what IPv6 is handed out from (2000::/3).
 */
static bool is_wide(const struct ae_route *route)
{
    return route->prefix <= (route->family == AF_INET ? 3 : 4);
}

static int look_for_wide(const struct ae_route *route, void *context)
{
    return is_wide(route) && route->interface == *(const unsigned *)context;
}

int ae_netdev_has_default_route(const char *name)
{
    unsigned index = if_nametoindex(name);

    return index ? ae_netlink_routes(look_for_wide, &index) : 0;
}

/* An address either way: IPv4 as ::ffff:A.B.C.D. */
static struct in6_addr mapped(const uint8_t ipv4[4])
{
    struct in6_addr address = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

    memcpy(&address.s6_addr[12], ipv4, 4);
    return address;
}

/* "N: LOCAL:PORT REMOTE:PORT STATE ...": addresses are printed as words of the machine. */
static bool parse_tcp(const char *line, struct in6_addr *local, unsigned *port, unsigned *state)
{
    unsigned words[4];
    char text[33];
    size_t digits;

    if (sscanf(line, " %*u: %32[0-9A-Fa-f]:%4x %*32[0-9A-Fa-f]:%*4x %2x", text, port, state) != 3)
        return false;
    digits = strlen(text);
    if (digits == 8 && sscanf(text, "%8x", words) == 1)
        *local = mapped((const uint8_t *)words);
    else if (digits == 32 &&
             sscanf(text, "%8x%8x%8x%8x", words, words + 1, words + 2, words + 3) == 4)
        memcpy(local, words, sizeof(*local));
    else
        return false;
    return true;
}

static bool is_ssh_to(const char *line, const void *address)
{
    struct in6_addr local;
    unsigned port, state;

    return parse_tcp(line, &local, &port, &state) && port == SSH_PORT && state == TCP_ESTABLISHED &&
           IN6_ARE_ADDR_EQUAL(&local, (const struct in6_addr *)address);
}

/* "CLIENT PORT SERVER PORT", set by sshd; it knows of servers on other ports than 22. */
static bool is_our_login(const struct in6_addr *address)
{
    const char *connection = getenv("SSH_CONNECTION");
    char text[INET6_ADDRSTRLEN + IFNAMSIZ];
    struct in6_addr server;
    uint8_t ipv4[4];

    if (!connection || sscanf(connection, "%*s %*s %61s", text) != 1)
        return false;
    text[strcspn(text, "%")] = '\0';
    if (inet_pton(AF_INET, text, ipv4) == 1)
        server = mapped(ipv4);
    else if (inet_pton(AF_INET6, text, &server) != 1)
        return false;
    return IN6_ARE_ADDR_EQUAL(&server, address);
}

static int look_for_ssh(const struct ae_address *at, void *context)
{
    struct in6_addr address;

    if (at->index != *(const unsigned *)context)
        return 0;
    if (at->family == AF_INET)
        address = mapped(at->local);
    else
        memcpy(&address, at->local, sizeof(address));
    return is_our_login(&address) || any_line("/proc/net/tcp", is_ssh_to, &address) ||
           any_line("/proc/net/tcp6", is_ssh_to, &address);
}

bool ae_netdev_has_ssh(const char *name)
{
    unsigned index = if_nametoindex(name);

    return index && ae_netlink_addresses(look_for_ssh, &index) > 0;
}

/* An interface and all that is stacked on it. */
struct stack {
    char names[STACK][IFNAMSIZ];
    unsigned count;
};

static int note_upper(const char *entry, void *context)
{
    static const char prefix[] = "upper_";
    struct stack *stack = context;
    const char *name = entry + sizeof(prefix) - 1;

    if (strncmp(entry, prefix, sizeof(prefix) - 1) != 0 || strlen(name) >= IFNAMSIZ)
        return 0;
    for (unsigned i = 0; i < stack->count; i++)
        if (strcmp(stack->names[i], name) == 0)
            return 0;
    if (stack->count < STACK)
        strcpy(stack->names[stack->count++], name);
    return 0;
}

static void read_stack(const char *name, struct stack *stack)
{
    char path[64];

    stack->count = 1;
    snprintf(stack->names[0], IFNAMSIZ, "%s", name);
    for (unsigned i = 0; i < stack->count; i++) {
        snprintf(path, sizeof(path), "/sys/class/net/%s", stack->names[i]);
        ae_root_list(path, note_upper, stack);
    }
}

int ae_netdev_check_idle(const char *name, struct ae_error *err)
{
    struct stack stack;

    read_stack(name, &stack);
    for (unsigned i = 0; i < stack.count; i++) {
        const char *through = i ? " through " : "", *upper = i ? stack.names[i] : "";

        int rc = ae_netdev_has_default_route(stack.names[i]);

        if (rc < 0)
            return ae_error_set(
                err, rc,
                "%s: the kernel does not tell its routes (%s), so that nobody knows "
                "whether this machine hangs on it; insist with --force",
                name, strerror(-rc));
        if (rc)
            return ae_error_set(err, -EBUSY,
                                "%s carries the default route%s%s: this machine would drop off the "
                                "network; move the route, or insist with --force",
                                name, through, upper);
        if (ae_netdev_has_ssh(stack.names[i]))
            return ae_error_set(err, -EBUSY,
                                "%s carries an SSH session%s%s, which would end; log in another "
                                "way, or insist with --force",
                                name, through, upper);
    }
    if (stack.count > 1)
        return ae_error_set(err, -EBUSY,
                            "%s is part of %s, and would not come back as such; take it out of it "
                            "first, or insist with --force",
                            name, stack.names[1]);
    return 0;
}
