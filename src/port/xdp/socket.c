/* SPDX-License-Identifier: Apache-2.0 */
#include "port/xdp/socket.h"

#include <errno.h>
#include <linux/if_xdp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "base/now.h"

#define BUSY_US     20 /* not 0: a call polls, and since it does not wait, once */
#define BUSY_FRAMES 64 /* in one poll; more than this takes CAP_NET_ADMIN */

/* A socket that was closed leaves its queue when the kernel gets to it. */
#define LEFT_MS 2000

static int set(int fd, int level, int option, const void *value, socklen_t size, const char *what,
               struct ae_error *err)
{
    return setsockopt(fd, level, option, value, size)
               ? ae_error_set(err, -errno, "AF_XDP: %s: %s", what, strerror(errno))
               : 0;
}

static int make_rings(int fd, const struct ae_port_owner *owner, struct ae_error *err)
{
    const struct ae_domain *domain = owner->domain;
    const struct xdp_umem_reg memory = {
        .addr = (uintptr_t)ae_memory_base(domain->memory),
        .len = ae_memory_size(domain->memory),
        .chunk_size = domain->buffer_size,
    };
    const int receive = owner->handoff.receive_ring, send = owner->handoff.send_ring;
    const struct {
        int option;
        const void *value;
        socklen_t size;
        const char *what;
    } all[] = {
        {XDP_UMEM_REG, &memory, sizeof(memory), "its domain's memory"},
        {XDP_UMEM_FILL_RING, &receive, sizeof(receive), "a fill ring"},
        {XDP_UMEM_COMPLETION_RING, &send, sizeof(send), "a completion ring"},
        {XDP_RX_RING, &receive, sizeof(receive), "a receive ring"},
        {XDP_TX_RING, &send, sizeof(send), "a send ring"},
    };
    int rc = 0;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && !rc; i++)
        rc = set(fd, SOL_XDP, all[i].option, all[i].value, all[i].size, all[i].what, err);
    return rc;
}

static int make_busy(int fd, struct ae_error *err)
{
    const int on = 1, us = BUSY_US, frames = BUSY_FRAMES;
    int rc = set(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &on, sizeof(on), "SO_PREFER_BUSY_POLL", err);

    if (!rc)
        rc = set(fd, SOL_SOCKET, SO_BUSY_POLL, &us, sizeof(us), "SO_BUSY_POLL", err);
    return rc ? rc
              : set(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &frames, sizeof(frames),
                    "SO_BUSY_POLL_BUDGET", err);
}

static int bind_to(int fd, const struct xdp_socket_options *options, struct ae_error *err)
{
    const struct sockaddr_xdp address = {
        .sxdp_family = AF_XDP,
        .sxdp_flags = (options->zero_copy ? XDP_ZEROCOPY : XDP_COPY) | XDP_USE_NEED_WAKEUP,
        .sxdp_ifindex = options->interface,
        .sxdp_queue_id = options->queue,
    };
    int64_t until = ae_now_ms() + LEFT_MS;

    while (bind(fd, (const struct sockaddr *)&address, sizeof(address))) {
        int rc = -errno;

        if (rc != -EBUSY || ae_now_ms() > until)
            return ae_error_set(err, rc, "AF_XDP: queue %u, %s: %s", options->queue,
                                options->zero_copy ? "zero copy" : "copying", strerror(-rc));
        poll(NULL, 0, 10);
    }
    return 0;
}

int ae_xdp_socket_open(int *out, const struct ae_port_owner *owner,
                       const struct xdp_socket_options *options, struct ae_error *err)
{
    int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), rc;

    if (fd < 0)
        return ae_error_set(err, -errno, "an AF_XDP socket: %s%s", strerror(errno),
                            errno == EPERM ? "; CAP_NET_RAW is needed, such as root's" : "");
    rc = make_rings(fd, owner, err);
    if (!rc && options->busy)
        rc = make_busy(fd, err);
    if (!rc)
        rc = bind_to(fd, options, err);
    if (rc)
        ae_descriptor_close(&fd);
    *out = fd;
    return rc;
}
