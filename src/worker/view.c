/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <aether/broadcast.h>
#include <aether/channel.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "base/root.h"
#include "base/sealed.h"
#include "base/text.h"
#include "partition/counters.h"
#include "worker/letter.h"

const char *ae_view_state_name(enum ae_view_state state)
{
    static const char *const names[AE_VIEW_STATES] = {"started", "quiet", "left", "ended"};

    return names[state];
}

/* Of a channel, its positions. */
#define CHANNEL_BYTES 384

_Static_assert(sizeof(struct ae_channel_memory) <= CHANNEL_BYTES, "a channel's");
_Static_assert(sizeof(struct ae_broadcast_memory) <= CHANNEL_BYTES, "and a broadcast's");

/* ---- The connection ---- */

static int receive(int fd, struct ae_letter *letter, struct ae_view_message *message,
                   struct ae_error *err)
{
    int rc = ae_letter_receive(fd, letter, message, sizeof(*message), err);

    if (rc)
        return rc;
    if (letter->length < 3 * sizeof(uint32_t) || message->magic != AE_VIEW_MAGIC)
        return ae_error_set(err, -EPROTO, "what listens there is no supervisor");
    if (message->version != AE_VIEW_VERSION || message->size != sizeof(*message) ||
        message->shared_size != sizeof(struct ae_shared) ||
        message->queue_size != sizeof(struct ae_queue_state))
        return ae_error_set(err, -EPROTO,
                            "its supervisor is of another version (%u; this is %d): use the aether "
                            "that started it",
                            message->version, AE_VIEW_VERSION);
    if (letter->length != sizeof(*message) || letter->cut)
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
        (unsigned)port->info.path > AE_PATH_KERNEL ||
        (unsigned)port->info.caller > AE_CALLER_WORKER)
        return -EPROTO;
    for (unsigned i = 0; i < port->info.queues; i++)
        if (port->workers[i] >= workers)
            return -EPROTO;
    return 0;
}

static int check_channel(struct ae_view_channel *channel, unsigned workers)
{
    SHOWN(channel->name);
    return channel->kind < AE_NAMED_KINDS && channel->worker < workers ? 0 : -EPROTO;
}

static int check_message(struct ae_view_message *message, struct ae_error *err)
{
    int rc = 0;

    SHOWN(message->name);
    if (!message->worker_count || message->worker_count > AE_SUPERVISE_WORKERS ||
        message->port_count > AE_WORKER_PORTS ||
        message->filter.address_count > AE_FILTER_ADDRESSES ||
        message->log_size > AE_VIEW_LOG_MOST || message->channel_count > AE_WORKER_CHANNELS)
        rc = -EPROTO;
    for (unsigned i = 0; !rc && i < message->worker_count; i++)
        rc = message->workers[i].state < AE_VIEW_STATES && message->workers[i].cpu >= 0 ? 0
                                                                                        : -EPROTO;
    for (unsigned i = 0; !rc && i < message->port_count; i++)
        rc = check_port(&message->ports[i], message->worker_count);
    for (unsigned i = 0; !rc && i < message->channel_count; i++)
        rc = check_channel(&message->channels[i], message->worker_count);
    return rc ? ae_error_set(err, rc, "its supervisor says what cannot be") : 0;
}

static const void *map_page(int fd, size_t size, struct ae_error *err)
{
    const void *page = ae_sealed_map(fd, size, PROT_READ);

    if (!page)
        ae_error_set(err, -errno, "what its supervisor showed is no page of its: %s",
                     strerror(errno));
    return page;
}

static int map_pages(struct ae_view *view, const struct ae_letter *letter, struct ae_error *err)
{
    const struct ae_view_message *told = &view->told;
    unsigned wanted = 2 * told->worker_count + told->channel_count, at = 0;

    for (unsigned i = 0; i < told->port_count; i++)
        wanted += told->ports[i].info.queues;
    if (letter->fd_count != wanted)
        return ae_error_set(err, -EPROTO, "its supervisor shows %u pages and speaks of %u",
                            letter->fd_count, wanted);
    for (unsigned i = 0; i < told->worker_count; i++) {
        view->shared[i] = map_page(letter->fds[at++], sizeof(struct ae_shared), err);
        view->logs[i] = view->shared[i] ? map_page(letter->fds[at++], told->log_size, err) : NULL;
        if (!view->logs[i])
            return err->code;
    }
    for (unsigned i = 0; i < told->port_count; i++)
        for (unsigned j = 0; j < told->ports[i].info.queues; j++) {
            view->queues[i][j] = map_page(letter->fds[at++], sizeof(struct ae_queue_state), err);
            if (!view->queues[i][j])
                return err->code;
        }
    for (unsigned i = 0; i < told->channel_count; i++) {
        view->channels[i] = map_page(letter->fds[at++], CHANNEL_BYTES, err);
        if (!view->channels[i])
            return err->code;
    }
    return 0;
}

static int open_view(struct ae_view *view, const char *path, struct ae_error *err)
{
    struct ae_letter letter = {.fd_count = 0};
    struct ucred peer;
    socklen_t size = sizeof(peer);
    int rc;

    view->fd = ae_letter_connect(path, err);
    if (view->fd < 0)
        return view->fd;
    rc = receive(view->fd, &letter, &view->told, err);
    if (!rc && getsockopt(view->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
        rc = ae_error_set(err, -errno, "asking who it is: %s", strerror(errno));
    if (!rc)
        rc = check_message(&view->told, err);
    if (!rc) {
        view->pid = peer.pid;
        view->user = peer.uid;
        rc = map_pages(view, &letter, err);
    }
    ae_letter_close(&letter);
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
    for (unsigned i = 0; i < AE_WORKER_CHANNELS; i++)
        if (view->channels[i])
            munmap((void *)(uintptr_t)view->channels[i], CHANNEL_BYTES);
    ae_descriptor_close(&view->fd);
    free(view);
}

/* ---- All of them ---- */

struct walk {
    char place[64];
    unsigned count;
    bool dead; /* there was one whose supervisor was killed, and it was removed */
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
        walk->dead |= !ae_root_remove(path);
    else if (rc != -ENOENT)
        return walk->each(NULL, name, &why, walk->context);
    return 0;
}

/* A channel that a dead supervisor had. */
static int forget_channel(const char *name, void *context)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%.64s", (const char *)context, name);
    ae_letter_forget(path);
    return 0;
}

static int look_in(const char *home, struct walk *walk)
{
    char channels[64];
    int rc;

    walk->count = 0;
    walk->dead = false;
    snprintf(walk->place, sizeof(walk->place), "%s/aether/runs", home);
    rc = ae_root_list(walk->place, look_at, walk);
    snprintf(channels, sizeof(channels), "%s/aether/" AE_NAMED_CHANNELS, home);
    if (walk->dead)
        ae_root_list(channels, forget_channel, channels);
    return rc == -ENOENT ? 0 : rc;
}

int ae_view_each(int (*each)(struct ae_view *view, const char *name, const struct ae_error *why,
                             void *context),
                 void *context)
{
    struct walk walk = {.each = each, .context = context};
    char home[32];
    int rc = look_in("/run", &walk);

    if (rc || !geteuid())
        return rc;
    snprintf(home, sizeof(home), "/run/user/%u", geteuid());
    return look_in(home, &walk);
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

void ae_view_get_depth(const struct ae_view *view, unsigned channel, struct ae_view_depth *depth)
{
    *depth = (struct ae_view_depth){0};
    if (view->told.channels[channel].kind == AE_NAMED_LOAN)
        return;
    if (view->told.channels[channel].kind == AE_NAMED_BROADCAST) {
        const struct ae_broadcast_memory *memory = view->channels[channel];

        depth->messages = read_once(&memory->head);
    } else {
        const struct ae_channel_memory *memory = view->channels[channel];
        /* In this order: what is released was committed. */
        uint64_t tail = read_once(&memory->tail), head = read_once(&memory->head);

        depth->used = head - tail <= view->told.channels[channel].size ? head - tail : 0;
        depth->refused = read_once(&memory->refused);
    }
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

unsigned ae_view_get_nets(const struct ae_view *view, unsigned worker,
                          struct ae_view_net nets[AE_WORKER_NETS])
{
    const struct ae_shared *shared = view->shared[worker];
    /* Pairs with the release store in ae_worker_net. */
    uint32_t count = __atomic_load_n(&shared->net_count, __ATOMIC_ACQUIRE);

    count = count < AE_WORKER_NETS ? count : AE_WORKER_NETS;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t *from = (const uint64_t *)&shared->nets[i].counts;

        nets[i].address.be = __atomic_load_n(&shared->nets[i].options.address.be, __ATOMIC_RELAXED);
        for (size_t j = 0; j < sizeof(nets[i].counts) / sizeof(*from); j++)
            ((uint64_t *)&nets[i].counts)[j] = read_once(&from[j]);
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
