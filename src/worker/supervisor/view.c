/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/sealed.h"
#include "port/handoff.h"
#include "worker/letter.h"
#include "worker/supervisor/logger.h"
#include "worker/supervisor/shares.h"

/* ---- Its name ---- */

void ae_supervisor_view_open(struct ae_supervisor *supervisor)
{
    struct ae_error why;
    char name[16];

    supervisor->view.since_ms = ae_supervisor_now();
    snprintf(name, sizeof(name), "%d", getpid());
    if (ae_place_open(&supervisor->view.place, "runs", name, ae_supervisor_user(supervisor), &why))
        snprintf(supervisor->result->view_notice, sizeof(supervisor->result->view_notice),
                 "this run cannot be looked at while it goes on: %.600s", why.text);
}

void ae_supervisor_view_close(struct ae_supervisor *supervisor)
{
    ae_place_close(&supervisor->view.place);
}

/* ---- What it shows ---- */

struct answer {
    struct ae_view_message message;
    int pages[AE_VIEW_PAGES];
    unsigned page_count;
};

static int add_page(struct answer *answer, int fd)
{
    int page = ae_sealed_open_to_read(fd);

    if (page < 0)
        return -errno;
    answer->pages[answer->page_count++] = page;
    return 0;
}

static enum ae_view_state state_of(const struct ae_ward *ward)
{
    static const enum ae_view_state states[] = {
        [AE_GATE_STARTED] = AE_VIEW_STARTED,
        [AE_GATE_QUIET] = AE_VIEW_QUIET,
        [AE_GATE_LEFT] = AE_VIEW_LEFT,
    };

    return ward->fd < 0 ? AE_VIEW_ENDED : states[ward->gate];
}

static void note_states(struct ae_supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->ward_count; i++) {
        struct ae_supervisor_view_ward *seen = &supervisor->view.wards[i];
        enum ae_view_state state = state_of(&supervisor->wards[i]);

        if (seen->since_ms && seen->state == state)
            continue;
        seen->state = state;
        seen->since_ms = ae_supervisor_now();
        if (state == AE_VIEW_QUIET)
            ae_view_read_kernel(supervisor->wards[i].cpu, &seen->kernel);
    }
}

static int add_workers(const struct ae_supervisor *supervisor, struct answer *answer)
{
    int rc = 0;

    for (unsigned i = 0; i < supervisor->ward_count && !rc; i++) {
        answer->message.workers[i] = (struct ae_view_worker){
            .cpu = supervisor->wards[i].cpu,
            .pid = supervisor->wards[i].launch.pid,
            .state = supervisor->view.wards[i].state,
            .since_ms = supervisor->view.wards[i].since_ms,
            .kernel = supervisor->view.wards[i].kernel,
        };
        rc = add_page(answer, supervisor->wards[i].shared_fd);
        if (!rc)
            rc = add_page(answer, supervisor->wards[i].log_fd);
    }
    return rc;
}

static void tell_shares(const struct ae_supervisor *supervisor, unsigned port,
                        struct ae_view_port *told)
{
    for (unsigned worker = 0; worker < supervisor->options->cpu_count; worker++) {
        unsigned first, count;

        if (ae_shares_find(supervisor->options, worker, port, &first, &count))
            for (unsigned i = first; i < first + count && i < AE_PORT_QUEUES; i++)
                told->workers[i] = (uint8_t)worker;
    }
}

static int add_port(const struct ae_supervisor *supervisor, unsigned port, struct answer *answer)
{
    struct ae_view_port *told = &answer->message.ports[port];
    struct ae_port_owner *owner = supervisor->owners[port];
    struct ae_port_handoff handoff;
    unsigned queues = ae_shares_queues(supervisor->options, port);
    int rc = ae_port_owner_get_handoff(owner, 0, queues, &handoff);

    if (rc)
        return rc;
    told->info = handoff.info;
    ae_port_owner_get_link(owner, &told->link);
    snprintf(told->trouble, sizeof(told->trouble), "%s", ae_port_owner_trouble(owner));
    tell_shares(supervisor, port, told);
    for (unsigned i = 0; i < queues && !rc; i++)
        rc = add_page(answer, ae_handoff_find(&handoff, AE_PORT_MAP_QUEUE, i)->fd);
    return rc;
}

static int add_channels(const struct ae_supervisor *supervisor, struct answer *answer)
{
    int rc = 0;

    for (unsigned i = 0; i < supervisor->channel_count && !rc; i++) {
        const struct ae_supervise_channel *asked = &supervisor->options->channels[i];
        const struct ae_supervisor_channel *channel = &supervisor->channels[i];
        struct ae_view_channel *told = &answer->message.channels[i];

        *told = (struct ae_view_channel){
            .kind = asked->kind,
            .worker = asked->worker,
            .size = asked->size,
            .peer = channel->peer < 0 ? 0 : channel->peer_pid,
        };
        snprintf(told->name, sizeof(told->name), "%s", asked->name);
        rc = add_page(answer, channel->fd);
    }
    return rc;
}

static void tell_filter(const struct ae_port_filter *filter, struct ae_view_filter *told)
{
    if (!filter)
        return;
    *told = (struct ae_view_filter){
        .set = 1,
        .promiscuous = filter->promiscuous,
        .all_multicast = filter->all_multicast,
        .address_count = filter->address_count,
        .vlan_count = filter->vlan_count,
    };
    for (unsigned i = 0; i < filter->address_count && i < AE_FILTER_ADDRESSES; i++)
        memcpy(told->addresses[i], filter->addresses[i], sizeof(told->addresses[i]));
}

static int make_answer(const struct ae_supervisor *supervisor, struct answer *answer)
{
    struct ae_view_message *message = &answer->message;
    int rc;

    *message = (struct ae_view_message){
        .magic = AE_VIEW_MAGIC,
        .version = AE_VIEW_VERSION,
        .size = sizeof(*message),
        .shared_size = sizeof(struct ae_shared),
        .queue_size = sizeof(struct ae_queue_state),
        .worker_count = supervisor->ward_count,
        .port_count = supervisor->owner_count,
        .channel_count = supervisor->channel_count,
        .user = ae_supervisor_user(supervisor),
        .log_size = (uint32_t)ae_logger_size(),
        .since_ms = supervisor->view.since_ms,
        .reloads = supervisor->options->hooks.hangup != NULL,
    };
    snprintf(message->name, sizeof(message->name), "%s", ae_supervisor_name(supervisor));
    tell_filter(supervisor->options->port.filter, &message->filter);
    rc = add_workers(supervisor, answer);
    for (unsigned i = 0; i < supervisor->owner_count && !rc; i++)
        rc = add_port(supervisor, i, answer);
    return rc ? rc : add_channels(supervisor, answer);
}

static bool answer_one(const struct ae_supervisor *supervisor, int fd)
{
    struct answer answer = {.page_count = 0};
    bool sent = !make_answer(supervisor, &answer) &&
                ae_letter_send(fd, &answer.message, sizeof(answer.message), answer.pages,
                               answer.page_count);

    for (unsigned i = 0; i < answer.page_count; i++)
        close(answer.pages[i]);
    return sent;
}

int ae_supervisor_view_step(struct ae_supervisor *supervisor)
{
    pid_t pid;
    int fd;

    note_states(supervisor);
    fd = ae_place_accept(&supervisor->view.place, &pid);
    if (fd >= 0 && !answer_one(supervisor, fd))
        ae_descriptor_close(&fd);
    return fd;
}
