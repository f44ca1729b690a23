/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_FRONT_DIALOGUE_H
#define AE_PORT_VHOST_FRONT_DIALOGUE_H

/*
 * What a front end says to a back end is in tables of steps; this takes them one by one without
 * waiting, so that a back end that is slow or silent holds up nobody. Each dialogue begins on an
 * idle connection.
 */

#include "port/vhost/front/front.h"

/* What all messages of a dialogue may take together; tests have less. */
extern int ae_vhost_patience_ms;

/* One message and its answer. request 0: no message, only `ask`; neither: the end of a dialogue. */
struct ae_vhost_step {
    uint32_t request;
    unsigned direction; /* of the vring it is about: 0 receive, 1 send */
    bool (*wanted)(const struct ae_vhost_front *front); /* NULL: always */
    int (*ask)(struct ae_vhost_front *front, struct vhost_user_message *message,
               struct ae_error *err);
    int (*take)(struct ae_vhost_front *front, struct vhost_user_message *answer,
                struct ae_error *err);
};

/* ---- For steps ---- */

#define AE_VHOST_STATUS_DRIVER   (VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER)
#define AE_VHOST_STATUS_FEATURES (AE_VHOST_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK)

static inline int ae_vhost_set_number(struct vhost_user_message *message, uint64_t number)
{
    message->payload.u64 = number;
    message->size = sizeof(message->payload.u64);
    return 0;
}

/* ---- For who holds it ---- */

void ae_vhost_begin(struct ae_vhost_front *front, const struct ae_vhost_step *dialogue,
                    unsigned pair);

/*
 * Takes the dialogue as far as it goes without waiting. 1: it is done. 0: an answer is due; call
 * again when the socket is readable. Negative: the connection is of no use any more.
 */
int ae_vhost_advance(struct ae_vhost_front *front, struct ae_error *err);

/* The same, waiting. */
int ae_vhost_converse(struct ae_vhost_front *front, const struct ae_vhost_step *dialogue,
                      unsigned pair, struct ae_error *err);

#endif
