/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_PACKET_SOCKET_H
#define AE_PORT_PACKET_SOCKET_H

/* The packet sockets of a port, as its owner has them. */

#include <aether/error.h>

#include "port/filter.h"
#include "port/packet/packet.h"

#define PACKET_GROUP_NEW  (-1)
#define PACKET_GROUP_NONE (-2)

/*
 * One that frames of the interface come to from now on: all of them, or as the members of a fanout
 * group share them by flows. *group is its number, 0 to 65535; of a new one it is set. -EPERM:
 * CAP_NET_RAW is missing.
 */
int ae_packet_socket_open(int *fd, int interface, const struct packet_rings *rings, int *group,
                          struct ae_error *err);

/* Has the kernel send what is in its slots. Does not wait. True: some may be left, such as while
 * the interface is down. */
bool ae_packet_socket_kick(int fd);

/* Since the last time. */
int ae_packet_socket_statistics(int fd, struct tpacket_stats_v3 *statistics);

/* A socket that has the interface let in what the filter says, as long as it is open. */
int ae_packet_membership_open(int *fd, int interface, const struct ae_filter *filter,
                              struct ae_error *err);

#endif
