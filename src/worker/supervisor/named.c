/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/named.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <aether/broadcast.h>
#include <aether/channel.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "base/sealed.h"
#include "base/text.h"
#include "worker/letter.h"
#include "worker/named.h"

/* ---- What was asked for ---- */

static uint32_t slots_of(const struct ae_supervise_channel *channel)
{
    return channel->slot && channel->size % channel->slot == 0 ? channel->size / channel->slot : 0;
}

static size_t size_of(const struct ae_supervise_channel *channel)
{
    return channel->kind == AE_NAMED_BROADCAST ? ae_broadcast_size(slots_of(channel), channel->slot)
                                               : ae_channel_size(channel->size);
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

/* ---- Made ---- */

static int make_memory(struct ae_supervisor_channel *channel,
                       const struct ae_supervise_channel *asked, struct ae_error *err)
{
    void *memory;
    int rc;

    channel->size = size_of(asked);
    memory = ae_sealed_make(&channel->fd, "aether-channel", NULL, channel->size, AE_SEALS_SIZE);
    if (!memory)
        return ae_error_set(err, -errno, "making its memory: %s", strerror(errno));
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
    rc = make_memory(channel, asked, err);
    if (rc)
        return rc;
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
        ae_descriptor_close(&supervisor->channels[i].peer);
        ae_descriptor_close(&supervisor->channels[i].fd);
    }
}

void ae_supervisor_hand_channels(struct ae_supervisor *supervisor, unsigned number)
{
    struct ae_shared *shared = supervisor->wards[number].shared;

    for (unsigned i = 0; i < supervisor->channel_count; i++) {
        const struct ae_supervise_channel *asked = &supervisor->options->channels[i];
        struct ae_shared_channel *handed = &shared->channels[shared->channel_count];

        if (asked->worker != number)
            continue;
        snprintf(handed->name, sizeof(handed->name), "%s", asked->name);
        handed->kind = asked->kind;
        handed->fd = supervisor->channels[i].fd;
        handed->size = supervisor->channels[i].size;
        shared->channel_count++;
    }
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
            ae_descriptor_close(&supervisor->channels[i].peer);
}

static void answer(struct ae_supervisor_channel *channel, enum ae_named_kind kind, int fd,
                   pid_t pid)
{
    struct ae_named_message message = {
        .magic = AE_NAMED_MAGIC, .kind = kind, .size = channel->size};

    if (kind == AE_NAMED_BROADCAST) {
        int page = ae_sealed_open_to_read(channel->fd);

        if (page >= 0)
            ae_letter_send(fd, &message, sizeof(message), &page, 1);
        ae_descriptor_close(&page);
    } else if (channel->peer >= 0) {
        message.holder = channel->peer_pid;
        ae_letter_send(fd, &message, sizeof(message), NULL, 0);
    } else {
        ae_letter_send(fd, &message, sizeof(message), &channel->fd, 1);
        channel->peer = fd;
        channel->peer_pid = pid;
        return;
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
            answer(&supervisor->channels[i], supervisor->options->channels[i].kind, fd, pid);
    }
}
