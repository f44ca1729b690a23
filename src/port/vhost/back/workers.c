/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/back/workers.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"

#define SPEED_MBPS 10000

bool ae_vhost_workers_took_over(const struct ae_vhost_server *server)
{
    const struct ae_port_owner *owner = server->owner;

    for (unsigned i = 0; i < server->session.queues; i++)
        /* Pairs with the release in take_over: the positions are there. */
        if (__atomic_load_n(&owner->queue_states[i].generation, __ATOMIC_ACQUIRE) !=
            owner->state->generation)
            return false;
    return true;
}

static bool any_runs(const struct ae_vhost_server *server)
{
    for (unsigned i = 0; i < server->session.queues; i++)
        if (server->handed[i].rings[0].run || server->handed[i].rings[1].run)
            return true;
    return false;
}

/* Every queue, before any looks. On failure (no room: they do not poll) it is tried again later. */
static bool hand_over(struct ae_vhost_server *server, const struct ae_vhost_handover *handovers)
{
    struct ae_port_state *state = server->owner->state;
    uint32_t generation = state->generation + 1;

    for (unsigned i = 0; i < server->session.queues; i++) {
        struct ae_vhost_handover handover = handovers[i];

        handover.generation = generation;
        if (ae_vhost_send_handover(server->controls[i], &handover, server->session.region_fds,
                                   &server->error))
            return false;
    }
    memcpy(server->handed, handovers, server->session.queues * sizeof(*handovers));
    __atomic_store_n(&state->generation, generation, __ATOMIC_RELEASE);
    return true;
}

/* Where rings stood that ran and do not any more; by the worker, so within the ring or not used. */
static void note_positions(struct ae_vhost_server *server)
{
    for (unsigned i = 0; i < server->session.queues; i++)
        for (unsigned j = 0; j < 2; j++)
            if (server->ran[i].rings[j].run)
                server->session.vrings[2 * i + j].position =
                    server->owner->queue_states[i].positions[j];
    memset(server->ran, 0, sizeof(server->ran));
    server->stopping = false;
}

static void describe(const struct ae_vhost_server *server, struct ae_vhost_handover *handovers,
                     bool run)
{
    for (unsigned i = 0; i < server->session.queues; i++) {
        ae_vhost_session_describe(&server->session, i, &handovers[i]);
        for (unsigned j = 0; j < 2 && !run; j++)
            handovers[i].rings[j].run = false;
    }
}

bool ae_vhost_workers_stand_still(struct ae_vhost_server *server)
{
    struct ae_vhost_handover handovers[AE_PORT_QUEUES];

    if (!ae_vhost_workers_took_over(server))
        return false;
    if (server->stopping)
        note_positions(server);
    if (!any_runs(server))
        return true;
    memcpy(server->ran, server->handed, sizeof(server->ran));
    describe(server, handovers, false);
    if (hand_over(server, handovers))
        server->stopping = true;
    return false;
}

static bool differs(const struct ae_vhost_handover *one, const struct ae_vhost_handover *other)
{
    struct ae_vhost_handover left = *one, right = *other;

    for (unsigned i = 0; i < 2; i++)
        left.rings[i].position = right.rings[i].position = 0;
    return memcmp(&left, &right, sizeof(left)) != 0;
}

/* Is there something new for the workers? Not while the peer still sets everything up. */
static bool worth_handing_over(const struct ae_vhost_server *server,
                               const struct ae_vhost_handover *wanted)
{
    for (unsigned i = 0; i < server->session.queues; i++) {
        const struct ae_vhost_handover *handed = &server->handed[i];
        bool runs = handed->rings[0].run || handed->rings[1].run || wanted[i].rings[0].run ||
                    wanted[i].rings[1].run;

        if ((runs && differs(handed, &wanted[i])) || handed->announce != wanted[i].announce ||
            (handed->region_count && handed->memory_id != wanted[i].memory_id))
            return true;
    }
    return false;
}

static void set_link(struct ae_vhost_server *server)
{
    struct ae_link old, link = {.full_duplex = true};

    for (unsigned i = 0; i < server->session.queues; i++) {
        const struct ae_vhost_handover_ring *rings = server->handed[i].rings;

        if (rings[0].run && rings[0].enabled && rings[1].run && rings[1].enabled)
            link.up = true;
    }
    link.mbps = link.up ? SPEED_MBPS : 0;
    server->was_up |= link.up && server->peer.fd >= 0;
    ae_port_read_link(server->owner->state, &old);
    link.changes = old.changes + (link.up != old.up);
    ae_port_set_link(server->owner->state, &link);
}

void ae_vhost_workers_update(struct ae_vhost_server *server)
{
    struct ae_vhost_handover handovers[AE_PORT_QUEUES];

    if (!ae_vhost_workers_took_over(server))
        return;
    if (server->stopping)
        note_positions(server);
    describe(server, handovers, true);
    if (worth_handing_over(server, handovers) &&
        (!ae_vhost_workers_stand_still(server) || !hand_over(server, handovers)))
        return;
    set_link(server);
}

/* What was said to a worker that did not hear it is not for the next one. */
static void take_back(const struct ae_vhost_server *server)
{
    struct ae_vhost_handover old;
    int fds[VHOST_USER_MAX_REGIONS];

    for (unsigned i = 0; i < server->session.queues; i++)
        if (ae_vhost_receive_handover(server->owner->controls[i], &old, fds))
            for (uint32_t j = 0; j < old.region_count; j++)
                close(fds[j]);
}

int ae_vhost_workers_start(struct ae_vhost_server *server, struct ae_error *err)
{
    struct ae_vhost_handover handovers[AE_PORT_QUEUES];

    take_back(server);

    memset(server->handed, 0, sizeof(server->handed));
    memset(server->ran, 0, sizeof(server->ran));
    server->stopping = false;
    describe(server, handovers, false);
    if (!hand_over(server, handovers))
        return ae_error_set(err, server->error.code, "%s", server->error.text);
    set_link(server);
    return 0;
}
