/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VIRTIO_PCI_H
#define AE_PORT_VIRTIO_PCI_H

/*
 * A virtio device over PCI, the owner's: what it knows of it, and where its structures are.
 * Sections are those of OASIS VIRTIO 1.2.
 *
 * The device may be hostile: capabilities, places and sizes are checked when they are found, before
 * anything is touched there.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/barrier.h"
#include "port/virtio/control.h"
#include "port/virtio/net.h"
#include "port/virtio/pci_regs.h"
#include "port/virtio/spread.h"

/* A structure of the device's, inside a mapped BAR. */
struct virtio_structure {
    volatile uint8_t *base; /* NULL: not found */
    uint32_t length;
};

struct virtio_pci {
    struct virtio_structure common, notify, isr, device;
    uint32_t notify_offset; /* of the structure in what the worker maps: owner->registers */
    uint32_t notify_off_multiplier;
    uint64_t features;
    uint16_t control_index;
    uint32_t control_notify; /* offset in owner->registers */
    struct ae_virtio_control control;
    uint16_t spread[AE_VIRTIO_SPREAD]; /* frames over queues; ae_port_owner_steer changes it */
    bool running;
    bool announced;          /* 5.1.6.5.4: the device's request is counted, not yet acknowledged */
    bool interrupted;        /* the device had something to say meanwhile */
    uint64_t acknowledge_by; /* CLOCK_MONOTONIC, ns */
    uint64_t notify_at;
};

static inline struct virtio_pci *ae_virtio_pci_of(const struct ae_port_owner *owner)
{
    return owner->driver;
}

static inline bool ae_virtio_pci_has(const struct virtio_pci *virtio, unsigned bit)
{
    return virtio->features & VIRTIO_FEATURE(bit);
}

#define AE_VIRTIO_PCI_TIMEOUT_MS 1000 /* for what the device is to answer */

#define COMMON(field) ((uint32_t)offsetof(struct virtio_pci_common_cfg, field))

/* Finds and maps the structures, and sets owner->registers to the pages with the notification
 * structure: all that a worker maps. -ENODEV: not all of them are there; the error says which could
 * not be used. */
int ae_virtio_pci_find(struct ae_port_owner *owner, struct ae_error *err);

/* The same, of a function that somebody else has: -EOPNOTSUPP where one is missing, or where the
 * kernel's driver was not offered VIRTIO_F_ACCESS_PLATFORM. */
int ae_virtio_pci_check(const struct ae_pci *pci, const struct ae_pci_config *config,
                        struct ae_error *err);

/* Of the port's queues: where they are notified, how long their rings may be, and which one is the
 * control queue. */
int ae_virtio_pci_find_queues(struct ae_port_owner *owner, const struct virtio_net_config *config,
                              struct ae_error *err);
int ae_virtio_pci_enable_queues(struct ae_port_owner *owner, struct ae_error *err);

/* 4.1.4.3.1: read again until the generation stays. -EPROTO: it does not, or the device has less of
 * a configuration than its features say. */
int ae_virtio_pci_read_config(const struct virtio_pci *virtio, struct virtio_net_config *config,
                              struct ae_error *err);

/* struct ae_port_ops.filter and steer. */
int ae_virtio_pci_filter(struct ae_port_owner *owner, struct ae_error *err);
int ae_virtio_pci_steer(struct ae_port_owner *owner, const struct ae_port_flow *flow,
                        unsigned queue, struct ae_error *err);

/* struct ae_port_pci.interrupt and tend. */
void ae_virtio_pci_interrupt(struct ae_port_owner *owner);
uint64_t ae_virtio_pci_tend(struct ae_port_owner *owner);

#endif
