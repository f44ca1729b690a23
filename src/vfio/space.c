/* SPDX-License-Identifier: Apache-2.0 */
#include "vfio/vfio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "machine/memlock.h"

/* Address 0 is what a forgotten field holds: never give it to a device. */
#define IOVA_LOWEST 0x100000

int ae_dma_space_open(struct ae_dma_space **out, const struct ae_dma_options *options,
                      struct ae_error *err)
{
    struct ae_dma_space *space = calloc(1, sizeof(*space));

    if (!space)
        return ae_error_set(err, -ENOMEM, "opening a DMA space: out of memory");
    if (options)
        space->options = *options;
    *out = space;
    return 0;
}

void ae_dma_space_close(struct ae_dma_space *space)
{
    free(space);
}

static const struct ae_iommu_ops *choose(const struct ae_dma_space *space, const struct ae_pci *pci)
{
    switch (space->options.iommu) {
    case AE_IOMMU_CONTAINER:
        return &ae_iommu_container;
    case AE_IOMMU_IOMMUFD:
        return &ae_iommu_iommufd;
    default:
        return !ae_container_is_there() && ae_iommufd_offers(pci) ? &ae_iommu_iommufd
                                                                  : &ae_iommu_container;
    }
}

static void unmap_all(struct ae_dma_space *space)
{
    while (space->mapping_count > 0)
        ae_dma_unmap(space, space->mappings[0].memory, NULL);
}

int ae_dma_space_get_device(struct ae_dma_space *space, const struct ae_pci *pci,
                            struct ae_error *err)
{
    int fd, rc;

    if (!space->devices) {
        space->ops = choose(space, pci);
        space->no_iommu = false;
        rc = space->ops->open(space, err);
        if (rc)
            return rc;
    }
    fd = space->ops->get_device(space, pci, err);
    rc = fd < 0 ? fd : space->ops->ranges(space, err);
    if (!rc) {
        space->devices++;
        return fd;
    }
    if (fd >= 0)
        space->ops->put_device(space, pci->iommu_group, fd);
    if (!space->devices)
        space->ops->close(space);
    return rc;
}

void ae_dma_space_put_device(struct ae_dma_space *space, int group, int fd)
{
    bool last = --space->devices == 0;

    if (last)
        unmap_all(space);
    space->ops->put_device(space, group, fd);
    if (last)
        space->ops->close(space);
}

static const struct ae_mapping *overlap(const struct ae_dma_space *space, uint64_t first,
                                        uint64_t size)
{
    for (unsigned i = 0; i < space->mapping_count; i++) {
        const struct ae_mapping *mapping = &space->mappings[i];

        /* Compared by their last bytes: the end of the highest mapping wraps to 0. */
        if (first <= mapping->iova + (mapping->size - 1) && mapping->iova <= first + (size - 1))
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
            if (!first)
                break;
        }
    }
    return -ENOSPC;
}

/* The kernel says ENOMEM, and nothing of why. */
static int explain_shortage(uint64_t size, struct ae_error *err)
{
    struct ae_memlock memlock;

    if (ae_memlock_read(&memlock) || memlock.exempt || memlock.limit == UINT64_MAX)
        return ae_error_set(err, -ENOMEM, "mapping %llu kB for the device: %s",
                            (unsigned long long)size / 1024, strerror(ENOMEM));
    return ae_error_set(err, -ENOMEM,
                        "mapping %llu kB for the device: %llu kB of at most %llu kB are locked "
                        "already (RLIMIT_MEMLOCK; iommufd counts all processes of the user); raise "
                        "the limit: ulimit -l unlimited, or LimitMEMLOCK=infinity in a unit",
                        (unsigned long long)size / 1024, (unsigned long long)memlock.locked / 1024,
                        (unsigned long long)memlock.limit / 1024);
}

static int check_map(const struct ae_dma_space *space, const struct ae_memory *memory,
                     struct ae_error *err)
{
    if (!space->devices)
        return ae_error_set(err, -EINVAL, "mapping memory: no device is in this DMA space yet");
    if (space->no_iommu)
        return ae_error_set(err, -EOPNOTSUPP,
                            "mapping memory: without an IOMMU huge pages have no common address "
                            "for a device; turn the IOMMU on");
    if (space->mapping_count == AE_MAPPINGS)
        return ae_error_set(err, -ENOSPC, "mapping memory: %d mappings are the most a space has",
                            AE_MAPPINGS);
    for (unsigned i = 0; i < space->mapping_count; i++)
        if (space->mappings[i].memory == memory)
            return ae_error_set(err, -EEXIST, "mapping memory: it is in this DMA space already");
    return 0;
}

static int map_at(struct ae_dma_space *space, struct ae_memory *memory, uint64_t address,
                  struct ae_error *err)
{
    uint64_t size = ae_memory_size(memory);
    int rc = space->ops->map(space, ae_memory_base(memory), address, size);

    if (rc == -ENOMEM)
        return explain_shortage(size, err);
    if (rc)
        return ae_error_set(err, rc, "mapping %llu kB for the device: %s%s",
                            (unsigned long long)size / 1024, strerror(-rc),
                            rc == -ENOSPC ? " (vfio_iommu_type1's dma_entry_limit)" : "");
    space->mappings[space->mapping_count++] = (struct ae_mapping){memory, address, size};
    return 0;
}

int ae_dma_map(struct ae_dma_space *space, struct ae_memory *memory, ae_iova_t *iova,
               struct ae_error *err)
{
    uint64_t size = ae_memory_size(memory);
    int rc = check_map(space, memory, err);

    if (rc)
        return rc;
    if (ae_iova_find(space, size, ae_memory_page_size(memory), &iova->value))
        return ae_error_set(err, -ENOSPC,
                            "mapping %llu kB for the device: no room in the ranges that its IOMMU "
                            "translates",
                            (unsigned long long)size / 1024);
    return map_at(space, memory, iova->value, err);
}

static bool is_translated(const struct ae_dma_space *space, uint64_t first, uint64_t size)
{
    for (unsigned i = 0; i < space->range_count; i++)
        if (first >= space->ranges[i].first && first <= space->ranges[i].last &&
            space->ranges[i].last - first >= size - 1)
            return true;
    return false;
}

int ae_dma_map_at(struct ae_dma_space *space, struct ae_memory *memory, ae_iova_t iova,
                  struct ae_error *err)
{
    uint64_t size = ae_memory_size(memory);
    int rc = check_map(space, memory, err);

    if (rc)
        return rc;
    if (iova.value % ae_memory_page_size(memory) || !is_translated(space, iova.value, size) ||
        overlap(space, iova.value, size))
        return ae_error_set(err, -EADDRNOTAVAIL,
                            "mapping %llu kB for the device at 0x%llx: its IOMMU does not "
                            "translate that, or something else is there",
                            (unsigned long long)size / 1024, (unsigned long long)iova.value);
    return map_at(space, memory, iova.value, err);
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
            return ae_error_set(err, rc, "unmapping IOVA 0x%llx: %s", (unsigned long long)gone.iova,
                                strerror(-rc));
        return 0;
    }
    return ae_error_set(err, -ENOENT, "unmapping memory that is not mapped in this DMA space");
}
