/* SPDX-License-Identifier: Apache-2.0 */

/* io_uring: requests to receive are always there, each becomes a request to send its answer. */

#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "program.h"

#define SLOTS 128
#define BYTES 2048

static const struct setting settings[] = {
    {"IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_DEFER_TASKRUN", "1", "io_uring_setup(2)"},
    {"requests", "128, recvmsg turned into sendmsg", "io_uring_enter(2)"},
    {"io_uring_submit_and_get_events", "in a loop, without waiting",
     "io_uring_submit_and_get_events(3)"},
    {0}};

static struct slot {
    struct msghdr message;
    struct iovec part;
    struct sockaddr_in peer;
    bool sends;
    char bytes[BYTES];
} slots[SLOTS];

static int open_ring(struct io_uring *ring, struct ae_error *err)
{
    int rc = io_uring_queue_init(2 * SLOTS, ring,
                                 IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

    return rc ? program_why(err, "io_uring_setup with DEFER_TASKRUN (Linux 6.1)", -rc) : 0;
}

static int open_socket(const char *wire, int *fd, struct ae_error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(ANSWERED_PORT)};

    *fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (*fd < 0 || setsockopt(*fd, SOL_SOCKET, SO_BINDTODEVICE, wire, (socklen_t)strlen(wire)) ||
        bind(*fd, (struct sockaddr *)&address, sizeof(address))) {
        int error = errno;

        if (*fd >= 0)
            close(*fd);
        return program_why(err, wire, error);
    }
    return 0;
}

static int check(const struct contender *self, const char *wire, struct ae_error *err)
{
    struct io_uring ring;
    int fd, rc = open_ring(&ring, err);

    (void)self;
    if (rc)
        return rc;
    io_uring_queue_exit(&ring);
    rc = open_socket(wire, &fd, err);
    if (!rc)
        close(fd);
    return rc;
}

static void ask(struct io_uring *ring, int fd, struct slot *slot)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(ring); /* there are twice as many as slots */

    if (slot->sends) {
        io_uring_prep_sendmsg(entry, fd, &slot->message, 0);
    } else {
        slot->part = (struct iovec){slot->bytes, BYTES};
        slot->message = (struct msghdr){.msg_name = &slot->peer,
                                        .msg_namelen = sizeof(slot->peer),
                                        .msg_iov = &slot->part,
                                        .msg_iovlen = 1};
        io_uring_prep_recvmsg(entry, fd, &slot->message, 0);
    }
    io_uring_sqe_set_data(entry, slot);
}

static unsigned turn(struct io_uring *ring, int fd, struct counts *counts)
{
    struct io_uring_cqe *entry;
    unsigned head, count = 0;

    io_uring_for_each_cqe(ring, head, entry)
    {
        struct slot *slot = io_uring_cqe_get_data(entry);

        count++;
        counts->received += !slot->sends && entry->res >= 0;
        counts->sent += slot->sends && entry->res >= 0;
        slot->sends = !slot->sends && entry->res >= 0;
        slot->part.iov_len = entry->res >= 0 ? (size_t)entry->res : 0;
        ask(ring, fd, slot);
    }
    io_uring_cq_advance(ring, count);
    return count;
}

static int respond(const struct contender *self, const char *wire, struct counts *counts,
                   struct ae_error *err)
{
    struct io_uring ring;
    int fd, rc = open_ring(&ring, err);

    (void)self;
    if (rc)
        return rc;
    rc = open_socket(wire, &fd, err);
    if (!rc) {
        for (unsigned i = 0; i < SLOTS; i++)
            ask(&ring, fd, &slots[i]);
        while (!program_ended) {
            io_uring_submit_and_get_events(&ring);
            counts->calls++;
            counts->empty += turn(&ring, fd, counts) == 0;
        }
        close(fd);
    }
    io_uring_queue_exit(&ring);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct contender contender = {"io-uring", "io_uring, spinning",
                                               "netdev",   "socket",
                                               "kernel",   "worker",
                                               settings,   NULL,
                                               check,      respond};

    return program_main(argc, argv, &contender, 1);
}
