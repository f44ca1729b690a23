/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_NETDEV_STATE_H
#define AE_MACHINE_NETDEV_STATE_H

/*
 * What an administrator made of a network interface - names, MAC address, MTU, length of its queue,
 * alias, flags, up or down, addresses - kept as JSON while the interface does not exist. Addresses
 * that come back by themselves are not kept: IPv6 link-local ones and those with a lifetime (router
 * advertisements, DHCPv6).
 */

#include <jansson.h>

#include <aether/error.h>

/* A new reference, or NULL. */
json_t *ae_netdev_save(unsigned index, struct ae_error *err);

/*
 * Makes interface `index` what was saved. -EBADMSG: the record makes no sense, and nothing was
 * changed; -EEXIST: another interface has the name by now.
 */
int ae_netdev_restore(unsigned index, const json_t *saved, struct ae_error *err);

#endif
