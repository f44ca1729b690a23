/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/named.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <aether/broadcast.h>
#include <aether/channel.h>
#include <aether/loan.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "base/sealed.h"
#include "base/text.h"
#include "port/handoff.h"
#include "worker/letter.h"
#include "worker/named.h"
#include "worker/supervisor/shares.h"

/* ---- What was asked for ---- */

static uint32_t slots_of(const struct ae_supervise_channel *channel)
{
    return channel->slot && channel->size % channel->slot == 0 ? channel->size / channel->slot : 0;
}

static size_t size_of(const struct ae_supervise_channel *channel)
{
    if (channel->kind == AE_NAMED_LOAN)
        return ae_loan_size(channel->size);
    return channel->kind == AE_NAMED_BROADCAST ? ae_broadcast_size(slots_of(channel), channel->slot)
                                               : ae_channel_size(channel->size);
}

static bool has_port(const struct ae_supervise_options *options,
                     const struct ae_supervise_channel *channel)
{
    unsigned first, count;

    return channel->port < options->port_count &&
           ae_shares_find(options, channel->worker, channel->port, &first, &count);
}

static int check_one(const struct ae_supervise_options *options, unsigned number,
                     struct ae_error *err)
{
    const struct ae_supervise_channel *channel = &options->channels[number];
    int rc = 0;

    if (!ae_named_is_name(channel->name))
        rc = ae_error_set(err, -EINVAL, "1 to %d letters, digits and -_. make a name",
                          AE_WORKER_NAME - 1);
    else if (channel->worker >= options->cpu_count)
        rc = ae_error_set(err, -EINVAL, "there is no worker %u", channel->worker);
    else if (channel->kind == AE_NAMED_BROADCAST && !size_of(channel))
        rc = ae_error_set(err, -EINVAL,
                          "%u bytes in slots of %u: slots are a multiple of 64 up to 65536, and a "
                          "power of two of them, from 4 to 2^20",
                          channel->size, channel->slot);
    else if (channel->kind == AE_NAMED_LOAN && !size_of(channel))
        rc = ae_error_set(err, -EINVAL, "%u packets: 1 to %u can be lent", channel->size,
                          AE_LOAN_LIMIT_MAX);
    else if (channel->kind == AE_NAMED_LOAN && !has_port(options, channel))
        rc = ae_error_set(err, -EINVAL, "worker %u has nothing of a port %u, to lend its packets",
                          channel->worker, channel->port);
    else if (!size_of(channel))
        rc = ae_error_set(err, -EINVAL, "%u bytes: a power of two is needed, from 64 to 2^30",
                          channel->size);
    for (unsigned i = 0; i < number && !rc; i++)
        if (strcmp(options->channels[i].name, channel->name) == 0)
            rc = ae_error_set(err, -EINVAL, "there is one of this name already");
    return rc ? ae_error_prefix(err, rc, "channel %s", AE_TEXT(channel->name)) : 0;
}

int ae_channels_check(const struct ae_supervise_options *options, struct ae_error *err)
{
    int rc = 0;

    if (options->channel_count > AE_WORKER_CHANNELS)
        return ae_error_set(err, -EINVAL, "%u channels; %d are the most", options->channel_count,
                            AE_WORKER_CHANNELS);
    for (unsigned i = 0; i < options->channel_count && !rc; i++)
        rc = check_one(options, i, err);
    return rc;
}

uint32_t ae_channels_lent(const struct ae_supervise_options *options, unsigned port)
{
    uint32_t lent[AE_SUPERVISE_WORKERS] = {0}, most = 0;

    for (unsigned i = 0; i < options->channel_count; i++) {
        const struct ae_supervise_channel *channel = &options->channels[i];

        if (channel->kind != AE_NAMED_LOAN || channel->port != port)
            continue;
        lent[channel->worker] += channel->size;
        most = lent[channel->worker] > most ? lent[channel->worker] : most;
    }
    return most;
}

/* ---- Loans ---- */

static void let_peer_go(struct ae_supervisor_channel *channel)
{
    if (channel->loan && channel->peer >= 0)
        ae_loan_borrower_ended(channel->loan);
    ae_descriptor_close(&channel->peer);
}

static void end_loan(struct ae_supervisor_channel *channel)
{
    ae_loan_lender_ended(channel->loan);
    ae_descriptor_close(&channel->peer);
}

static void drop_loan(struct ae_supervisor_channel *channel)
{
    if (!channel->loan)
        return;
    end_loan(channel);
    ae_fragile_forget(&channel->fragile);
    munmap(channel->loan, channel->size);
    channel->loan = NULL;
    ae_descriptor_close(&channel->fd);
}

/* A lender begins with a new one. */
static int make_loan(struct ae_supervisor_channel *channel,
                     const struct ae_supervise_channel *asked, int cpu, struct ae_error *err)
{
    int rc;

    drop_loan(channel);
    channel->size = size_of(asked);
    channel->loan = ae_sealed_make(&channel->fd, "aether-loan", NULL, channel->size, AE_SEALS_SIZE);
    if (!channel->loan)
        return ae_error_set(err, -errno, "making its memory: %s", strerror(errno));
    ae_supervisor_place(channel->loan, channel->size, cpu);
    rc = ae_fragile_expect(&channel->fragile, channel->loan, channel->size,
                           (size_t)sysconf(_SC_PAGESIZE), &channel->lost);
    if (rc)
        return ae_error_set(err, rc, "guarding its memory: %s", strerror(-rc));
    return ae_loan_create(channel->loan, asked->size, err);
}

void ae_supervisor_end_loans(struct ae_supervisor *supervisor, unsigned number)
{
    for (unsigned i = 0; i < supervisor->channel_count; i++)
        if (supervisor->options->channels[i].worker == number && supervisor->channels[i].loan)
            end_loan(&supervisor->channels[i]);
}

/* ---- Made ---- */

static int make_memory(struct ae_supervisor_channel *channel,
                       const struct ae_supervise_channel *asked, int cpu, struct ae_error *err)
{
    void *memory;
    int rc;

    channel->size = size_of(asked);
    memory = ae_sealed_make(&channel->fd, "aether-channel", NULL, channel->size, AE_SEALS_SIZE);
    if (!memory)
        return ae_error_set(err, -errno, "making its memory: %s", strerror(errno));
    ae_supervisor_place(memory, channel->size, cpu);
    rc = asked->kind == AE_NAMED_BROADCAST
             ? ae_broadcast_create(memory, slots_of(asked), asked->slot, err)
             : ae_channel_create(memory, asked->size, err);
    munmap(memory, channel->size);
    return rc;
}

static int open_one(struct ae_supervisor *supervisor, unsigned number, struct ae_error *err)
{
    const struct ae_supervise_channel *asked = &supervisor->options->channels[number];
    struct ae_supervisor_channel *channel = &supervisor->channels[number];
    const char *run = ae_supervisor_name(supervisor);
    char name[2 * AE_WORKER_NAME];
    int rc;

    *channel = (struct ae_supervisor_channel){.fd = -1, .peer = -1, .place.fd = -1};
    supervisor->channel_count++;
    if (!ae_named_is_name(run))
        return ae_error_set(err, -EINVAL,
                            "the run is called %s, by which nobody finds it: give it a name",
                            AE_TEXT(run));
    if (asked->kind != AE_NAMED_LOAN) {
        rc = make_memory(channel, asked, supervisor->options->cpus[asked->worker], err);
        if (rc)
            return rc;
    }
    snprintf(name, sizeof(name), "%s:%s", run, asked->name);
    return ae_place_open(&channel->place, AE_NAMED_CHANNELS, name, ae_supervisor_user(supervisor),
                         err);
}

int ae_supervisor_open_channels(struct ae_supervisor *supervisor, struct ae_error *err)
{
    int rc = 0;

    for (unsigned i = 0; i < supervisor->options->channel_count && !rc; i++) {
        rc = open_one(supervisor, i, err);
        if (rc)
            ae_error_prefix(err, rc, "channel %s", supervisor->options->channels[i].name);
    }
    return rc;
}

void ae_supervisor_close_channels(struct ae_supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->channel_count; i++) {
        ae_place_close(&supervisor->channels[i].place);
        drop_loan(&supervisor->channels[i]);
        ae_descriptor_close(&supervisor->channels[i].peer);
        ae_descriptor_close(&supervisor->channels[i].fd);
    }
}

/* Which of a worker's ports: it has those that it has queues of. */
static uint32_t port_of(const struct ae_supervise_options *options,
                        const struct ae_supervise_channel *channel)
{
    unsigned first, count;
    uint32_t port = 0;

    for (unsigned i = 0; i < channel->port; i++)
        port += ae_shares_find(options, channel->worker, i, &first, &count);
    return port;
}

int ae_supervisor_hand_channels(struct ae_supervisor *supervisor, unsigned number,
                                struct ae_error *err)
{
    struct ae_shared *shared = supervisor->wards[number].shared;

    for (unsigned i = 0; i < supervisor->channel_count; i++) {
        const struct ae_supervise_channel *asked = &supervisor->options->channels[i];
        struct ae_shared_channel *handed = &shared->channels[shared->channel_count];

        if (asked->worker != number)
            continue;
        if (asked->kind == AE_NAMED_LOAN) {
            int rc = make_loan(&supervisor->channels[i], asked, supervisor->wards[number].cpu, err);

            if (rc)
                return ae_error_prefix(err, rc, "loan %s", asked->name);
        }
        snprintf(handed->name, sizeof(handed->name), "%s", asked->name);
        handed->kind = asked->kind;
        handed->fd = supervisor->channels[i].fd;
        handed->size = supervisor->channels[i].size;
        handed->port = port_of(supervisor->options, asked);
        shared->channel_count++;
    }
    return 0;
}

/* ---- Who asks ---- */

/* Whatever comes of a peer is his end: he has nothing to say. */
static void free_ended(struct ae_supervisor *supervisor)
{
    struct pollfd peers[AE_WORKER_CHANNELS];

    for (unsigned i = 0; i < supervisor->channel_count; i++)
        peers[i] = (struct pollfd){.fd = supervisor->channels[i].peer, .events = POLLIN};
    if (!supervisor->channel_count || poll(peers, supervisor->channel_count, 0) <= 0)
        return;
    for (unsigned i = 0; i < supervisor->channel_count; i++)
        if (peers[i].revents)
            let_peer_go(&supervisor->channels[i]);
}

/* The memory that a loan's packets are in, to read. -1: it cannot be. */
static int open_buffers(const struct ae_supervisor *supervisor, unsigned port, uint64_t *size)
{
    struct ae_port_handoff handoff;
    const struct ae_port_map *domain;

    if (ae_port_owner_get_handoff(supervisor->owners[port], 0, 1, &handoff))
        return -1;
    domain = ae_handoff_find(&handoff, AE_PORT_MAP_DOMAIN, 0);
    *size = domain->length;
    return ae_sealed_open_to_read(domain->fd);
}

static bool lend_to(const struct ae_supervisor *supervisor, unsigned number,
                    struct ae_named_message *message, int fd)
{
    const struct ae_supervise_channel *asked = &supervisor->options->channels[number];
    int fds[2] = {supervisor->channels[number].fd, -1};

    message->ended = supervisor->wards[asked->worker].fd < 0;
    if (!message->ended)
        fds[1] = open_buffers(supervisor, asked->port, &message->buffers_size);
    ae_letter_send(fd, message, sizeof(*message), fds, fds[1] < 0 ? 0 : 2);
    ae_descriptor_close(&fds[1]);
    return message->buffers_size != 0;
}

static void answer(struct ae_supervisor *supervisor, unsigned number, int fd, pid_t pid)
{
    struct ae_supervisor_channel *channel = &supervisor->channels[number];
    enum ae_named_kind kind = supervisor->options->channels[number].kind;
    struct ae_named_message message = {
        .magic = AE_NAMED_MAGIC, .kind = kind, .size = channel->size};

    if (kind == AE_NAMED_BROADCAST) {
        int page = ae_sealed_open_to_read(channel->fd);

        if (page >= 0)
            ae_letter_send(fd, &message, sizeof(message), &page, 1);
        ae_descriptor_close(&page);
    } else if (channel->peer >= 0) {
        message.holder = channel->peer_pid ? channel->peer_pid : -1;
        ae_letter_send(fd, &message, sizeof(message), NULL, 0);
    } else {
        bool has = true;

        if (kind == AE_NAMED_LOAN)
            has = lend_to(supervisor, number, &message, fd);
        else
            ae_letter_send(fd, &message, sizeof(message), &channel->fd, 1);
        if (has) {
            channel->peer = fd;
            channel->peer_pid = pid;
            return;
        }
    }
    close(fd);
}

void ae_supervisor_step_channels(struct ae_supervisor *supervisor)
{
    free_ended(supervisor);
    for (unsigned i = 0; i < supervisor->channel_count; i++) {
        pid_t pid;
        int fd = ae_place_accept(&supervisor->channels[i].place, &pid);

        if (fd >= 0)
            answer(supervisor, i, fd, pid);
    }
}
