/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_NETLINK_H
#define AE_MACHINE_NETLINK_H

/*
 * Links, addresses and routes of the running kernel (rtnetlink(7)). Interfaces are named by index
 * here: their names change under our feet, when udev gives a new one its own.
 */

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define AE_FOREVER UINT32_MAX

struct ae_link_state {
    unsigned index;
    char name[IF_NAMESIZE];
    uint32_t mtu;          /* bytes */
    bool up;               /* IFF_UP: as the administrator wants it, whatever the wire says */
    uint32_t flags;        /* IFF_* */
    uint32_t queue_length; /* txqueuelen, packets */
    uint8_t mac[32];
    uint8_t mac_length;
    char alias[256]; /* "" without one */
};

struct ae_address {
    unsigned index;            /* of its interface */
    uint8_t family;            /* AF_INET, AF_INET6 */
    uint8_t prefix;            /* bits */
    uint8_t scope;             /* RT_SCOPE_* */
    uint32_t flags;            /* IFA_F_* */
    uint32_t preferred, valid; /* seconds left, or AE_FOREVER */
    uint8_t local[16];         /* network order, 4 or 16 bytes */
    uint8_t peer[16];          /* the same as local, but on point-to-point links */
    uint8_t broadcast[4];      /* IPv4; zero: none */
    char label[IF_NAMESIZE];   /* IPv4 alias, "eth0:1" */
};

/* One interface through which a route leaves: a route has as many of these as next hops. */
struct ae_route {
    uint8_t family;     /* AF_INET, AF_INET6 */
    uint8_t prefix;     /* bits of the destination; 0: a default route */
    uint32_t table;     /* RT_TABLE_MAIN, or one that a rule chooses */
    unsigned interface; /* index */
};

/*
 * Calls each for every next hop of every unicast route, in all tables but the local one: of
 * multipath routes, and of those whose next hops are objects or groups of their own. Stops at, and
 * returns, the first non-zero result.
 */
int ae_netlink_routes(int (*each)(const struct ae_route *route, void *context), void *context);

/* The interface whose parent device is called so: "0000:01:00.0", "virtio3" (Linux 5.14). -ENODEV:
 * none. */
int ae_netlink_find_link(const char *parent, unsigned *index);

/* Moves it into the network namespace that fd is open on. */
int ae_netlink_set_namespace(unsigned index, int fd);

/* -ENODEV: no such interface. */
int ae_netlink_get_link(unsigned index, struct ae_link_state *link);

/* Calls each for every other name that the interface has; stops at the first non-zero result. */
int ae_netlink_altnames(unsigned index, int (*each)(const char *name, void *context),
                        void *context);
/* -EEXIST: it, or another interface, has the name already. */
int ae_netlink_add_altname(unsigned index, const char *name);

int ae_netlink_set_mac(unsigned index, const uint8_t *mac, size_t length);
int ae_netlink_set_queue_length(unsigned index, uint32_t packets);
int ae_netlink_set_alias(unsigned index, const char *alias);
/* Those of mask become as in flags. */
int ae_netlink_set_flags(unsigned index, uint32_t flags, uint32_t mask);

int ae_netlink_set_name(unsigned index, const char *name);
int ae_netlink_set_mtu(unsigned index, uint32_t mtu);
int ae_netlink_set_up(unsigned index, bool up);

/* Calls each for every address of the machine; stops at, and returns, the first non-zero result. */
int ae_netlink_addresses(int (*each)(const struct ae_address *address, void *context),
                         void *context);

/* Adds an address, or renews it where it is there already. */
int ae_netlink_add_address(const struct ae_address *address);

#endif
