/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A hostile front end, from where its messages have come in on: the table and the receiving process
 * let them through, and what they ask for in which order is the input's. What a worker would be
 * told is looked at after each: regions within their files and apart from each other, rings that
 * can be run, and no descriptor lost.
 *
 * Input: pieces of (request, descriptors, size of the file, payload).
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "fuzz_input.h"
#include "port/vhost/back/session.h"
#include "port/vhost/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define QUEUES 2

/* As the receiving process hands it on. */
static void add_descriptors(struct vhost_user_message *message, unsigned count, uint64_t size)
{
    static int memory = -1;
    bool is_memory =
        ae_vhost_takes(VHOST_USER_FRONTEND_REQUEST, message->request) == VHOST_USER_TAKES_MEMORY;

    if (memory < 0 && (memory = memfd_create("peer", MFD_CLOEXEC)) < 0)
        abort();
    for (unsigned i = 0; i < count; i++) {
        message->fds[i] = is_memory ? fcntl(memory, F_DUPFD_CLOEXEC, 3) : eventfd(0, EFD_CLOEXEC);
        message->file_sizes[i] = is_memory ? size : 0;
        if (message->fds[i] < 0)
            abort();
    }
    message->fd_count = count;
}

static bool within(const struct vhost_user_region *region, uint64_t size)
{
    return region->size && region->mmap_offset <= size &&
           region->size <= size - region->mmap_offset &&
           region->guest_address + region->size > region->guest_address &&
           region->user_address + region->size > region->user_address;
}

static void look_at_regions(const struct ae_vhost_handover *handover, uint64_t size)
{
    for (uint32_t i = 0; i < handover->region_count; i++) {
        const struct vhost_user_region *one = &handover->regions[i];

        if (!within(one, size))
            abort();
        for (uint32_t j = 0; j < i; j++) {
            const struct vhost_user_region *other = &handover->regions[j];

            if (one->guest_address < other->guest_address + other->size &&
                other->guest_address < one->guest_address + one->size)
                abort();
        }
    }
}

static void look(const struct ae_vhost_session *session, uint64_t largest_file)
{
    struct ae_vhost_handover handover;

    if (session->features & ~session->offered || session->region_count > VHOST_USER_MAX_REGIONS)
        abort();
    for (unsigned pair = 0; pair < session->queues; pair++) {
        ae_vhost_session_describe(session, pair, &handover);
        look_at_regions(&handover, largest_file);
        for (unsigned i = 0; i < 2; i++) {
            const struct ae_vhost_handover_ring *ring = &handover.rings[i];
            bool packed = handover.features & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);

            if (!ring->run)
                continue;
            if (ring->size < 2 || ring->size > VIRTQ_SIZE_MAX || !handover.region_count ||
                (!packed && ring->size & (ring->size - 1)) ||
                ring->descriptors % VIRTQ_DESC_ALIGN || ring->available % 4 || ring->used % 4)
                abort();
        }
    }
}

/* False: the connection would be over. */
static bool handle(struct ae_vhost_session *session, struct input *input, uint64_t *largest_file)
{
    struct vhost_user_message message, reply;
    struct ae_error err;
    uint8_t head[4];
    uint64_t file;
    int rc;

    take(input, head, sizeof(head));
    ae_vhost_init(&message, VHOST_USER_FRONTEND_REQUEST, head[0]);
    message.size = head[1];
    take(input, &message.payload, message.size);
    file = (uint64_t)head[3] << 12;
    *largest_file = file > *largest_file ? file : *largest_file;
    add_descriptors(&message, head[2] % (VHOST_USER_MAX_FDS + 1), file);
    rc = ae_vhost_check(&message, VHOST_USER_FRONTEND_REQUEST, &err);
    if (!rc) {
        ae_vhost_session_must_stop(session, &message);
        rc = ae_vhost_session_handle(session, &message, &reply, &err);
        if (rc > 0 && (reply.size > sizeof(reply.payload) || reply.fd_count))
            abort();
        look(session, *largest_file);
    }
    ae_vhost_close_fds(&message);
    return rc >= 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ae_vhost_session session;
    struct input input = {data, data + size};
    uint64_t largest_file = 0;
    int before;

    if (size > 4096)
        return 0;
    add_descriptors(&(struct vhost_user_message){0}, 0, 0); /* what stays open is there */
    before = lowest_free();
    memset(&session, 0, sizeof(session));
    ae_vhost_session_init(&session);
    session.offered = AE_VHOST_FEATURES;
    session.queues = QUEUES;
    session.mtu = 1500;
    while (input.at < input.end)
        if (!handle(&session, &input, &largest_file) && size % 2)
            break; /* others go on, as one may that asked for acknowledgements */
    ae_vhost_session_reset(&session);
    if (lowest_free() != before)
        abort();
    return 0;
}
