/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/front/agenda.h"

#include "port/vhost/front/connection.h"
#include "port/vhost/front/dialogue.h"
#include "port/vhost/front/inflight.h"
#include "port/vhost/front/negotiation.h"
#include "port/vhost/front/rings.h"

/* The back end knows our memory. Its rings are those that were, if it can go on with them. */
static void announce(struct ae_vhost_front *front)
{
    if (front->inflight.fd < 0 || !ae_vhost_has(front, VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD))
        ae_vhost_inflight_forget(front);
    front->announced = true;
    ae_vhost_front_present(front, true);
}

/* The worker has this queue's rings ready for the back end that is there now. */
static bool laid_out(const struct ae_vhost_front *front, unsigned pair)
{
    /* Pairs with the release store of the worker: the rings are there before its word that they
     * are. */
    return __atomic_load_n(&front->owner->queue_states[pair].generation, __ATOMIC_ACQUIRE) ==
           front->owner->state->generation;
}

/* Rings start by a kick. */
static void pair_runs(struct ae_vhost_front *front)
{
    front->running[front->pair] = true;
    ae_vhost_front_kick(front, VIRTIO_NET_RECEIVEQ(front->pair));
    ae_vhost_front_kick(front, VIRTIO_NET_TRANSMITQ(front->pair));
    ae_vhost_front_link(front, true);
    front->returned = front->ran = true;
    front->owner->trouble.text[0] = '\0';
}

static int begin_next(struct ae_vhost_front *front, struct ae_error *err)
{
    if (!front->announced) {
        ae_vhost_begin(front, ae_vhost_memory, 0);
        return 0;
    }
    if (ae_vhost_inflight_due(front)) {
        ae_vhost_begin(front, ae_vhost_inflight, 0);
        return 0;
    }
    for (unsigned i = 0; front->started && i < front->owner->handoff.info.queues; i++)
        if (!front->running[i] && laid_out(front, i)) {
            ae_vhost_begin(front, ae_vhost_pair_start, i);
            return ae_vhost_front_kicks(front, i, err);
        }
    return 0;
}

static void finish(struct ae_vhost_front *front, const struct ae_vhost_step *dialogue)
{
    if (dialogue == ae_vhost_memory)
        announce(front);
    else if (dialogue == ae_vhost_inflight)
        front->inflight.sent = true;
    else if (dialogue == ae_vhost_pair_start)
        pair_runs(front);
}

int ae_vhost_front_proceed(struct ae_vhost_front *front, struct ae_error *err)
{
    for (;;) {
        int rc;

        if (!front->dialogue) {
            rc = begin_next(front, err);
            if (rc || !front->dialogue)
                return rc;
        }
        rc = ae_vhost_advance(front, err);
        if (rc <= 0)
            return rc;
        finish(front, front->dialogue);
        front->dialogue = NULL;
    }
}

int ae_vhost_front_hold(struct ae_vhost_front *front, const struct ae_vhost_step *dialogue,
                        unsigned pair, struct ae_error *err)
{
    int rc = ae_vhost_converse(front, dialogue, pair, err);

    if (!rc)
        finish(front, dialogue);
    return rc;
}
