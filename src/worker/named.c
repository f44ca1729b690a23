/* SPDX-License-Identifier: Apache-2.0 */

/* Channels and loans by name, from both sides that open them: the worker and a host process. */

#include "worker/named.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "base/sealed.h"
#include "base/text.h"
#include "port/port.h"
#include "worker/letter.h"
#include "worker/shared.h"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

const char *ae_named_kind_name(enum ae_named_kind kind)
{
    static const char *const names[AE_NAMED_KINDS] = {"out", "in", "broadcast", "loan"};

    return names[kind];
}

bool ae_named_is_name(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length < AE_WORKER_NAME && strspn(name, NAME_CHARACTERS) == length;
}

/* ---- The worker's ---- */

static int none(const struct ae_worker *worker, const char *name, struct ae_error *err)
{
    char names[AE_WORKER_CHANNELS * AE_WORKER_NAME] = "";

    for (unsigned i = 0; i < worker->channel_count; i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? ", " : "",
                 worker->channels[i].name);
    return ae_error_set(err, -ENOENT, "channel %s: there are %s; 'aether run --channel' makes one",
                        AE_TEXT(name), worker->channel_count ? names : "none");
}

int ae_worker_named(struct ae_worker *worker, const char *name, struct ae_named *named,
                    struct ae_error *err)
{
    for (unsigned i = 0; i < worker->channel_count; i++)
        if (strcmp(worker->channels[i].name, name) == 0) {
            *named = worker->channels[i].named;
            return 0;
        }
    return none(worker, name, err);
}

int ae_worker_open_lender(struct ae_worker *worker, const char *name, struct ae_lender **lender,
                          struct ae_error *err)
{
    for (unsigned i = 0; i < worker->channel_count; i++) {
        const struct ae_named *named = &worker->channels[i].named;
        unsigned number = worker->channels[i].port;
        const struct ae_domain_part *domain;
        int rc;

        if (strcmp(worker->channels[i].name, name) != 0 || named->kind != AE_NAMED_LOAN ||
            number >= worker->port_count)
            continue;
        domain = worker->ports[number]->domain;
        if (worker->channels[i].opened)
            return ae_error_set(err, -EBUSY, "loan %s: it was opened before", AE_TEXT(name));
        rc = ae_lender_open(lender, named->memory, named->size, domain->pool,
                            (uint64_t)domain->slice.first * domain->slice.buffer_size, err);
        worker->channels[i].opened = !rc;
        return rc ? ae_error_prefix(err, rc, "loan %s", AE_TEXT(name)) : 0;
    }
    return none(worker, name, err);
}

int ae_worker_attach_channels(struct ae_worker *worker, struct ae_error *err)
{
    for (; worker->channel_count < worker->shared->channel_count; worker->channel_count++) {
        const struct ae_shared_channel *shared = &worker->shared->channels[worker->channel_count];
        struct ae_named *named = &worker->channels[worker->channel_count].named;

        *named = (struct ae_named){.kind = shared->kind, .size = shared->size, .fd = -1};
        worker->channels[worker->channel_count].port = shared->port;
        memcpy(worker->channels[worker->channel_count].name, shared->name, AE_WORKER_NAME);
        named->memory = ae_sealed_map(shared->fd, shared->size, PROT_READ | PROT_WRITE);
        if (!named->memory)
            return ae_error_set(err, -errno, "mapping channel %s: %s", shared->name,
                                strerror(errno));
        close(shared->fd);
    }
    return 0;
}

void ae_worker_drop_channels(struct ae_worker *worker)
{
    for (unsigned i = 0; i < worker->channel_count; i++)
        ae_named_close(&worker->channels[i].named);
}

/* ---- A host process's ---- */

static int take_buffers(int fd, size_t size, struct ae_named *named, struct ae_error *err)
{
    named->buffers_size = size;
    named->buffers = ae_sealed_map_pages(fd, size, PROT_READ);
    return named->buffers ? 0
                          : ae_error_set(err, -errno, "mapping the packets: %s", strerror(errno));
}

static int take(int fd, struct ae_named *named, struct ae_error *err)
{
    struct ae_letter letter;
    struct ae_named_message told;
    int rc = ae_letter_receive(fd, &letter, &told, sizeof(told), err);

    if (!rc && (letter.length != sizeof(told) || letter.cut || told.magic != AE_NAMED_MAGIC ||
                told.kind >= AE_NAMED_KINDS))
        rc = ae_error_set(err, -EPROTO, "what its supervisor says is not of this version");
    if (!rc && told.ended)
        rc = ae_error_set(err, -ESRCH, "its worker has ended");
    if (!rc && letter.fd_count != (told.kind == AE_NAMED_LOAN ? 2 : 1))
        rc = told.holder > 0 ? ae_error_set(err, -EBUSY, "process %d has it", told.holder)
             : told.holder   ? ae_error_set(err, -EBUSY, "a process elsewhere has it")
                             : ae_error_set(err, -EPROTO, "its supervisor sent no memory");
    if (!rc) {
        named->kind = told.kind;
        named->size = told.size;
        named->memory =
            ae_sealed_map(letter.fds[0], told.size,
                          told.kind == AE_NAMED_BROADCAST ? PROT_READ : PROT_READ | PROT_WRITE);
        if (!named->memory)
            rc = ae_error_set(err, -errno, "mapping it: %s", strerror(errno));
    }
    if (!rc && told.kind == AE_NAMED_LOAN)
        rc = take_buffers(letter.fds[1], told.buffers_size, named, err);
    ae_letter_close(&letter);
    return rc;
}

/* Root's, and the caller's own. */
static int find(const char *name, struct ae_error *err)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "/run/aether/" AE_NAMED_CHANNELS "/%.96s", name);
    fd = ae_letter_connect(path, err);
    if (!geteuid() || (fd != -ENOENT && fd != -ECONNREFUSED))
        return fd;
    snprintf(path, sizeof(path), "/run/user/%u/aether/" AE_NAMED_CHANNELS "/%.64s", geteuid(),
             name);
    return ae_letter_connect(path, err);
}

int ae_named_open(struct ae_named *named, const char *name, struct ae_error *err)
{
    char run[AE_WORKER_NAME] = "";
    const char *colon = strchr(name, ':');
    int rc;

    *named = (struct ae_named){.fd = -1};
    if (colon)
        snprintf(run, sizeof(run), "%.*s", (int)(colon - name), name);
    if (!ae_named_is_name(run) || !ae_named_is_name(colon + 1))
        return ae_error_set(err, -EINVAL, "channel %s: RUN:NAME is needed", AE_TEXT(name));
    named->fd = find(name, err);
    rc = named->fd < 0 ? named->fd : take(named->fd, named, err);
    if (rc == -ENOENT || rc == -ECONNREFUSED)
        rc = ae_error_set(err, -ENOENT, "there is no such run, or it has no channel of this name");
    if (rc)
        ae_named_close(named);
    /* There is nobody behind it. */
    if (!rc && named->kind == AE_NAMED_BROADCAST)
        ae_descriptor_close(&named->fd);
    return rc ? ae_error_prefix(err, rc, "channel %s", name) : 0;
}

void ae_named_close(struct ae_named *named)
{
    if (named->memory)
        munmap(named->memory, named->size);
    if (named->buffers)
        munmap((void *)(uintptr_t)named->buffers, named->buffers_size);
    ae_descriptor_close(&named->fd);
    named->memory = NULL;
    named->buffers = NULL;
}
