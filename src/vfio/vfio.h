/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_VFIO_VFIO_H
#define AE_VFIO_VFIO_H

/*
 * What the files of this folder share. The IOMMU's interface is behind a small table: the container
 * with type1 (Linux Documentation/driver-api/vfio.rst) today; iommufd has the same five verbs.
 */

#include <stdbool.h>
#include <stdint.h>

#include <aether/device.h>
#include <aether/dma.h>

#define AE_IOVA_RANGES 16
#define AE_MAPPINGS    64

struct ae_iova_range {
    uint64_t first;
    uint64_t last; /* inclusive */
};

struct ae_iommu_ops {
    const char *name;
    int (*open)(struct ae_dma_space *space, struct ae_error *err);
    void (*close)(struct ae_dma_space *space);
    /* Puts a group into the space and learns its IOVA ranges; returns the group's descriptor. */
    int (*add_group)(struct ae_dma_space *space, int group, struct ae_error *err);
    int (*map)(struct ae_dma_space *space, void *address, uint64_t iova, uint64_t size);
    int (*unmap)(struct ae_dma_space *space, uint64_t iova, uint64_t size);
};

struct ae_mapping {
    struct ae_memory *memory;
    uint64_t iova;
    uint64_t size;
};

struct ae_dma_space {
    const struct ae_iommu_ops *ops;
    int container;
    bool allow_no_iommu;
    bool iommu_set;
    uint64_t page_sizes; /* bit mask of what the IOMMU maps */
    struct ae_iova_range ranges[AE_IOVA_RANGES];
    unsigned range_count;
    struct ae_mapping mappings[AE_MAPPINGS];
    unsigned mapping_count;
};

extern const struct ae_iommu_ops ae_iommu_container;

/* Finds room for size bytes: in a range, behind every mapping in the way. -ENOSPC: there is none. */
int ae_iova_find(const struct ae_dma_space *space, uint64_t size, uint64_t alignment,
                 uint64_t *iova);

/*
 * Calls each for every capability in an answer of VFIO's (struct vfio_info_cap_header), offsets and
 * sizes checked. -EPROTO for a chain that leaves the answer or loops.
 */
struct vfio_info_cap_header;
int ae_vfio_capabilities(const void *answer, uint32_t size, uint32_t first,
                         void (*each)(const struct vfio_info_cap_header *cap, uint32_t room,
                                      void *context),
                         void *context);

#endif
