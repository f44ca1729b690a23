/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/supervisor/capture.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sealed.h"
#include "worker/letter.h"
#include "worker/mirror.h"
#include "worker/supervisor/shares.h"

static uint32_t frames_of(const struct ae_supervise_options *options)
{
    return options->mirror ? options->mirror : AE_SUPERVISE_MIRROR;
}

int ae_supervisor_make_mirror(struct ae_ward *ward, const struct ae_supervise_options *options,
                              struct ae_error *err)
{
    uint32_t frames = frames_of(options);
    size_t size = ae_broadcast_size(frames, AE_MIRROR_SLOT);
    void *memory;
    int rc;

    if (frames == AE_SUPERVISE_NO_MIRROR)
        return 0;
    if (!size)
        return ae_error_set(
            err, -EINVAL, "a mirror of %u frames: a power of two from 4 to 2^20 is needed", frames);
    memory = ae_sealed_make(&ward->mirror_fd, "aether-mirror", NULL, size, AE_SEALS_SIZE);
    if (!memory)
        return ae_error_set(err, -errno, "making the worker's mirror: %s", strerror(errno));
    ae_supervisor_place(memory, size, ward->cpu);
    rc = ae_broadcast_create(memory, frames, AE_MIRROR_SLOT, err);
    munmap(memory, size);
    ward->shared->mirror_fd = ward->mirror_fd;
    ward->shared->mirror_size = size;
    return rc;
}

/* ---- What workers are asked for ---- */

static uint32_t most_of(const struct ae_supervisor_capture *capture, unsigned port)
{
    uint32_t most = 0;

    for (unsigned i = 0; i < capture->count; i++)
        if (capture->all[i].most[port] > most)
            most = capture->all[i].most[port];
    return most < AE_MIRROR_MOST ? most : AE_MIRROR_MOST;
}

/* The worker counts the ports that it has queues of. */
static void tell_worker(const struct ae_supervisor *supervisor, unsigned worker)
{
    struct ae_shared *shared = supervisor->wards[worker].shared;
    unsigned its = 0, first, count;
    bool any = false;

    for (unsigned port = 0; port < supervisor->owner_count; port++) {
        uint32_t most = most_of(&supervisor->capture, port);

        if (!ae_shares_find(supervisor->options, worker, port, &first, &count))
            continue;
        __atomic_store_n(&shared->capture[its++], most, __ATOMIC_RELAXED);
        any |= most != 0;
    }
    if (any)
        __atomic_fetch_or(&shared->head.asked, AE_WORKER_CAPTURE, __ATOMIC_RELAXED);
    else
        __atomic_fetch_and(&shared->head.asked, ~(uint32_t)AE_WORKER_CAPTURE, __ATOMIC_RELAXED);
}

static void tell_workers(const struct ae_supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->ward_count; i++)
        tell_worker(supervisor, i);
}

/* ---- Who asks ---- */

static void drop(struct ae_supervisor_capture *capture, unsigned place)
{
    close(capture->all[place].fd);
    capture->count--;
    memmove(&capture->all[place], &capture->all[place + 1],
            (capture->count - place) * sizeof(capture->all[0]));
}

static void keep(struct ae_supervisor_capture *capture, int fd)
{
    unsigned place = 0;

    if (capture->count == AE_CAPTURE_READERS) {
        while (place < capture->count && capture->all[place].asked)
            place++;
        if (place == capture->count) {
            close(fd);
            return;
        }
        drop(capture, place);
    }
    capture->all[capture->count++] = (struct ae_supervisor_capturer){.fd = fd};
}

static bool answer(const struct ae_supervisor *supervisor, int fd)
{
    struct ae_capture_answer message = {
        .magic = AE_CAPTURE_MAGIC,
        .version = AE_CAPTURE_VERSION,
        .worker_count = supervisor->ward_count,
        .start = supervisor->capture.start,
    };
    int pages[AE_SUPERVISE_WORKERS] = {-1};
    unsigned count = 0;
    bool sent;

    for (unsigned i = 0; i < supervisor->ward_count; i++) {
        int page = supervisor->wards[i].mirror_fd < 0
                       ? -1
                       : ae_sealed_open_to_read(supervisor->wards[i].mirror_fd);

        if (page >= 0)
            pages[count++] = page;
    }
    if (count)
        message.mirror_size = ae_broadcast_size(frames_of(supervisor->options), AE_MIRROR_SLOT);
    sent = ae_letter_send(fd, &message, sizeof(message), pages, count);
    while (count > 0)
        close(pages[--count]);
    return sent;
}

/* False: he has gone, or makes no sense. */
static bool hear(struct ae_supervisor *supervisor, struct ae_supervisor_capturer *capturer,
                 bool *changed)
{
    struct ae_capture_request request;
    ssize_t got = recv(capturer->fd, &request, sizeof(request), MSG_DONTWAIT | MSG_TRUNC);

    if (got < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK;
    if (got != sizeof(request) || request.magic != AE_CAPTURE_MAGIC ||
        request.version != AE_CAPTURE_VERSION)
        return false;
    capturer->asked = *changed = true;
    memcpy(capturer->most, request.most, sizeof(capturer->most));
    return answer(supervisor, capturer->fd);
}

void ae_supervisor_capture_step(struct ae_supervisor *supervisor, int fd)
{
    struct ae_supervisor_capture *capture = &supervisor->capture;
    bool changed = false;

    if (fd >= 0)
        keep(capture, fd);
    for (unsigned i = 0; i < capture->count;) {
        if (hear(supervisor, &capture->all[i], &changed)) {
            i++;
        } else {
            changed |= capture->all[i].asked;
            drop(capture, i);
        }
    }
    if (changed)
        tell_workers(supervisor);
}

void ae_supervisor_capture_again(struct ae_supervisor *supervisor)
{
    struct ae_supervisor_capture *capture = &supervisor->capture;

    capture->start++;
    for (unsigned i = 0; i < capture->count;)
        if (!capture->all[i].asked || answer(supervisor, capture->all[i].fd))
            i++;
        else
            drop(capture, i);
    tell_workers(supervisor);
}

void ae_supervisor_capture_close(struct ae_supervisor *supervisor)
{
    while (supervisor->capture.count > 0)
        drop(&supervisor->capture, 0);
}
