/* SPDX-License-Identifier: Apache-2.0 */

/* "pcap:FILE": the owner, who reads the one file, and writes the other. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "base/sealed.h"
#include "port/owner.h"
#include "port/pcap/file.h"

#define TEND_NS     1000000
#define SPEED_MOST  1000000
#define RATE_MOST   100000000
#define PASSES_MOST UINT32_MAX

struct pcap {
    struct pcap_frames frames; /* until they are in the memory */
    struct pcap_pace pace;
    unsigned long passes;
    struct ae_pcap_writer *writer; /* NULL: nothing is written */
    uint8_t *memory;               /* as the worker's; NULL: none is there */
    uint64_t read;
};

static struct pcap *pcap_of(const struct ae_port_owner *owner)
{
    return owner->driver;
}

static struct pcap_handoff *handoff_of(struct ae_port_owner *owner)
{
    return (void *)owner->handoff.driver_private;
}

static int read_choices(struct ae_port_owner *owner, struct pcap *pcap, struct ae_error *err)
{
    int rc = ae_port_choice_number(owner, "speed", 0, SPEED_MOST, &pcap->pace.speed, err);

    if (!rc)
        rc = ae_port_choice_number(owner, "rate", 1, RATE_MOST, &pcap->pace.rate, err);
    if (!rc)
        rc = ae_port_choice_number(owner, "loop", 0, PASSES_MOST, &pcap->passes, err);
    if (!rc && ae_port_choice_is_made(owner, "speed") && pcap->pace.rate)
        rc = ae_error_set(err, -EINVAL, "speed= and rate=: one of the two");
    return rc;
}

static bool is_same_file(const char *one, const char *other)
{
    struct stat files[2];

    return !stat(one, &files[0]) && !stat(other, &files[1]) && files[0].st_dev == files[1].st_dev &&
           files[0].st_ino == files[1].st_ino;
}

static int open_writer(struct ae_port_owner *owner, struct pcap *pcap, struct ae_error *err)
{
    char path[AE_PORT_SPEC];
    int rc;

    ae_port_choice_text(owner, "write", path);
    if (!path[0])
        return 0;
    if (is_same_file(path, owner->base))
        return ae_error_set(err, -EINVAL, "write=%s: that is the capture itself", path);
    rc = ae_pcap_writer_open(&pcap->writer, path, AE_FRAME_MAX(owner->handoff.info.mtu), err);
    return rc ? rc : ae_port_settle_path(owner, AE_PATH_DEVICE, AE_CALLER_OWNER, "", err);
}

static int open_port(struct ae_port_owner *owner, struct ae_error *err)
{
    struct pcap *pcap = calloc(1, sizeof(*pcap));
    int rc;

    if (!pcap)
        return ae_error_set(err, -ENOMEM, "out of memory");
    owner->driver = pcap;
    pcap->pace.speed = pcap->passes = 1;
    memcpy(owner->handoff.info.mac, (uint8_t[]){2, 0, 0, 0, 0, 1}, 6);
    rc = read_choices(owner, pcap, err);
    if (!rc)
        rc = ae_pcap_read(&pcap->frames, owner->base, &pcap->pace, owner->handoff.info.mtu, err);
    return rc ? rc : open_writer(owner, pcap, err);
}

static int map(struct ae_port_owner *owner, struct ae_error *err)
{
    struct pcap *pcap = pcap_of(owner);
    struct pcap_handoff *told = handoff_of(owner);
    uint32_t slot = (uint32_t)sizeof(struct pcap_slot) + AE_FRAME_MAX(owner->handoff.info.mtu) + 63;

    *told = (struct pcap_handoff){
        .frames_bytes = (pcap->frames.bytes + 63) & ~UINT64_C(63),
        .pass_ns = pcap->frames.pass_ns,
        .frame_count = pcap->frames.count,
        .passes = (uint32_t)pcap->passes,
        .slot_bytes = slot & ~63u,
        .slot_count = pcap->writer ? owner->options.send_ring : 0,
    };
    owner->rings_length = pcap_rings_bytes(told);
    pcap->memory = ae_sealed_make(&owner->rings_fds[0], "aether-pcap", NULL, owner->rings_length,
                                  AE_SEALS_SIZE);
    if (!pcap->memory)
        return ae_error_set(err, -errno, "memory for its frames: %s", strerror(errno));
    memcpy(pcap->memory, pcap->frames.data, pcap->frames.bytes);
    free(pcap->frames.data);
    pcap->frames.data = NULL;
    return 0;
}

static struct pcap_ring *ring_of(struct ae_port_owner *owner)
{
    return (void *)(pcap_of(owner)->memory + handoff_of(owner)->frames_bytes);
}

static int start(struct ae_port_owner *owner, struct ae_error *err)
{
    const struct ae_link link = {.up = true, .full_duplex = true, .changes = 1};

    (void)err;
    ring_of(owner)->written = ring_of(owner)->read = pcap_of(owner)->read = 0;
    ae_port_set_link(owner->state, &link);
    return 0;
}

/* The worker may write there whatever it likes: no more than the ring holds is taken at a time. */
static void drain(struct ae_port_owner *owner)
{
    struct pcap *pcap = pcap_of(owner);
    const struct pcap_handoff told = *handoff_of(owner);
    struct pcap_ring *ring = ring_of(owner);
    uint64_t written = __atomic_load_n(&ring->written, __ATOMIC_ACQUIRE), left;

    left = written - pcap->read;
    if (left > told.slot_count)
        left = told.slot_count;
    if (!left)
        return;
    for (; left; left--, pcap->read++) {
        const struct pcap_slot *slot =
            (const void *)(ring->slots + (pcap->read & (told.slot_count - 1)) * told.slot_bytes);
        uint32_t length = __atomic_load_n(&slot->length, __ATOMIC_RELAXED);

        if (length >= AE_FRAME_MIN && length <= AE_FRAME_MAX(owner->handoff.info.mtu))
            ae_pcap_writer_put(pcap->writer, __atomic_load_n(&slot->ticks, __ATOMIC_RELAXED),
                               slot->bytes, length);
    }
    /* They were read before the worker may write there again: pairs with its acquire. */
    __atomic_store_n(&ring->read, pcap->read, __ATOMIC_RELEASE);
    if (ae_pcap_writer_flush(pcap->writer))
        ae_error_set(&owner->trouble, -EIO, "what is sent cannot be written");
}

static uint64_t tend(struct ae_port_owner *owner)
{
    if (!pcap_of(owner)->writer)
        return 0;
    drain(owner);
    return TEND_NS;
}

static int stop(struct ae_port_owner *owner, struct ae_error *err)
{
    (void)err;
    if (pcap_of(owner)->writer && pcap_of(owner)->memory)
        drain(owner);
    return 0;
}

static void close_port(struct ae_port_owner *owner)
{
    struct pcap *pcap = pcap_of(owner);

    if (!pcap)
        return;
    stop(owner, NULL);
    ae_pcap_writer_close(pcap->writer);
    free(pcap->frames.data);
    if (pcap->memory)
        munmap(pcap->memory, owner->rings_length);
    ae_descriptor_close(&owner->rings_fds[0]);
}

static const struct ae_port_transport transport = {
    .open = open_port,
    .map = map,
    .start = start,
    .stop = stop,
    .close = close_port,
    .tend = tend,
};

static const char *const keys[] = {"speed", "rate", "loop", "write", "mtu", NULL};

const struct ae_port_ops ae_port_pcap = {
    .queue = &ae_queue_pcap,
    .path = AE_PATH_DEVICE,   /* memory that the worker polls; no kernel is on the way */
    .caller = AE_CALLER_NONE, /* or the owner, who writes */
    .scheme = "pcap:",
    .description = "pcap:FILE, the frames of a capture (pcap, pcapng)",
    .keys = keys,
    .transport = &transport,
    .ordinary_pages = true,
    .ring_default = 1024,
    .queues_max = 1,
    .mtu = 1500,
    .mtu_max = PCAP_MTU_MAX,
    .segments_max = AE_FRAME_SEGMENTS,
    .no_steering = "it has one queue",
};
