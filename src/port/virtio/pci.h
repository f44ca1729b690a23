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
    bool running;
    bool announced;          /* 5.1.6.5.4: the device's request is counted, not yet acknowledged */
    bool look_again;         /* an interrupt came meanwhile */
    uint64_t acknowledge_by; /* CLOCK_MONOTONIC, ns */
    uint64_t wake_at;
};

static inline struct virtio_pci *ae_virtio_pci_of(const struct ae_port_owner *owner)
{
    return owner->driver;
}

static inline bool ae_virtio_pci_has(const struct virtio_pci *virtio, unsigned bit)
{
    return virtio->features & VIRTIO_FEATURE(bit);
}

#define COMMON(field) ((uint32_t)offsetof(struct virtio_pci_common_cfg, field))

/* Finds and maps the structures, and sets owner->registers to the pages with the notification
 * structure: all that a worker maps. -ENODEV: not all of them are there; the error says which could
 * not be used. */
int ae_virtio_pci_find(struct ae_port_owner *owner, struct ae_error *err);

/* The same, of a function that somebody else has: -EOPNOTSUPP where one is missing, or where the
 * kernel's driver was not offered VIRTIO_F_ACCESS_PLATFORM. */
int ae_virtio_pci_check(const struct ae_pci *pci, const struct ae_pci_config *config,
                        struct ae_error *err);

/* Chooses a queue for the next accesses, and says how many descriptors it has. -EPROTO: none. */
int ae_virtio_pci_select(struct virtio_pci *virtio, uint16_t queue, uint16_t *size,
                         struct ae_error *err);

/* Where a queue is notified, in owner->registers: with VIRTIO_F_NOTIFICATION_DATA 4 bytes, else
 * 2. */
int ae_virtio_pci_notify_place(struct virtio_pci *virtio, uint16_t queue, uint32_t *offset,
                               struct ae_error *err);

#endif
