/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/registers.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "worker/supervisor/tracee.h"

/* A call of the tracee's that must succeed. */
static int call(struct ae_tracee *tracee, const char *what, int64_t *result, struct ae_error *err,
                long number, const uint64_t arguments[6])
{
    int rc = ae_tracee_call(tracee, number, arguments, result, err);

    if (rc)
        return rc;
    return *result < 0 ? ae_error_set(err, (int)*result, "mapping a device's registers: %s: %s",
                                      what, strerror((int)-*result))
                       : 0;
}

#define CALL(tracee, what, result, err, number, ...) \
    call(tracee, what, result, err, number, (const uint64_t[6]){__VA_ARGS__})

/* ---- A way to the tracee that only the two of us know ---- */

struct way {
    int ours;
    int theirs; /* its number in the tracee */
    bool dumpable;
};

static int take_from(pid_t pid, int number, struct ae_error *err)
{
    int process = (int)syscall(SYS_pidfd_open, pid, 0), fd, code;

    fd = process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, number, 0);
    code = -errno;
    if (process >= 0)
        close(process);
    return fd >= 0 ? fd
                   : ae_error_set(err, code,
                                  "mapping a device's registers: pidfd_getfd: %s (Linux 5.6 or "
                                  "newer, and the right to trace, are needed)",
                                  strerror(-code));
}

/* Not before others may no longer look in: a socket that was inherited could be another's, too. */
static int open_way(struct ae_tracee *tracee, struct way *way, struct ae_error *err)
{
    int64_t result;
    int ends[2], rc;

    rc = CALL(tracee, "PR_GET_DUMPABLE", &result, err, SYS_prctl, PR_GET_DUMPABLE);
    way->dumpable = result == 1;
    /* Where we are no root, we are the same user, who may look into us as well. */
    if (!rc && way->dumpable && geteuid() == 0)
        rc = CALL(tracee, "PR_SET_DUMPABLE", &result, err, SYS_prctl, PR_SET_DUMPABLE, 0);
    if (!rc)
        rc = CALL(tracee, "socketpair", &result, err, SYS_socketpair, AF_UNIX,
                  SOCK_SEQPACKET | SOCK_CLOEXEC, 0, tracee->scratch);
    if (!rc)
        rc = ae_tracee_get(tracee, tracee->scratch, ends, sizeof(ends), err);
    if (rc)
        return rc;
    way->ours = take_from(tracee->pid, ends[0], err);
    if (way->ours < 0)
        return way->ours;
    way->theirs = ends[1];
    return CALL(tracee, "close", &result, err, SYS_close, (uint64_t)ends[0]);
}

static int close_way(struct ae_tracee *tracee, struct way *way, struct ae_error *err)
{
    int64_t result;
    int rc = CALL(tracee, "close", &result, err, SYS_close, (uint64_t)way->theirs);

    if (!rc && way->dumpable && geteuid() == 0)
        rc = CALL(tracee, "PR_SET_DUMPABLE", &result, err, SYS_prctl, PR_SET_DUMPABLE, 1);
    return rc;
}

/* A message of one byte and one descriptor, with the addresses of the process that it is for. */
struct letter {
    struct msghdr head;
    struct iovec vector;
    char byte;
    char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
};

_Static_assert(sizeof(struct letter) <= AE_TRACEE_SCRATCH, "it fits");

static void write_letter(struct letter *letter, uint64_t address)
{
    memset(letter, 0, sizeof(*letter));
    letter->vector = (struct iovec){(void *)(address + offsetof(struct letter, byte)), 1};
    letter->head.msg_iov = (void *)(address + offsetof(struct letter, vector));
    letter->head.msg_iovlen = 1;
    letter->head.msg_control = (void *)(address + offsetof(struct letter, control));
    letter->head.msg_controllen = sizeof(letter->control);
}

static int send_descriptor(const struct way *way, int fd, struct ae_error *err)
{
    struct letter letter;
    struct cmsghdr *message = (struct cmsghdr *)letter.control;

    write_letter(&letter, (uint64_t)(uintptr_t)&letter);
    *message = (struct cmsghdr){CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(message), &fd, sizeof(fd));
    return sendmsg(way->ours, &letter.head, MSG_NOSIGNAL) == 1
               ? 0
               : ae_error_set(err, -errno, "mapping a device's registers: sending: %s",
                              strerror(errno));
}

/* Returns its number in the tracee. */
static int hand_descriptor(struct ae_tracee *tracee, const struct way *way, int fd,
                           struct ae_error *err)
{
    struct letter letter;
    const struct cmsghdr *message = (const struct cmsghdr *)letter.control;
    int64_t result;
    int number, rc = send_descriptor(way, fd, err);

    write_letter(&letter, tracee->scratch);
    if (!rc)
        rc = ae_tracee_put(tracee, tracee->scratch, &letter, sizeof(letter), err);
    if (!rc)
        rc = CALL(tracee, "recvmsg", &result, err, SYS_recvmsg, (uint64_t)way->theirs,
                  tracee->scratch, MSG_CMSG_CLOEXEC);
    if (!rc)
        rc = ae_tracee_get(tracee, tracee->scratch, &letter, sizeof(letter), err);
    if (rc)
        return rc;
    memcpy(&number, CMSG_DATA(message), sizeof(number));
    return number >= 3 ? number : ae_error_set(err, -EPERM, "another process interferes with it");
}

/* ---- Mapping ---- */

/* With the descriptor of either it could do more than by what is mapped: a packet socket hears
 * whatever it is bound to. */
static bool is_due(const struct ae_port_map *map)
{
    return (map->kind == AE_PORT_MAP_REGISTERS || map->kind == AE_PORT_MAP_RINGS) && map->fd >= 0;
}

static int map_one(struct ae_tracee *tracee, const struct way *way, const struct ae_port_map *map,
                   struct ae_port_map *told, struct ae_error *err)
{
    int fd = hand_descriptor(tracee, way, map->fd, err), rc;
    int64_t address, result;

    if (fd < 0)
        return fd;
    rc = CALL(tracee, "mmap", &address, err, SYS_mmap, 0, map->length, PROT_READ | PROT_WRITE,
              MAP_SHARED, (uint64_t)fd, map->offset);
    if (rc)
        return rc;
    rc = CALL(tracee, "close", &result, err, SYS_close, (uint64_t)fd);
    told->mapped = (uint64_t)address;
    told->fd = -1;
    return rc;
}

/*
 * A program that was executed in place of this one has none of its mappings. That it does not take
 * something else for them, it finds a number in its memory that only this one's has.
 */
static int leave_mark(struct ae_tracee *tracee, struct ae_shared *shared, struct ae_error *err)
{
    int64_t address;
    int rc = CALL(tracee, "mmap", &address, err, SYS_mmap, 0, sizeof(shared->mark),
                  PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, ~0ull, 0);

    if (rc)
        return rc;
    if (getrandom(&shared->mark, sizeof(shared->mark), 0) != sizeof(shared->mark))
        return ae_error_set(err, -errno, "mapping a device's registers: getrandom: %s",
                            strerror(errno));
    shared->mark_address = (uint64_t)address;
    return ae_tracee_put(tracee, shared->mark_address, &shared->mark, sizeof(shared->mark), err);
}

static int map_port(struct ae_tracee *tracee, const struct way *way,
                    const struct ae_port_handoff *port, struct ae_port_handoff *told,
                    struct ae_error *err)
{
    int rc = 0;

    for (uint32_t i = 0; i < port->map_count && !rc; i++)
        if (is_due(&port->maps[i]))
            rc = map_one(tracee, way, &port->maps[i], &told->maps[i], err);
    return rc;
}

static int map_all(struct ae_tracee *tracee, const struct ae_shared *handed,
                   struct ae_shared *shared, struct ae_error *err)
{
    struct way way = {.ours = -1};
    int rc = ae_tracee_await_exec(tracee, err);

    if (!rc)
        rc = open_way(tracee, &way, err);
    for (unsigned i = 0; i < handed->port_count && !rc; i++)
        rc = map_port(tracee, &way, &handed->ports[i], &shared->ports[i], err);
    if (!rc)
        rc = leave_mark(tracee, shared, err);
    if (!rc)
        rc = close_way(tracee, &way, err);
    if (way.ours >= 0)
        close(way.ours);
    return rc ? rc : ae_tracee_release(tracee, err);
}

bool ae_registers_any(const struct ae_shared *shared)
{
    for (unsigned i = 0; i < shared->port_count; i++)
        for (uint32_t j = 0; j < shared->ports[i].map_count; j++)
            if (is_due(&shared->ports[i].maps[j]))
                return true;
    return false;
}

int ae_registers_go(struct ae_child *child, struct ae_shared *shared, unsigned patience_ms,
                    const volatile sig_atomic_t *stop, struct ae_error *err)
{
    /* From before anybody else can write there: which of our descriptors are sent is our word. */
    const struct ae_shared handed = *shared;
    struct ae_tracee tracee;
    int rc = ae_tracee_seize(&tracee, child->pid, patience_ms, stop, err);

    if (!rc || rc == -ECHILD)
        ae_child_let(child);
    if (!rc)
        rc = map_all(&tracee, &handed, shared, err);
    if (rc && rc != -ECHILD) {
        ae_child_cancel(child);
        return rc;
    }
    /* It runs; or it has ended, which it has said the reason of, or is for its watcher to find. */
    return ae_child_await(child, patience_ms, stop, err);
}
