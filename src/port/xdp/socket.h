/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_XDP_SOCKET_H
#define AE_PORT_XDP_SOCKET_H

/* An AF_XDP socket on a queue of an interface, with its four rings, as its owner opens it. */

#include <stdbool.h>

#include "port/owner.h"

struct xdp_socket_options {
    unsigned interface, queue;
    bool zero_copy; /* false: the kernel copies */
    bool busy;      /* somebody calls on it, and polls its queue by that */
};

/* Over the memory of the owner's domain, of which every packet is a chunk. -EOPNOTSUPP: the driver
 * has no zero copy; -EBUSY: the queue has a socket. */
int ae_xdp_socket_open(int *fd, const struct ae_port_owner *owner,
                       const struct xdp_socket_options *options, struct ae_error *err);

#endif
