/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/front/dialogue.h"

#include <errno.h>
#include <poll.h>

#include "base/error.h"
#include "base/now.h"
#include "port/vhost/format.h"

int ae_vhost_patience_ms = 5000;

void ae_vhost_begin(struct ae_vhost_front *front, const struct ae_vhost_step *dialogue,
                    unsigned pair)
{
    front->dialogue = front->step = dialogue;
    front->pair = pair;
    front->awaited = 0;
    front->deadline = ae_now_ms() + ae_vhost_patience_ms;
}

static const char *name_of(uint32_t request)
{
    return ae_vhost_name(VHOST_USER_FRONTEND_REQUEST, request);
}

/* 0: no room in the socket, or its time has passed. */
static int overdue(const struct ae_vhost_front *front, const char *what, struct ae_error *err)
{
    if (ae_now_ms() < front->deadline)
        return 0;
    return ae_error_set(err, -ETIMEDOUT, "the back end did not %s %s within %d ms", what,
                        name_of(front->step->request), ae_vhost_patience_ms);
}

static int say(struct ae_vhost_front *front, struct ae_error *err)
{
    const struct ae_vhost_step *step = front->step;
    struct vhost_user_message message;
    int rc;

    ae_vhost_init(&message, VHOST_USER_FRONTEND_REQUEST, step->request);
    rc = step->ask ? step->ask(front, &message, err) : 0;
    if (rc || !step->request)
        return rc ? rc : 1;
    if (!ae_vhost_has_reply(step->request) &&
        ae_vhost_has(front, VHOST_USER_PROTOCOL_F_REPLY_ACK) &&
        step->request != VHOST_USER_SET_PROTOCOL_FEATURES)
        message.flags |= VHOST_USER_NEED_REPLY_MASK;
    rc = ae_vhost_send(front->peer.fd, &message, 0, err);
    front->sent_late = rc == -EAGAIN;
    if (rc == -EAGAIN)
        return overdue(front, "take", err);
    if (rc)
        return rc;
    if (ae_vhost_has_reply(step->request) || message.flags & VHOST_USER_NEED_REPLY_MASK)
        front->awaited = step->request;
    return 1;
}

static int take_answer(struct ae_vhost_front *front, struct vhost_user_message *answer,
                       struct ae_error *err)
{
    if (answer->request != front->awaited)
        return ae_error_set(err, -EPROTO, "the back end answered %s with one to %s",
                            name_of(front->awaited), name_of(answer->request));
    front->awaited = 0;
    if (ae_vhost_has_reply(answer->request))
        return front->step->take ? front->step->take(front, answer, err) : 0;
    if (answer->payload.u64)
        return ae_error_set(err, -EPROTO, "the back end refused %s (it answered 0x%llx)",
                            name_of(answer->request), (unsigned long long)answer->payload.u64);
    return 0;
}

static int hear(struct ae_vhost_front *front, struct ae_error *err)
{
    struct vhost_user_message answer;
    int rc = ae_vhost_peer_receive(&front->peer, &answer, err);

    if (rc < 0)
        return ae_error_prefix(err, rc, "waiting for the answer to %s", name_of(front->awaited));
    if (rc == 0)
        return overdue(front, "answer", err);
    rc = take_answer(front, &answer, err);
    ae_vhost_close_fds(&answer);
    return rc ? rc : 1;
}

int ae_vhost_advance(struct ae_vhost_front *front, struct ae_error *err)
{
    while (front->step->request || front->step->ask) {
        bool skip = !front->awaited && front->step->wanted && !front->step->wanted(front);
        int rc = skip ? 1 : front->awaited ? hear(front, err) : say(front, err);

        if (rc <= 0)
            return rc;
        if (!front->awaited)
            front->step++;
    }
    return 1;
}

int ae_vhost_converse(struct ae_vhost_front *front, const struct ae_vhost_step *dialogue,
                      unsigned pair, struct ae_error *err)
{
    int rc;

    ae_vhost_begin(front, dialogue, pair);
    for (rc = ae_vhost_advance(front, err); rc == 0; rc = ae_vhost_advance(front, err)) {
        struct pollfd poll_fd = {.fd = front->sent_late ? front->peer.fd : front->peer.relay,
                                 .events = front->sent_late ? POLLOUT : POLLIN};
        int64_t left = front->deadline - ae_now_ms();

        poll(&poll_fd, 1, left > 0 ? (int)left : 0);
    }
    front->dialogue = NULL;
    return rc < 0 ? rc : 0;
}
