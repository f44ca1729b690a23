/* SPDX-License-Identifier: Apache-2.0 */

/* A back end that tracks what it has in flight, and goes on with it when it returns. */

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vhost_back.h"

#define BIT (UINT64_C(1) << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD)

void back_track(struct back *back)
{
    back->protocol |= BIT;
}

bool back_tracks(const struct back *back)
{
    return back->taken_protocol & BIT;
}

static bool is_packed(const struct back *back)
{
    return back->taken & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);
}

/* ---- The buffer ---- */

void back_give_buffer(struct back *back, struct vhost_user_message *answer)
{
    struct vhost_user_inflight *inflight = &answer->payload.inflight;
    uint64_t size = inflight->num_queues * tracker_bytes(inflight->queue_size, is_packed(back));
    int ends[2], fd = memfd_create("in-flight", MFD_CLOEXEC);

    assert(fd >= 0 && !ftruncate(fd, (off_t)size));
    inflight->mmap_size = size;
    answer->fds[answer->fd_count++] = fd;
    back->buffers_given++;
    switch (back->buffer_kind) {
    case BACK_NO_FD:
        ae_vhost_close_fds(answer);
        break;
    case BACK_TWO_FDS:
        answer->fds[answer->fd_count++] = dup(fd);
        break;
    case BACK_EMPTY:
        inflight->mmap_size = 0;
        break;
    case BACK_HUGE:
        inflight->mmap_size = 4096;
        inflight->mmap_offset = UINT64_MAX - 4095;
        break;
    case BACK_BEYOND:
        inflight->mmap_offset = 1;
        break;
    case BACK_NO_FILE:
        assert(!pipe(ends));
        close(fd);
        close(ends[1]);
        answer->fds[0] = ends[0];
        break;
    default:
        break;
    }
}

void back_set_buffer(struct back *back, struct vhost_user_message *message)
{
    struct vhost_user_inflight *inflight = &message->payload.inflight;
    struct stat status;

    back_forget_buffer(back);
    assert(!fstat(message->fds[0], &status));
    back->buffer_inode = status.st_ino;
    back->vrings_told = inflight->num_queues;
    back->size_told = inflight->queue_size;
    back->buffer_size = inflight->mmap_size;
    back->buffer = mmap(NULL, back->buffer_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                        message->fds[0], (off_t)inflight->mmap_offset);
    assert(back->buffer != MAP_FAILED);
    back->buffers_set++;
}

void back_forget_buffer(struct back *back)
{
    memset(back->lanes, 0, sizeof(back->lanes));
    if (back->buffer)
        munmap(back->buffer, back->buffer_size);
    back->buffer = NULL;
}

bool back_begin_tracked(struct back *back, unsigned index, bool *fresh)
{
    struct back_vring *vring = &back->vrings[index];
    size_t bytes = tracker_bytes((uint16_t)back->size_told, is_packed(back));

    return back->buffer && index < back->vrings_told && vring->num <= back->size_told &&
           tracker_begin(&vring->tracker, &vring->device, back->buffer + index * bytes, vring->base,
                         fresh);
}

/* ---- Frames ---- */

/* Returns a frame. False: it dies of it. */
static bool deliver(struct back *back, unsigned pair, const struct tracked *sent,
                    const struct tracked *free)
{
    struct virtio_net_hdr header = {.num_buffers = 1};
    enum tracker_death death = atomic_exchange(&back->death, TRACKER_LIVES);

    memcpy(back_at(back, free->buffer.addr), back_at(back, sent->buffer.addr), sent->buffer.len);
    memcpy(back_at(back, free->buffer.addr), &header, sizeof(header));
    tracker_use(&back->vrings[2 * pair].tracker, free, sent->buffer.len,
                death == TRACKER_DIES_EARLY ? death : TRACKER_LIVES);
    if (death != TRACKER_DIES_EARLY) {
        tracker_use(&back->vrings[2 * pair + 1].tracker, sent, 0, death);
        back->echoed++;
    }
    back->hang_up = back->hang_up || death != TRACKER_LIVES;
    return death == TRACKER_LIVES;
}

void back_echo_tracked(struct back *back, unsigned pair)
{
    struct back_vring *in = &back->vrings[2 * pair + 1], *out = &back->vrings[2 * pair];
    struct back_lane *lane = &back->lanes[pair];

    while (in->enabled && out->enabled && (back->hold || !lane->held)) {
        struct tracked sent;

        if (!lane->has_spare && !tracker_take(&out->tracker, &lane->spare))
            break;
        lane->has_spare = true;
        if (!tracker_take(&in->tracker, &sent))
            break;
        lane->has_spare = false;
        if (back->hold) {
            lane->sent[lane->held] = sent;
            lane->free[lane->held++] = lane->spare;
            back->hold--;
            back->held++;
        } else if (!deliver(back, pair, &sent, &lane->spare)) {
            return;
        }
    }
    for (; lane->held && back->use_last; back->use_last--) {
        lane->held--;
        deliver(back, pair, &lane->sent[lane->held], &lane->free[lane->held]);
    }
}
