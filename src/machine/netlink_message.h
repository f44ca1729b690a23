/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_NETLINK_MESSAGE_H
#define AE_MACHINE_NETLINK_MESSAGE_H

/* Requests to rtnetlink(7), and its answers: what links, addresses and routes have in common. */

#include <libmnl/libmnl.h>
#include <stdint.h>

#define AE_NETLINK_BUFFER 16384

struct nlmsghdr *ae_netlink_begin(char *buffer, uint16_t type, uint16_t flags);

/* Sends one request and hands every answer to parse until the kernel says it is done. */
int ae_netlink_transact(struct nlmsghdr *request, mnl_cb_t parse, void *context);

#endif
