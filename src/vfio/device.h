/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_VFIO_DEVICE_H
#define AE_VFIO_DEVICE_H

#include <linux/pci_regs.h>

#include "vfio/vfio.h"

#define AE_BARS    6
#define AE_VECTORS 64

struct ae_device {
    struct ae_device_info info;
    struct ae_dma_space *space;
    int group; /* its number; -1: not in the space yet */
    int fd;
    bool can_reset;
    uint64_t config_offset;
    uint32_t config_size;
    struct ae_bar bars[AE_BARS];
    unsigned interrupt_index; /* VFIO_PCI_MSIX_IRQ_INDEX, ... while enabled */
    unsigned vector_count;
    int vectors[AE_VECTORS];
    int request_fd;
};

/* Undo of ae_device_map_bar for all BARs. */
void ae_device_unmap_bars(struct ae_device *device);

#endif
