/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_DMA_H
#define AETHER_DMA_H

/*
 * Address spaces through which devices reach memory. Of libaether-host.
 *
 * ae_dma_space is an IOMMU address space: devices in it see exactly what was mapped into it and
 * nothing else. It is used from one thread at a time.
 */

#include <aether/error.h>
#include <aether/memory.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ae_dma_space;

/* The kernel's interface to the IOMMU. */
enum ae_iommu {
    AE_IOMMU_CHOOSE,    /* the container; iommufd where there is none */
    AE_IOMMU_CONTAINER, /* VFIO's container with a type1 IOMMU, and groups */
    AE_IOMMU_IOMMUFD,   /* Linux 6.6 with CONFIG_IOMMUFD and CONFIG_VFIO_DEVICE_CDEV */
};

struct ae_dma_options {
    /* VFIO without an IOMMU ("unsafe no-IOMMU mode"): any device can then write to all of memory.
     * Refused unless asked for here by name. */
    int allow_no_iommu;
    enum ae_iommu iommu; /* another than this is not tried */
};

/*
 * Makes an empty address space. options may be NULL. The kernel is asked for one with the first
 * device, whose ae_device_open fails where there is none.
 */
int ae_dma_space_open(struct ae_dma_space **space, const struct ae_dma_options *options,
                      struct ae_error *err);

/* Every device of it must be closed first. NULL is allowed. */
void ae_dma_space_close(struct ae_dma_space *space);

/*
 * Makes the whole of `memory` readable and writable to every device of the space, at one address
 * chosen from the ranges that the IOMMU reports, aligned to the memory's page size. A device must
 * be in the space already; when the last one is closed, all mappings are gone. -ENOMEM names
 * RLIMIT_MEMLOCK when that is what stood in the way; -EEXIST: it is mapped already; -EOPNOTSUPP:
 * there is no IOMMU, so there is no one address.
 */
int ae_dma_map(struct ae_dma_space *space, struct ae_memory *memory, ae_iova_t *iova,
               struct ae_error *err);

/* The same, at this address, a multiple of the memory's page size. -EADDRNOTAVAIL: the ranges do
 * not hold it, or something else is there. */
int ae_dma_map_at(struct ae_dma_space *space, struct ae_memory *memory, ae_iova_t iova,
                  struct ae_error *err);

/* Takes a mapping away. The device must have stopped: bus master off and reset. */
int ae_dma_unmap(struct ae_dma_space *space, struct ae_memory *memory, struct ae_error *err);

#ifdef __cplusplus
}
#endif

#endif
