/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_NETNS_H
#define AE_MACHINE_NETNS_H

/*
 * Network interfaces that were given to a container: sysfs shows a function's interface only to
 * those in its network namespace (network_namespaces(7)). Namespaces are looked for where they have
 * names (/run/netns) and where processes live in them; work inside of one is done by a child. On a
 * made-up machine there is none.
 */

#include <stdint.h>

#include <jansson.h>

#include <aether/error.h>

struct ae_netns {
    char name[96];  /* "/run/netns/c1", or "/proc/PID/ns/net" of a process that lives in it */
    uint64_t inode; /* which is its identity, as long as it exists */
};

/*
 * Looks into every other namespace for the interface of a PCI function. 1: found; *saved is what
 * ae_netdev_save makes of it there, a new reference. 0: it is nowhere. -EPERM: some could not be
 * looked into, and it was in none of the others.
 */
int ae_netns_find(const char *pci_address, struct ae_netns *found, json_t **saved);

/*
 * Moves an interface of this namespace into another, and makes it there what was saved. -ENOENT:
 * the namespace is no more, and nothing was changed.
 */
int ae_netns_return(unsigned index, const struct ae_netns *to, const json_t *saved,
                    struct ae_error *err);

#endif
