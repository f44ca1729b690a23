/* SPDX-License-Identifier: Apache-2.0 */
#include "port/vhost/front/inflight.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "port/vhost/front/rings.h"

/* So often may the return to the rings fail: one that trips over what it left is not called back to
 * it for ever. */
#define TRIES 3

bool ae_vhost_inflight_due(const struct ae_vhost_front *front)
{
    return ae_vhost_has(front, VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD) && !front->inflight.sent;
}

void ae_vhost_inflight_forget(struct ae_vhost_front *front)
{
    struct ae_port_state *state = front->owner->state;

    if (front->inflight.fd >= 0)
        close(front->inflight.fd);
    front->inflight = (struct ae_vhost_inflight){.fd = -1};
    /* The worker looks at it when the generation has changed, which is stored after this. */
    __atomic_store_n(&state->epoch, state->epoch + 1, __ATOMIC_RELAXED);
}

void ae_vhost_inflight_left(struct ae_vhost_front *front)
{
    bool tripped = front->dialogue == ae_vhost_inflight || front->dialogue == ae_vhost_pair_start;

    front->inflight.sent = false;
    front->inflight.failed = front->ran ? 0 : front->inflight.failed + tripped;
    if (front->inflight.fd < 0 || front->inflight.failed == TRIES)
        ae_vhost_inflight_forget(front);
}

/* ---- Steps ---- */

static bool has_none(const struct ae_vhost_front *front)
{
    return front->inflight.fd < 0;
}

static int describe(struct ae_vhost_front *front, struct vhost_user_message *message,
                    struct ae_error *err)
{
    const struct ae_port_handoff *handoff = &front->owner->handoff;

    (void)err;
    message->payload.inflight = (struct vhost_user_inflight){
        .mmap_size = front->inflight.size,
        .mmap_offset = front->inflight.offset,
        .num_queues = (uint16_t)(2 * handoff->info.queues),
        .queue_size =
            handoff->receive_ring > handoff->send_ring ? handoff->receive_ring : handoff->send_ring,
    };
    message->size = sizeof(message->payload.inflight);
    return 0;
}

static int ask_set(struct ae_vhost_front *front, struct vhost_user_message *message,
                   struct ae_error *err)
{
    message->fds[0] = front->inflight.fd;
    message->fd_count = 1;
    return describe(front, message, err);
}

/* A file (in memory: else it had not come in) that has what the answer says it has. */
static int check(const struct vhost_user_message *answer, struct ae_error *err)
{
    uint64_t size = answer->payload.inflight.mmap_size;
    uint64_t offset = answer->payload.inflight.mmap_offset;

    if (answer->fd_count != 1)
        return ae_error_set(err, -EPROTO,
                            "the back end offers to track what is in flight, and gave no buffer "
                            "for it (no descriptor came)");
    if (size == 0 || offset + size < offset)
        return ae_error_set(err, -EPROTO,
                            "the back end's in-flight buffer cannot be: %llu bytes at %llu",
                            (unsigned long long)size, (unsigned long long)offset);
    if (answer->file_sizes[0] < offset + size)
        return ae_error_set(err, -EPROTO,
                            "the back end's in-flight buffer is said to be %llu bytes at %llu; its "
                            "file has %llu",
                            (unsigned long long)size, (unsigned long long)offset,
                            (unsigned long long)answer->file_sizes[0]);
    return 0;
}

static int take_buffer(struct ae_vhost_front *front, struct vhost_user_message *answer,
                       struct ae_error *err)
{
    int rc = check(answer, err);

    if (rc)
        return rc;
    front->inflight.size = answer->payload.inflight.mmap_size;
    front->inflight.offset = answer->payload.inflight.mmap_offset;
    front->inflight.fd = ae_vhost_take_fd(answer, 0);
    return 0;
}

const struct ae_vhost_step ae_vhost_inflight[] = {
    {.request = VHOST_USER_GET_INFLIGHT_FD,
     .wanted = has_none,
     .ask = describe,
     .take = take_buffer},
    {.request = VHOST_USER_SET_INFLIGHT_FD, .ask = ask_set},
    {0},
};
