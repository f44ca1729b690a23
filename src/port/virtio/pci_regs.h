/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VIRTIO_PCI_REGS_H
#define AE_PORT_VIRTIO_PCI_REGS_H

/* Virtio over PCI, named as in "Virtual I/O Device (VIRTIO) Version 1.2", 4.1. */

#include <stdint.h>

/* 4.1.2 PCI Device Discovery: 0x1040 + the device's id; transitional network cards are 0x1000 */
#define VIRTIO_PCI_VENDOR           0x1af4
#define VIRTIO_PCI_NET              0x1041
#define VIRTIO_PCI_NET_TRANSITIONAL 0x1000

/* 4.1.4 Virtio Structure PCI Capabilities */
struct virtio_pci_cap {
    uint8_t cap_vndr; /* PCI_CAP_ID_VNDR, 9 */
    uint8_t cap_next;
    uint8_t cap_len;
    uint8_t cfg_type;
    uint8_t bar;
    uint8_t id;
    uint8_t padding[2];
    uint32_t offset;
    uint32_t length;
};

#define VIRTIO_PCI_CAP_COMMON_CFG        1
#define VIRTIO_PCI_CAP_NOTIFY_CFG        2
#define VIRTIO_PCI_CAP_ISR_CFG           3
#define VIRTIO_PCI_CAP_DEVICE_CFG        4
#define VIRTIO_PCI_CAP_PCI_CFG           5
#define VIRTIO_PCI_CAP_SHARED_MEMORY_CFG 8
#define VIRTIO_PCI_CAP_VENDOR_CFG        9

/* 4.1.4.3 Common configuration structure layout */
struct virtio_pci_common_cfg {
    uint32_t device_feature_select;
    uint32_t device_feature;
    uint32_t driver_feature_select;
    uint32_t driver_feature;
    uint16_t config_msix_vector;
    uint16_t num_queues;
    uint8_t device_status;
    uint8_t config_generation;
    uint16_t queue_select;
    uint16_t queue_size;
    uint16_t queue_msix_vector;
    uint16_t queue_enable;
    uint16_t queue_notify_off;
    uint64_t queue_desc;
    uint64_t queue_driver;
    uint64_t queue_device;
    uint16_t queue_notify_data;
    uint16_t queue_reset;
};

#define VIRTIO_MSI_NO_VECTOR 0xffffu /* 4.1.5.1.2 */

/* 4.1.4.4 Notification structure layout: queue q's address is offset + queue_notify_off(q) *
 * notify_off_multiplier in the bar of cap */
struct virtio_pci_notify_cap {
    struct virtio_pci_cap cap;
    uint32_t notify_off_multiplier;
};

/* 4.1.4.5 ISR status: reading clears it */
#define VIRTIO_PCI_ISR_QUEUE  1u
#define VIRTIO_PCI_ISR_CONFIG 2u

_Static_assert(sizeof(struct virtio_pci_cap) == 16, "4.1.4");
_Static_assert(sizeof(struct virtio_pci_common_cfg) == 64, "4.1.4.3: 60 bytes and tail padding");
_Static_assert(__builtin_offsetof(struct virtio_pci_common_cfg, queue_desc) == 32, "4.1.4.3");

#endif
