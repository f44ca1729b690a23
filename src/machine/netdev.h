/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_NETDEV_H
#define AE_MACHINE_NETDEV_H

/* What the kernel's network interfaces carry: would anybody miss this one? */

#include <stdbool.h>

#include <aether/error.h>

/*
 * Does a default route, IPv4 or IPv6, or what is as good as one, leave through it: in any table, as
 * one next hop of several, as an object of its own? 1, 0, or a negative errno: the kernel does not
 * tell.
 */
int ae_netdev_has_default_route(const char *name);

/*
 * Does a login over SSH end at one of its addresses? The one that this process belongs to
 * (SSH_CONNECTION), or any established connection to port 22 (/proc/net/tcp, /proc/net/tcp6).
 */
bool ae_netdev_has_ssh(const char *name);

/*
 * 0 when the machine can do without the interface. -EBUSY: the default route or an SSH session runs
 * through it or through what is stacked on it, or it is part of a bridge, a bond or a VLAN, which
 * it would not find back to; the error says which, and what to do.
 */
int ae_netdev_check_idle(const char *name, struct ae_error *err);

#endif
