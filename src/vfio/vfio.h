/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_VFIO_VFIO_H
#define AE_VFIO_VFIO_H

/* What the files of this folder share. */

#include <stdbool.h>
#include <stdint.h>

#include <aether/device.h>
#include <aether/dma.h>

#include "machine/pci.h"

#define AE_IOVA_RANGES 16
#define AE_MAPPINGS    64
#define AE_GROUPS      16

struct ae_iova_range {
    uint64_t first;
    uint64_t last; /* inclusive */
};

/*
 * The kernel's interface to an IOMMU: the container and its type1 IOMMU, or iommufd. Chosen for a
 * space with its first device (space.c), opened then, and closed behind its last one.
 */
struct ae_iommu_ops {
    int (*open)(struct ae_dma_space *space, struct ae_error *err);
    void (*close)(struct ae_dma_space *space);
    /* Puts the function into the space. Its descriptor; -EBUSY names who has it. */
    int (*get_device)(struct ae_dma_space *space, const struct ae_pci *pci, struct ae_error *err);
    /* Takes it out, by its group, and closes the descriptor. */
    void (*put_device)(struct ae_dma_space *space, int group, int fd);
    /* Learns what all devices of the space can reach: each may narrow it. */
    int (*ranges)(struct ae_dma_space *space, struct ae_error *err);
    int (*map)(struct ae_dma_space *space, void *address, uint64_t iova, uint64_t size);
    int (*unmap)(struct ae_dma_space *space, uint64_t iova, uint64_t size);
};

extern const struct ae_iommu_ops ae_iommu_container, ae_iommu_iommufd;

/* Has this kernel the container? */
bool ae_container_is_there(void);

/* Has this kernel iommufd, and is this function to be had by it? */
bool ae_iommufd_offers(const struct ae_pci *pci);

struct ae_mapping {
    struct ae_memory *memory;
    uint64_t iova;
    uint64_t size;
};

/* Of a container. It is opened once, however many of its functions are in use. */
struct ae_group {
    int number;
    int fd;
    unsigned devices;
};

struct ae_dma_space {
    struct ae_dma_options options;
    const struct ae_iommu_ops *ops; /* this and what follows: while there are devices */
    unsigned devices;
    int fd;        /* the container's, or iommufd's */
    uint32_t ioas; /* of iommufd */
    bool no_iommu; /* what the container runs with: devices see physical memory */
    struct ae_group groups[AE_GROUPS];
    unsigned group_count;
    struct ae_iova_range ranges[AE_IOVA_RANGES];
    unsigned range_count;
    struct ae_mapping mappings[AE_MAPPINGS];
    unsigned mapping_count;
};

/*
 * Puts the function into the space; its descriptor. What stays mapped when the last one is taken
 * out is unmapped first: it must have stopped.
 */
int ae_dma_space_get_device(struct ae_dma_space *space, const struct ae_pci *pci,
                            struct ae_error *err);
void ae_dma_space_put_device(struct ae_dma_space *space, int group, int fd);

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
