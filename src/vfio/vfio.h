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
#define AE_GROUPS      16

struct ae_iova_range {
    uint64_t first;
    uint64_t last; /* inclusive */
};

struct ae_iommu_ops {
    const char *name;
    int (*open)(struct ae_dma_space *space, struct ae_error *err);
    void (*close)(struct ae_dma_space *space);
    /* Puts a group into the space and learns the IOVA ranges; returns the group's descriptor. */
    int (*add_group)(struct ae_dma_space *space, int group, struct ae_error *err);
    void (*remove_group)(struct ae_dma_space *space, int fd);
    int (*map)(struct ae_dma_space *space, void *address, uint64_t iova, uint64_t size);
    int (*unmap)(struct ae_dma_space *space, uint64_t iova, uint64_t size);
};

struct ae_mapping {
    struct ae_memory *memory;
    uint64_t iova;
    uint64_t size;
};

/* A group is opened once, however many of its functions are in use. */
struct ae_group {
    int number;
    int fd;
    unsigned devices;
};

struct ae_dma_space {
    const struct ae_iommu_ops *ops;
    int container;
    bool allow_no_iommu;
    bool no_iommu; /* what it runs with: devices see physical memory */
    bool iommu_set;
    struct ae_group groups[AE_GROUPS];
    unsigned group_count;
    uint64_t page_sizes; /* bit mask of what the IOMMU maps */
    struct ae_iova_range ranges[AE_IOVA_RANGES];
    unsigned range_count;
    struct ae_mapping mappings[AE_MAPPINGS];
    unsigned mapping_count;
};

extern const struct ae_iommu_ops ae_iommu_container;

/* Returns the descriptor of the group, which is opened for the first device and closed behind the
 * last. When the last group leaves, the kernel drops the mappings, and so does the space. */
int ae_dma_space_join(struct ae_dma_space *space, int group, struct ae_error *err);
void ae_dma_space_leave(struct ae_dma_space *space, int group);

/* Finds room for size bytes: in a range, behind every mapping in the way. -ENOSPC: there is
 * none. */
int ae_iova_find(const struct ae_dma_space *space, uint64_t size, uint64_t alignment,
                 uint64_t *iova);

/*
 * Calls each for every capability in an answer of VFIO's: its header, its bytes (4-byte aligned
 * only, so they are to be copied out), and how many there are to the end of the answer. -EPROTO for
 * a chain that leaves the answer or loops.
 */
struct vfio_info_cap_header;
typedef void ae_vfio_capability_fn(const struct vfio_info_cap_header *cap,
                                   const uint8_t *capability, uint32_t room, void *context);
int ae_vfio_capabilities(const void *answer, uint32_t size, uint32_t first,
                         ae_vfio_capability_fn *each, void *context);

#endif
