/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/view.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"
#include "base/text.h"
#include "partition/counters.h"

const char *ae_view_state_name(enum ae_view_state state)
{
    static const char *const names[AE_VIEW_STATES] = {"started", "quiet", "left", "ended"};

    return names[state];
}

/* ---- The connection ---- */

/* -ECONNREFUSED: nobody listens there any more. */
static int connect_to(const char *path, struct ae_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat status;
    int fd, rc;

    if (ae_root_path(address.sun_path, sizeof(address.sun_path), path))
        return ae_error_set(err, -ENAMETOOLONG, "%s: the path is too long", path);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ae_error_set(err, -errno, "making a socket: %s", strerror(errno));
    if (!connect(fd, (const struct sockaddr *)&address, sizeof(address)))
        return fd;
    rc = -errno;
    close(fd);
    if (rc == -EACCES && !lstat(address.sun_path, &status))
        return ae_error_set(err, rc, "only root and the user %u, whose its workers are, may look",
                            status.st_uid);
    return ae_error_set(err, rc, "connecting to %s: %s%s", path, strerror(-rc),
                        rc == -EAGAIN ? "; too many look at once" : "");
}

struct letter {
    struct ae_view_message message;
    int pages[AE_VIEW_PAGES];
    unsigned page_count;
};

static void take_pages(struct letter *letter, struct msghdr *header)
{
    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
        size_t count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < count && letter->page_count < AE_VIEW_PAGES; i++)
            memcpy(&letter->pages[letter->page_count++], CMSG_DATA(cmsg) + i * sizeof(int),
                   sizeof(int));
    }
}

/* There is room for AE_VIEW_PAGES descriptors: the kernel hands over no more. */
static int receive(int fd, struct letter *letter, struct ae_error *err)
{
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(AE_VIEW_PAGES * sizeof(int))];
    } control;
    struct iovec piece = {&letter->message, sizeof(letter->message)};
    struct msghdr header = {.msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control)};
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    const struct ae_view_message *message = &letter->message;
    ssize_t got;

    if (poll(&ready, 1, AE_VIEW_PATIENCE_MS) <= 0)
        return ae_error_set(err, -ETIMEDOUT, "its supervisor does not answer (is it stopped?)");
    got = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got <= 0)
        return ae_error_set(err, got ? -errno : -EPERM,
                            got ? "its supervisor's answer: %s"
                                : "its supervisor gave no answer: it shows itself to root and to "
                                  "its workers' user, and needs descriptors to do so",
                            strerror(errno));
    take_pages(letter, &header);
    if (got < (ssize_t)(3 * sizeof(uint32_t)) || message->magic != AE_VIEW_MAGIC)
        return ae_error_set(err, -EPROTO, "what listens there is no supervisor");
    if (message->version != AE_VIEW_VERSION || message->size != sizeof(*message) ||
        message->shared_size != sizeof(struct ae_shared) ||
        message->queue_size != sizeof(struct ae_queue_state))
        return ae_error_set(err, -EPROTO,
                            "its supervisor is of another version (%u; this is %d): use the aether "
                            "that started it",
                            message->version, AE_VIEW_VERSION);
    if (got != sizeof(*message) || header.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        return ae_error_set(err, -EPROTO, "its supervisor's answer was cut");
    return 0;
}

/* ---- What was told ---- */

#define SHOWN(text) plain(text, sizeof(text))

static void plain(char *text, size_t size)
{
    text[size - 1] = '\0';
    ae_text_shown(text, size, text);
}

static int check_port(struct ae_view_port *port, unsigned workers)
{
    SHOWN(port->info.spec);
    SHOWN(port->info.driver);
    SHOWN(port->trouble);
    if (!port->info.queues || port->info.queues > AE_PORT_QUEUES ||
        (unsigned)port->info.path > AE_PATH_KERNEL)
        return -EPROTO;
    for (unsigned i = 0; i < port->info.queues; i++)
        if (port->workers[i] >= workers)
            return -EPROTO;
    return 0;
}

static int check_message(struct ae_view_message *message, struct ae_error *err)
{
    int rc = 0;

    SHOWN(message->name);
    if (!message->worker_count || message->worker_count > AE_SUPERVISE_WORKERS ||
        message->port_count > AE_WORKER_PORTS ||
        message->filter.address_count > AE_FILTER_ADDRESSES || message->log_size > AE_VIEW_LOG_MOST)
        rc = -EPROTO;
    for (unsigned i = 0; !rc && i < message->worker_count; i++)
        rc = message->workers[i].state < AE_VIEW_STATES && message->workers[i].cpu >= 0 ? 0
                                                                                        : -EPROTO;
    for (unsigned i = 0; !rc && i < message->port_count; i++)
        rc = check_port(&message->ports[i], message->worker_count);
    return rc ? ae_error_set(err, rc, "its supervisor says what cannot be") : 0;
}

/* Memory that nobody can cut, in ordinary pages: there is nothing to wait for where it is read, and
 * no SIGBUS. */
static const void *map_page(int fd, size_t size, struct ae_error *err)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat status;
    void *page;

    if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &status) ||
        status.st_size < (off_t)size || status.st_blksize != sysconf(_SC_PAGESIZE)) {
        ae_error_set(err, -EPROTO, "what its supervisor showed is no page of its");
        return NULL;
    }
    page = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED)
        return page;
    ae_error_set(err, -errno, "mapping what it shows: %s", strerror(errno));
    return NULL;
}

static int map_pages(struct ae_view *view, const struct letter *letter, struct ae_error *err)
{
    const struct ae_view_message *told = &view->told;
    unsigned wanted = 2 * told->worker_count, at = 0;

    for (unsigned i = 0; i < told->port_count; i++)
        wanted += told->ports[i].info.queues;
    if (letter->page_count != wanted)
        return ae_error_set(err, -EPROTO, "its supervisor shows %u pages and speaks of %u",
                            letter->page_count, wanted);
    for (unsigned i = 0; i < told->worker_count; i++) {
        view->shared[i] = map_page(letter->pages[at++], sizeof(struct ae_shared), err);
        view->logs[i] = view->shared[i] ? map_page(letter->pages[at++], told->log_size, err) : NULL;
        if (!view->logs[i])
            return err->code;
    }
    for (unsigned i = 0; i < told->port_count; i++)
        for (unsigned j = 0; j < told->ports[i].info.queues; j++) {
            view->queues[i][j] = map_page(letter->pages[at++], sizeof(struct ae_queue_state), err);
            if (!view->queues[i][j])
                return err->code;
        }
    return 0;
}

static int open_view(struct ae_view *view, const char *path, struct ae_error *err)
{
    struct letter letter = {.page_count = 0};
    struct ucred peer;
    socklen_t size = sizeof(peer);
    int fd = connect_to(path, err), rc;

    if (fd < 0)
        return fd;
    rc = receive(fd, &letter, err);
    if (!rc && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
        rc = ae_error_set(err, -errno, "asking who it is: %s", strerror(errno));
    if (!rc)
        rc = check_message(&letter.message, err);
    if (!rc) {
        view->pid = peer.pid;
        view->user = peer.uid;
        view->told = letter.message;
        rc = map_pages(view, &letter, err);
    }
    for (unsigned i = 0; i < letter.page_count; i++)
        close(letter.pages[i]);
    close(fd);
    return rc;
}

void ae_view_close(struct ae_view *view)
{
    if (!view)
        return;
    for (unsigned i = 0; i < AE_SUPERVISE_WORKERS; i++) {
        if (view->shared[i])
            munmap((void *)(uintptr_t)view->shared[i], sizeof(struct ae_shared));
        if (view->logs[i])
            munmap((void *)(uintptr_t)view->logs[i], view->told.log_size);
    }
    for (unsigned i = 0; i < AE_WORKER_PORTS; i++)
        for (unsigned j = 0; j < AE_PORT_QUEUES; j++)
            if (view->queues[i][j])
                munmap((void *)(uintptr_t)view->queues[i][j], sizeof(struct ae_queue_state));
    free(view);
}

/* ---- All of them ---- */

struct walk {
    char place[64];
    unsigned count;
    int (*each)(struct ae_view *view, const char *name, const struct ae_error *why, void *context);
    void *context;
};

static int look_at(const char *name, void *context)
{
    struct walk *walk = context;
    struct ae_view *view;
    struct ae_error why;
    char path[128];
    int rc;

    if (strspn(name, "0123456789") != strlen(name) || strlen(name) > 10 ||
        walk->count++ >= AE_VIEW_MOST)
        return 0;
    view = calloc(1, sizeof(*view));
    if (!view)
        return -ENOMEM;
    snprintf(path, sizeof(path), "%s/%s", walk->place, name);
    rc = open_view(view, path, &why);
    if (!rc)
        return walk->each(view, name, NULL, walk->context);
    ae_view_close(view);
    /* Its supervisor was killed; who may not remove it leaves it. */
    if (rc == -ECONNREFUSED)
        ae_root_remove(path);
    else if (rc != -ENOENT)
        return walk->each(NULL, name, &why, walk->context);
    return 0;
}

int ae_view_each(int (*each)(struct ae_view *view, const char *name, const struct ae_error *why,
                             void *context),
                 void *context)
{
    struct walk walk = {.place = AE_VIEW_RUNS, .each = each, .context = context};
    int rc = ae_root_list(walk.place, look_at, &walk);

    if ((rc && rc != -ENOENT) || !geteuid())
        return rc == -ENOENT ? 0 : rc;
    walk.count = 0;
    snprintf(walk.place, sizeof(walk.place), "/run/user/%u/aether/runs", geteuid());
    rc = ae_root_list(walk.place, look_at, &walk);
    return rc == -ENOENT ? 0 : rc;
}

/* ---- What stands in the pages: each word read once ---- */

static uint64_t read_once(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

void ae_view_get_counters(const struct ae_view *view, unsigned port, unsigned queue,
                          struct ae_queue_counters *counters)
{
    const uint64_t *from = (const uint64_t *)&view->queues[port][queue]->counters;

    for (size_t i = 0; i < sizeof(*counters) / sizeof(*from); i++)
        ((uint64_t *)counters)[i] = read_once(&from[i]);
}

bool ae_view_is_broken(const struct ae_view *view, unsigned port, unsigned queue)
{
    return __atomic_load_n(&view->queues[port][queue]->broken, __ATOMIC_RELAXED) != 0;
}

unsigned ae_view_get_own(const struct ae_view *view, unsigned worker,
                         struct ae_supervise_counter counters[AE_WORKER_COUNTERS])
{
    const struct ae_shared *shared = view->shared[worker];
    /* Pairs with the release store in ae_worker_counter. */
    uint32_t count = __atomic_load_n(&shared->counter_count, __ATOMIC_ACQUIRE);

    count = count < AE_WORKER_COUNTERS ? count : AE_WORKER_COUNTERS;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(counters[i].name, shared->counters[i].name, AE_WORKER_NAME);
        SHOWN(counters[i].name);
        counters[i].value = read_once(&shared->counters[i].value);
    }
    return count;
}

/* ---- What the kernel counts ---- */

int ae_view_read_kernel(int cpu, struct ae_view_kernel *kernel)
{
    struct ae_counters counters;
    struct ae_cpus cpus;
    int rc;

    *kernel = (struct ae_view_kernel){0};
    ae_cpus_clear(&cpus);
    ae_cpus_add(&cpus, (unsigned)cpu);
    rc = ae_counters_read(&counters, &cpus);
    for (size_t i = 0; i < counters.count; i++) {
        const struct ae_counter *counter = &counters.items[i];

        if (strncmp(counter->name, "irq:", 4) == 0)
            kernel->interrupts += counter->value;
        else if (strncmp(counter->name, "softirq:", 8) == 0)
            kernel->softirqs += counter->value;
        else
            kernel->switches += counter->value;
    }
    ae_counters_free(&counters);
    return rc;
}
