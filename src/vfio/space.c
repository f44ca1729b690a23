/* SPDX-License-Identifier: Apache-2.0 */
#include "vfio/vfio.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/error.h"

/* Address 0 is what a forgotten field holds: never give it to a device. */
#define IOVA_LOWEST 0x100000

int ae_dma_space_open(struct ae_dma_space **out, const struct ae_dma_options *options,
                      struct ae_error *err)
{
    struct ae_dma_space *space = calloc(1, sizeof(*space));
    int rc;

    if (!space)
        return ae_error_set(err, -ENOMEM, "opening a DMA space: out of memory");
    space->ops = &ae_iommu_container;
    space->container = -1;
    space->allow_no_iommu = options && options->allow_no_iommu;
    rc = space->ops->open(space, err);
    if (rc) {
        free(space);
        return rc;
    }
    *out = space;
    return 0;
}

void ae_dma_space_close(struct ae_dma_space *space)
{
    if (!space)
        return;
    while (space->mapping_count > 0)
        ae_dma_unmap(space, space->mappings[0].memory, NULL);
    space->ops->close(space);
    free(space);
}

static const struct ae_mapping *overlap(const struct ae_dma_space *space, uint64_t first,
                                        uint64_t size)
{
    for (unsigned i = 0; i < space->mapping_count; i++) {
        const struct ae_mapping *mapping = &space->mappings[i];

        if (first < mapping->iova + mapping->size && mapping->iova < first + size)
            return mapping;
    }
    return NULL;
}

int ae_iova_find(const struct ae_dma_space *space, uint64_t size, uint64_t alignment,
                 uint64_t *iova)
{
    for (unsigned i = 0; i < space->range_count; i++) {
        uint64_t first = space->ranges[i].first, last = space->ranges[i].last;

        if (first < IOVA_LOWEST)
            first = IOVA_LOWEST;
        for (;;) {
            const struct ae_mapping *taken;
            uint64_t aligned = (first + alignment - 1) & ~(alignment - 1);

            if (aligned < first || aligned > last || last - aligned < size - 1)
                break;
            taken = overlap(space, aligned, size);
            if (!taken) {
                *iova = aligned;
                return 0;
            }
            first = taken->iova + taken->size;
        }
    }
    return -ENOSPC;
}

static int describe_map_failure(int rc, uint64_t size, struct ae_error *err)
{
    struct rlimit limit = {0, 0};

    if (rc == -ENOMEM && !getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur != RLIM_INFINITY)
        return ae_error_set(err, rc,
                            "mapping %llu kB for the device: the limit of locked memory is "
                            "%llu kB (RLIMIT_MEMLOCK); raise it: ulimit -l unlimited, or "
                            "LimitMEMLOCK=infinity in a unit",
                            (unsigned long long)size / 1024,
                            (unsigned long long)limit.rlim_cur / 1024);
    return ae_error_set(err, rc, "mapping %llu kB for the device: %s",
                        (unsigned long long)size / 1024, strerror(-rc));
}

int ae_dma_map(struct ae_dma_space *space, struct ae_memory *memory, ae_iova_t *iova,
               struct ae_error *err)
{
    uint64_t size = ae_memory_size(memory), address;
    int rc;

    if (!space->iommu_set)
        return ae_error_set(err, -EINVAL, "mapping memory: no device is in this DMA space yet");
    if (space->mapping_count == AE_MAPPINGS)
        return ae_error_set(err, -ENOSPC, "mapping memory: %d mappings are the most a space has",
                            AE_MAPPINGS);
    if (ae_iova_find(space, size, ae_memory_page_size(memory), &address))
        return ae_error_set(err, -ENOSPC,
                            "mapping %llu kB for the device: no room in the ranges that its IOMMU "
                            "translates",
                            (unsigned long long)size / 1024);
    rc = space->ops->map(space, ae_memory_base(memory), address, size);
    if (rc)
        return describe_map_failure(rc, size, err);
    space->mappings[space->mapping_count++] = (struct ae_mapping){memory, address, size};
    iova->value = address;
    return 0;
}

int ae_dma_unmap(struct ae_dma_space *space, struct ae_memory *memory, struct ae_error *err)
{
    for (unsigned i = 0; i < space->mapping_count; i++) {
        struct ae_mapping gone = space->mappings[i];
        int rc;

        if (gone.memory != memory)
            continue;
        space->mappings[i] = space->mappings[--space->mapping_count];
        rc = space->ops->unmap(space, gone.iova, gone.size);
        if (rc)
            return ae_error_set(err, rc, "unmapping IOVA 0x%llx: %s",
                                (unsigned long long)gone.iova, strerror(-rc));
        return 0;
    }
    return ae_error_set(err, -ENOENT, "unmapping memory that is not mapped in this DMA space");
}
