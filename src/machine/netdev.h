/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_NETDEV_H
#define AE_MACHINE_NETDEV_H

/* Network interfaces of the kernel: what they carry, and how to make one as it was. */

#include <jansson.h>
#include <stdbool.h>

#include <aether/error.h>

/* Does a default route, IPv4 or IPv6, leave through it? (/proc/net/route, /proc/net/ipv6_route) */
bool ae_netdev_has_default_route(const char *name);

/* Does an established connection to this machine's port 22 end at one of its IPv4 addresses? */
bool ae_netdev_has_ssh(const char *name);

/* Name, MTU, up flag and addresses, as an object that ae_netdev_restore understands. */
json_t *ae_netdev_save(const char *name);

/* Makes interface `name` what was saved, its name included. */
int ae_netdev_restore(const char *name, const json_t *saved, struct ae_error *err);

#endif
