/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_PACKET_SOCKET_H
#define AE_PORT_PACKET_SOCKET_H

/* The packet sockets of a port, as its owner has them. */

#include <aether/error.h>

#include "port/filter.h"
#include "port/packet/packet.h"

/*
 * One that frames of the interface come to from now on. group: 0: all of them; else the fanout
 * group whose members share them by flows, and -1 makes a new one and sets it. -EPERM: CAP_NET_RAW
 * is missing.
 */
int ae_packet_socket_open(int *fd, int interface, const struct packet_rings *rings, int *group,
                          struct ae_error *err);

/* Has the kernel send what is in its slots. Does not wait. True: some may be left. */
bool ae_packet_socket_kick(int fd);

/* Since the last time. */
int ae_packet_socket_statistics(int fd, struct tpacket_stats_v3 *statistics);

/* A socket that has the interface let in what the filter says, as long as it is open. */
int ae_packet_membership_open(int *fd, int interface, const struct ae_filter *filter,
                              struct ae_error *err);

#endif
