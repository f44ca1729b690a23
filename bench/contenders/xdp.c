/* SPDX-License-Identifier: Apache-2.0 */

/*
 * AF_XDP inline, as people run it: libxdp's own program sends all of queue 0 to one socket, whose
 * thread makes the kernel poll the card. Settings and the order of the calls are those of xdpsock,
 * by the authors of AF_XDP (xdp-project/bpf-examples, AF_XDP-example, -l -B).
 */

#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/libxdp.h>
#include <xdp/xsk.h>

#include "frame.h"
#include "program.h"

#define FRAMES   4096u
#define SIZE     XSK_UMEM__DEFAULT_FRAME_SIZE
#define RING     XSK_RING_CONS__DEFAULT_NUM_DESCS
#define BATCH    64u
#define TRIES    60
#define PAUSE_US 50000
#define XDPSOCK  "xdpsock of xdp-project/bpf-examples"

static const struct setting polls[] = {
    {"SO_PREFER_BUSY_POLL", "1", XDPSOCK " -B"},
    {"SO_BUSY_POLL", "20", XDPSOCK " -B"},
    {"SO_BUSY_POLL_BUDGET", "64", XDPSOCK " -B: its batch"},
    {"napi_defer_hard_irqs", "2", XDPSOCK ", README.org"},
    {"gro_flush_timeout", "200000", XDPSOCK ", README.org"},
    {"XDP_USE_NEED_WAKEUP", "1", "Documentation/networking/af_xdp.rst"},
    {"memory", "4096 frames of 4096 bytes, rings of 2048, of fill 4096", XDPSOCK},
    {0}};
static const struct setting wakes[] = {
    {"XDP_USE_NEED_WAKEUP", "1", "Documentation/networking/af_xdp.rst"},
    {"memory", "4096 frames of 4096 bytes, rings of 2048, of fill 4096", XDPSOCK},
    {0}};

static struct {
    void *bytes;
    struct xsk_umem *umem;
    struct xsk_socket *socket;
    struct xsk_ring_prod fill, send;
    struct xsk_ring_cons done, receive;
    uint32_t out; /* frames given to the kernel to send, and not back */
    bool polled;
} xdp;

static void close_all(void)
{
    if (xdp.socket)
        xsk_socket__delete(xdp.socket);
    if (xdp.umem)
        xsk_umem__delete(xdp.umem);
    if (xdp.bytes)
        munmap(xdp.bytes, (size_t)FRAMES * SIZE);
    memset(&xdp, 0, sizeof(xdp));
}

static int poll_busily(int fd, struct ae_error *err)
{
    int yes = 1, us = 20, budget = BATCH;

    if (setsockopt(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &yes, sizeof(yes)) ||
        setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &us, sizeof(us)) ||
        setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &budget, sizeof(budget)))
        return program_why(err, "SO_PREFER_BUSY_POLL (it takes Linux 5.11)", errno);
    return 0;
}

static int quiet(enum libxdp_print_level level, const char *format, va_list arguments)
{
    (void)level, (void)format, (void)arguments;
    return 0;
}

/* A socket made in vain leaves its memory bound: both are made anew. */
static int try_open(const char *wire, uint32_t mode, struct ae_error *err)
{
    const struct xsk_umem_config memory = {
        .fill_size = 2 * RING, .comp_size = RING, .frame_size = SIZE};
    const struct xsk_socket_config config = {
        .rx_size = RING, .tx_size = RING, .xdp_flags = mode, .bind_flags = XDP_USE_NEED_WAKEUP};
    int rc;

    xdp.bytes = mmap(NULL, (size_t)FRAMES * SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (xdp.bytes == MAP_FAILED) {
        xdp.bytes = NULL;
        return program_why(err, "memory for frames", errno);
    }
    rc = xsk_umem__create(&xdp.umem, xdp.bytes, (uint64_t)FRAMES * SIZE, &xdp.fill, &xdp.done,
                          &memory);
    if (rc)
        return program_why(err, "xsk_umem__create (it takes CAP_NET_RAW)", -rc);
    rc = xsk_socket__create(&xdp.socket, wire, 0, xdp.umem, &xdp.receive, &xdp.send, &config);
    return rc ? program_why(err, "xsk_socket__create (it takes CAP_NET_ADMIN, CAP_BPF)", -rc) : 0;
}

/* In the driver's mode, or the generic one where it has none, as xdpsock -S. The kernel gives a
 * queue back some time after the socket that had it is closed. */
static int open_all(const struct contender *self, const char *wire, struct ae_error *err)
{
    uint32_t mode = XDP_FLAGS_DRV_MODE;
    int rc = -EBUSY;

    libxdp_set_print(quiet);
    for (unsigned tries = 0; tries < TRIES && !program_ended; tries++) {
        rc = try_open(wire, mode, err);
        if (rc == -EOPNOTSUPP || rc == -EINVAL)
            mode = XDP_FLAGS_SKB_MODE;
        else if (rc != -EBUSY)
            break;
        close_all();
        usleep(PAUSE_US);
    }
    if (rc || self->settings != polls)
        return rc;
    xdp.polled = true;
    return poll_busily(xsk_socket__fd(xdp.socket), err);
}

static int check(const struct contender *self, const char *wire, struct ae_error *err)
{
    int rc = open_all(self, wire, err);

    close_all();
    return rc;
}

static void enter_to_receive(void)
{
    if (xdp.polled || xsk_ring_prod__needs_wakeup(&xdp.fill))
        recvfrom(xsk_socket__fd(xdp.socket), NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

/* Frames that were sent are frames to receive into. */
static void complete(void)
{
    uint32_t sent, from = 0, to = 0;

    if (!xdp.out)
        return;
    if (xdp.polled || xsk_ring_prod__needs_wakeup(&xdp.send))
        sendto(xsk_socket__fd(xdp.socket), NULL, 0, MSG_DONTWAIT, NULL, 0);
    sent = xsk_ring_cons__peek(&xdp.done, BATCH, &from);
    if (!sent)
        return;
    while (xsk_ring_prod__reserve(&xdp.fill, sent, &to) != sent && !program_ended)
        enter_to_receive();
    for (uint32_t i = 0; i < sent; i++)
        *xsk_ring_prod__fill_addr(&xdp.fill, to++) = *xsk_ring_cons__comp_addr(&xdp.done, from++);
    xsk_ring_prod__submit(&xdp.fill, sent);
    xsk_ring_cons__release(&xdp.done, sent);
    xdp.out -= sent;
}

static void give_back(uint64_t address)
{
    uint32_t to;

    if (xsk_ring_prod__reserve(&xdp.fill, 1, &to) == 1) {
        *xsk_ring_prod__fill_addr(&xdp.fill, to) = address;
        xsk_ring_prod__submit(&xdp.fill, 1);
    }
}

static void send_burst(const struct xdp_desc *frames, uint32_t count)
{
    uint32_t to = 0;

    while (xsk_ring_prod__reserve(&xdp.send, count, &to) != count)
        if (program_ended)
            return;
        else
            complete();
    for (uint32_t i = 0; i < count; i++)
        *xsk_ring_prod__tx_desc(&xdp.send, to + i) = frames[i];
    xsk_ring_prod__submit(&xdp.send, count);
    xdp.out += count;
}

static void turn_burst(struct counts *counts)
{
    struct xdp_desc frames[BATCH];
    uint32_t came, from = 0, turned = 0;

    complete();
    came = xsk_ring_cons__peek(&xdp.receive, BATCH, &from);
    counts->calls++;
    counts->empty += came == 0;
    if (!came) {
        enter_to_receive();
        return;
    }
    for (uint32_t i = 0; i < came; i++) {
        struct xdp_desc frame = *xsk_ring_cons__rx_desc(&xdp.receive, from + i);

        if (frame_turn(xsk_umem__get_data(xdp.bytes, frame.addr), frame.len)) {
            frames[turned++] = frame;
        } else {
            counts->strange++;
            give_back(frame.addr);
        }
    }
    xsk_ring_cons__release(&xdp.receive, came);
    send_burst(frames, turned);
    counts->received += turned;
    counts->sent += turned;
}

static int respond(const struct contender *self, const char *wire, struct counts *counts,
                   struct ae_error *err)
{
    struct xdp_options options = {0};
    socklen_t length = sizeof(options);
    int rc = open_all(self, wire, err);
    uint32_t to = 0;

    if (!rc && xsk_ring_prod__reserve(&xdp.fill, FRAMES, &to) != FRAMES)
        rc = program_why(err, "the fill ring", ENOSPC);
    if (rc) {
        close_all();
        return rc;
    }
    for (uint32_t i = 0; i < FRAMES; i++)
        *xsk_ring_prod__fill_addr(&xdp.fill, to++) = (uint64_t)i * SIZE;
    xsk_ring_prod__submit(&xdp.fill, FRAMES);
    getsockopt(xsk_socket__fd(xdp.socket), SOL_XDP, XDP_OPTIONS, &options, &length);
    if (options.flags & XDP_OPTIONS_ZEROCOPY)
        counts->path = "zero-copy";
    while (!program_ended)
        turn_burst(counts);
    close_all();
    return 0;
}

int main(int argc, char **argv)
{
    static const struct contender contenders[] = {
        {"af-xdp", "AF_XDP inline, busy polling", "netdev", "frame", "copy", "worker", polls,
         "napi_defer_hard_irqs=2 gro_flush_timeout=200000", check, respond},
        {"af-xdp-wakes", "AF_XDP inline, interrupts", "netdev", "frame", "copy", "worker", wakes,
         NULL, check, respond},
    };

    return program_main(argc, argv, contenders, 2);
}
