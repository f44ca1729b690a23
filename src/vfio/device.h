/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_VFIO_DEVICE_H
#define AE_VFIO_DEVICE_H

#include <linux/pci_regs.h>

#include "vfio/vfio.h"

#define AE_BARS    6
#define AE_AREAS   16
#define AE_VECTORS 64

/* The parts of a BAR that may be mapped; everything else faults when touched. */
struct ae_bar_areas {
    unsigned count;
    struct {
        uint64_t offset;
        uint64_t size;
    } area[AE_AREAS];
};

struct ae_device {
    struct ae_pci_info info;
    struct ae_dma_space *space;
    int group; /* its IOMMU group; -1: none */
    int fd;    /* -1: not in the space */
    bool can_reset;
    uint64_t config_offset;
    uint32_t config_size;
    struct ae_bar bars[AE_BARS];
    struct ae_bar_areas areas[AE_BARS];
    unsigned interrupt_index; /* VFIO_PCI_MSIX_IRQ_INDEX, ... while enabled */
    unsigned vector_count;
    int vectors[AE_VECTORS];
    int request_fd;
};

/*
 * May registers be at this place of a mapped BAR? -EPROTO, with `what` in the text: they would lie
 * outside of it, in a hole that faults, or where the MSI-X table or its pending bits are, so that
 * touching them would change where interrupts go.
 */
int ae_device_check_registers(struct ae_device *device, unsigned bar, uint64_t offset,
                              uint64_t length, const char *what, struct ae_error *err);

/* Undo of ae_device_map_bar for all BARs. */
void ae_device_unmap_bars(struct ae_device *device);

#endif
