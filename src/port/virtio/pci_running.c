/* SPDX-License-Identifier: Apache-2.0 */

/* A virtio device over PCI while it runs: changes of its configuration, requests to announce
 * ourselves, frames that wait for a notification. */

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "port/virtio/pci.h"

#define NOTIFY_NS      1000000ull
#define NS_PER_MS      1000000ull
#define ACKNOWLEDGE_NS (2 * NS_PER_MS) /* how often it is looked for */
#define CONFIG_TRIES   8

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

int ae_virtio_pci_read_config(const struct virtio_pci *virtio, struct virtio_net_config *config,
                              struct ae_error *err)
{
    uint32_t size = ae_virtio_config_size(virtio->features);

    memset(config, 0, sizeof(*config));
    if (size > virtio->device.length)
        return ae_error_set(
            err, -EPROTO,
            "virtio: a configuration of %u bytes; with the features that the device "
            "offers it has %u",
            virtio->device.length, size);
    for (int tries = 0; tries < CONFIG_TRIES; tries++) {
        uint8_t generation = ae_mmio_read8(virtio->common.base, COMMON(config_generation));

        for (uint32_t i = 0; i < size; i++)
            ((uint8_t *)config)[i] = ae_mmio_read8(virtio->device.base, i);
        if (ae_mmio_read8(virtio->common.base, COMMON(config_generation)) == generation)
            return 0;
    }
    return ae_error_set(
        err, -EPROTO, "virtio: its configuration changed %d times while it was read", CONFIG_TRIES);
}

static void set_gone(struct ae_port_owner *owner)
{
    struct ae_link link;

    ae_port_read_link(owner->state, &link);
    link.device_gone = true;
    ae_port_set_link(owner->state, &link);
}

/* 5.1.6.5.4: counted once, however often it is seen before it is acknowledged. The acknowledgement
 * is sent and looked for by tend, for the device may take its time, or never come to it. */
static void count_announcement(struct ae_port_owner *owner, bool asked)
{
    struct virtio_pci *virtio = ae_virtio_pci_of(owner);

    if (!asked)
        virtio->announced = false;
    if (!asked || virtio->announced)
        return;
    __atomic_fetch_add(&owner->state->announce, 1, __ATOMIC_RELAXED);
    virtio->announced = true;
    if (!ae_virtio_control_begin(&virtio->control, VIRTIO_NET_CTRL_ANNOUNCE,
                                 VIRTIO_NET_CTRL_ANNOUNCE_ACK, NULL, 0, NULL))
        virtio->acknowledge_by = now_ns() + AE_VIRTIO_PCI_TIMEOUT_MS * NS_PER_MS;
}

/* The link, and what else the device has to say (4.1.5.4, 5.1.6.5.4). */
void ae_virtio_pci_interrupt(struct ae_port_owner *owner)
{
    struct virtio_pci *virtio = ae_virtio_pci_of(owner);
    struct virtio_net_config config;

    if (ae_mmio_read8(virtio->common.base, COMMON(device_status)) &
        VIRTIO_STATUS_DEVICE_NEEDS_RESET) {
        set_gone(owner);
        return;
    }
    /* One that does not stand still is told of again, once it does. */
    if (ae_virtio_pci_read_config(virtio, &config, NULL))
        return;
    /* All ones: it is not there any more, and what was read means nothing. */
    if (ae_mmio_read8(virtio->common.base, COMMON(device_status)) == UINT8_MAX) {
        set_gone(owner);
        return;
    }
    ae_virtio_set_link(owner, virtio->features, &config);
    if (!ae_virtio_pci_has(virtio, VIRTIO_NET_F_GUEST_ANNOUNCE))
        return;
    if (virtio->control.busy)
        virtio->interrupted = true;
    else
        count_announcement(owner, config.status & VIRTIO_NET_S_ANNOUNCE);
}

static void notify_all(struct ae_port_owner *owner)
{
    const struct ae_virtio_handoff *handoff = ae_virtio_handoff(&owner->handoff);

    for (unsigned pair = 0; pair < owner->handoff.info.queues; pair++)
        ae_mmio_write16(owner->registers.base, handoff->notify[pair][0],
                        handoff->notify_data[pair][0]);
}

/* Has the device acknowledged? Returns when to look again, 0: it has, or it will not. */
static uint64_t tend_announcement(struct ae_port_owner *owner, uint64_t now)
{
    struct virtio_pci *virtio = ae_virtio_pci_of(owner);

    if (!virtio->control.busy)
        return 0;
    if (ae_virtio_control_poll(&virtio->control, NULL) == -EAGAIN) {
        if (now < virtio->acknowledge_by)
            return now + ACKNOWLEDGE_NS;
        ae_virtio_control_give_up(&virtio->control);
        return 0;
    }
    virtio->announced = false;
    if (virtio->interrupted) {
        virtio->interrupted = false;
        ae_virtio_pci_interrupt(owner);
    }
    return virtio->control.busy ? now + ACKNOWLEDGE_NS : 0;
}

/*
 * QEMU, where it has no eBPF program to do it, spreads by VIRTIO_NET_F_RSS itself. A frame that
 * came in by one queue and is for another, which has no buffer, holds the first one up until the
 * first one is notified: nobody has a reason to do that, the other one's worker notifies the other
 * one. So all of them are, again and again; a device has to bear notifications that it did not ask
 * for (2.7.10.2).
 */
static uint64_t tend_spreading(struct ae_port_owner *owner, uint64_t now)
{
    struct virtio_pci *virtio = ae_virtio_pci_of(owner);

    if (!ae_virtio_pci_has(virtio, VIRTIO_NET_F_RSS) || owner->handoff.info.queues < 2)
        return 0;
    if (now >= virtio->notify_at) {
        notify_all(owner);
        virtio->notify_at = now + NOTIFY_NS;
    }
    return virtio->notify_at;
}

uint64_t ae_virtio_pci_tend(struct ae_port_owner *owner)
{
    uint64_t now, first, second;

    if (!ae_virtio_pci_of(owner)->running)
        return 0;
    now = now_ns();
    first = tend_announcement(owner, now);
    second = tend_spreading(owner, now);
    if (!first || (second && second < first))
        first = second;
    return first ? first - now : 0;
}

/* An acknowledgement that is under way has its time. */
static void wait_for_control(struct ae_port_owner *owner)
{
    while (ae_virtio_pci_of(owner)->control.busy) {
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        ae_virtio_pci_tend(owner);
    }
}

/* A device that does not run is told when it starts. */
int ae_virtio_pci_filter(struct ae_port_owner *owner, struct ae_error *err)
{
    struct virtio_pci *virtio = ae_virtio_pci_of(owner);
    int rc = ae_virtio_check_filter(&owner->filter, virtio->features, err);

    if (rc || !ae_virtio_pci_has(virtio, VIRTIO_NET_F_CTRL_VQ) || !virtio->running)
        return rc;
    wait_for_control(owner);
    return ae_virtio_control_filter(&virtio->control, &owner->filter, virtio->features, err);
}

int ae_virtio_pci_steer(struct ae_port_owner *owner, const struct ae_port_flow *flow,
                        unsigned queue, struct ae_error *err)
{
    struct virtio_pci *virtio = ae_virtio_pci_of(owner);
    uint16_t *entry = &virtio->spread[ae_virtio_spread_entry(flow)], before = *entry;
    int rc;

    if (!ae_virtio_pci_has(virtio, VIRTIO_NET_F_RSS) || owner->handoff.info.queues < 2)
        return ae_error_set(err, -EOPNOTSUPP,
                            "the device chooses: with ',rss=on', where it offers that, and several "
                            "queues, it can be told");
    *entry = (uint16_t)queue;
    if (!virtio->running)
        return 0;
    wait_for_control(owner);
    rc = ae_virtio_control_spread(&virtio->control, owner->handoff.info.queues, err);
    if (rc)
        *entry = before;
    return rc;
}
