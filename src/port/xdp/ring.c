/* SPDX-License-Identifier: Apache-2.0 */

/* A socket's rings in this process, and the calls that have the kernel look at them. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/error.h"
#include "port/xdp/xdp.h"

#define VAIN 2000 /* calls that send nothing; who polls for both ways sends in the first */

static const struct place {
    const char *name;
    uint64_t at;
    size_t offsets; /* in struct xdp_mmap_offsets */
    size_t entry;
} places[XDP_RINGS] = {
    [XDP_RECEIVE] = {"receive", XDP_PGOFF_RX_RING, offsetof(struct xdp_mmap_offsets, rx),
                     sizeof(struct xdp_desc)},
    [XDP_SEND] = {"send", XDP_PGOFF_TX_RING, offsetof(struct xdp_mmap_offsets, tx),
                  sizeof(struct xdp_desc)},
    [XDP_FILL] = {"fill", XDP_UMEM_PGOFF_FILL_RING, offsetof(struct xdp_mmap_offsets, fr),
                  sizeof(uint64_t)},
    [XDP_COMPLETION] = {"completion", XDP_UMEM_PGOFF_COMPLETION_RING,
                        offsetof(struct xdp_mmap_offsets, cr), sizeof(uint64_t)},
};

int ae_xdp_ring_map(struct xdp_ring *ring, int fd, enum xdp_ring_kind kind, uint32_t entries,
                    struct ae_error *err)
{
    const struct place *place = &places[kind];
    struct xdp_mmap_offsets offsets;
    struct xdp_ring_offset offset;
    socklen_t size = sizeof(offsets);
    uint8_t *mapped;
    size_t length;

    if (getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size) || size != sizeof(offsets))
        return ae_error_set(err, -EPROTO, "descriptor %d is of no AF_XDP socket", fd);
    memcpy(&offset, (const uint8_t *)&offsets + place->offsets, sizeof(offset));
    length = offset.desc + entries * place->entry;
    mapped =
        mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)place->at);
    if (mapped == MAP_FAILED)
        return ae_error_set(err, errno == EBUSY ? -EBUSY : -EPROTO,
                            "mapping its %s ring of %u entries: %s%s", place->name, entries,
                            strerror(errno),
                            errno == EBUSY ? "; Linux 6.4 or newer lets a worker have the rings of "
                                             "a socket that is bound"
                                           : "");
    *ring = (struct xdp_ring){
        .producer = (uint32_t *)(void *)(mapped + offset.producer),
        .consumer = (uint32_t *)(void *)(mapped + offset.consumer),
        .entries = mapped + offset.desc,
        .mask = entries - 1,
        .mapped = mapped,
        .length = length,
    };
    return 0;
}

void ae_xdp_ring_unmap(struct xdp_ring *ring)
{
    if (ring->mapped)
        munmap(ring->mapped, ring->length);
    ring->mapped = NULL;
}

/*
 * Some drivers poll for sending apart from receiving (igb with few queues). Whoever prefers to poll
 * has the latter polled and is woken for nothing, so that nothing is sent, ever: he prefers it no
 * more then, and calls wake what sends.
 */
static void stop_preferring(int socket)
{
    const int off = 0;

    setsockopt(socket, SOL_SOCKET, SO_PREFER_BUSY_POLL, &off, sizeof(off));
}

void ae_xdp_call(struct xdp_caller *caller, const struct xdp_ring *send)
{
    uint32_t consumed = __atomic_load_n(send->consumer, __ATOMIC_RELAXED);

    if (__atomic_load_n(send->producer, __ATOMIC_RELAXED) == consumed) {
        recvfrom(caller->socket, NULL, 0, MSG_DONTWAIT, NULL, NULL);
        return;
    }
    if (consumed != caller->consumed)
        caller->vain = 0;
    caller->consumed = consumed;
    sendto(caller->socket, NULL, 0, MSG_DONTWAIT, NULL, 0);
    if (++caller->vain == VAIN)
        stop_preferring(caller->socket);
}
