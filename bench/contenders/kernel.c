/* SPDX-License-Identifier: Apache-2.0 */

/* The kernel's UDP sockets: a program that waits, one that does not, and one that has the kernel
 * poll the card for it. */

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "program.h"

#define BURST 32
#define BYTES 2048

static const struct setting waits[] = {{"recvmmsg", "waits for one, takes up to 32", "recvmmsg(2)"},
                                       {0}};
static const struct setting spins[] = {
    {"recvmmsg", "MSG_DONTWAIT in a loop, up to 32", "recvmmsg(2)"}, {0}};
static const struct setting busy_poll[] = {
    {"SO_BUSY_POLL", "50", "socket(7); Documentation/admin-guide/sysctl/net.rst: 50 us"},
    {"SO_PREFER_BUSY_POLL", "1", "Documentation/networking/napi.rst"},
    {"SO_BUSY_POLL_BUDGET", "64",
     "Documentation/networking/napi.rst: not above NAPI's weight of 64"},
    {"napi_defer_hard_irqs", "2", "Documentation/networking/napi.rst"},
    {"gro_flush_timeout", "200000", "Documentation/networking/napi.rst"},
    {0}};

static int poll_busily(int fd, struct ae_error *err)
{
    int us = 50, yes = 1, budget = 64;

    if (setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &us, sizeof(us)) ||
        setsockopt(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &yes, sizeof(yes)) ||
        setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &budget, sizeof(budget)))
        return program_why(err, "SO_BUSY_POLL (it takes CAP_NET_ADMIN)", errno);
    return 0;
}

static int open_socket(const struct contender *self, const char *wire, int *fd,
                       struct ae_error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(ANSWERED_PORT)};
    struct timeval patience = {.tv_usec = 200000};

    *fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (*fd < 0 || setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
        setsockopt(*fd, SOL_SOCKET, SO_BINDTODEVICE, wire, (socklen_t)strlen(wire)))
        return program_why(err, wire, errno);
    if (bind(*fd, (struct sockaddr *)&address, sizeof(address)))
        return program_why(err, "UDP port 7", errno);
    return self->settings == busy_poll ? poll_busily(*fd, err) : 0;
}

static int check(const struct contender *self, const char *wire, struct ae_error *err)
{
    int fd, rc = open_socket(self, wire, &fd, err);

    if (fd >= 0)
        close(fd);
    return rc;
}

static struct mmsghdr messages[BURST];
static struct iovec parts[BURST];
static struct sockaddr_in peers[BURST];
static char bytes[BURST][BYTES];

static void prepare(int count)
{
    for (int i = 0; i < count; i++) {
        parts[i] = (struct iovec){bytes[i], BYTES};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &peers[i],
                                              .msg_namelen = sizeof(peers[i]),
                                              .msg_iov = &parts[i],
                                              .msg_iovlen = 1};
    }
}

static int respond(const struct contender *self, const char *wire, struct counts *counts,
                   struct ae_error *err)
{
    int flags = self->settings == spins ? MSG_DONTWAIT : MSG_WAITFORONE, fd;
    int rc = open_socket(self, wire, &fd, err), used = BURST;

    while (!rc && !program_ended) {
        int count, sent;

        prepare(used);
        count = recvmmsg(fd, messages, BURST, flags, NULL);
        used = count > 0 ? count : 0;
        counts->calls++;
        counts->empty += count <= 0;
        counts->received += (uint64_t)used;
        for (int i = 0; i < used; i++)
            parts[i].iov_len = messages[i].msg_len;
        sent = used ? sendmmsg(fd, messages, (unsigned)used, 0) : 0;
        counts->sent += (uint64_t)(sent > 0 ? sent : 0);
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct contender contenders[] = {
        {"kernel-waits", "Kernel socket, waiting", "netdev", "socket", "kernel", "worker", waits,
         NULL, check, respond},
        {"kernel-spins", "Kernel socket, spinning", "netdev", "socket", "kernel", "worker", spins,
         NULL, check, respond},
        {"kernel-busy-poll", "Kernel socket, SO_BUSY_POLL", "netdev", "socket", "kernel", "worker",
         busy_poll, "napi_defer_hard_irqs=2 gro_flush_timeout=200000", check, respond},
    };

    return program_main(argc, argv, contenders, 3);
}
