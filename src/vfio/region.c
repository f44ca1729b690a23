/* SPDX-License-Identifier: Apache-2.0 */
#include "vfio/device.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/error.h"

#define ANSWER_MAX 65536

struct areas {
    uint64_t bar_size;
    bool sparse;
    struct ae_bar_areas mappable;
};

/* An area that cannot be is left out: then it is a hole, which faults. */
static void note_sparse(const struct vfio_info_cap_header *cap, const uint8_t *capability,
                        uint32_t room, void *context)
{
    struct vfio_region_info_cap_sparse_mmap list;
    struct areas *areas = context;

    if (cap->id != VFIO_REGION_INFO_CAP_SPARSE_MMAP || room < sizeof(list))
        return;
    areas->sparse = true;
    areas->mappable.count = 0;
    memcpy(&list, capability, sizeof(list));
    if (list.nr_areas > (room - sizeof(list)) / sizeof(struct vfio_region_sparse_mmap_area))
        return;
    for (uint32_t i = 0; i < list.nr_areas && areas->mappable.count < AE_AREAS; i++) {
        struct vfio_region_sparse_mmap_area area;

        memcpy(&area, capability + sizeof(list) + i * sizeof(area), sizeof(area));
        if (area.size && area.offset <= areas->bar_size &&
            area.size <= areas->bar_size - area.offset) {
            areas->mappable.area[areas->mappable.count].offset = area.offset;
            areas->mappable.area[areas->mappable.count++].size = area.size;
        }
    }
}

/*
 * What of a BAR may be mapped. Without a sparse capability that is all of it: kernels that keep the
 * MSI-X table to themselves say so with one, the others have VFIO_REGION_INFO_CAP_MSIX_MAPPABLE.
 */
static int read_areas(const struct vfio_region_info *info, struct areas *areas)
{
    *areas = (struct areas){.bar_size = info->size};
    if (info->flags & VFIO_REGION_INFO_FLAG_CAPS && info->cap_offset &&
        ae_vfio_capabilities(info, info->argsz, info->cap_offset, note_sparse, areas))
        return -EPROTO;
    if (!areas->sparse) {
        areas->mappable.count = 1;
        areas->mappable.area[0].size = info->size;
    }
    return 0;
}

/* Asks twice: first for the length of the answer, then for all of it. */
static int get_region(struct ae_device *device, unsigned bar, struct vfio_region_info **out,
                      struct ae_error *err)
{
    uint32_t size = sizeof(struct vfio_region_info);

    for (int i = 0; i < 2; i++) {
        struct vfio_region_info *info = calloc(1, size);

        if (!info)
            return ae_error_set(err, -ENOMEM, "%s: BAR %u: out of memory", device->info.address,
                                bar);
        info->argsz = size;
        info->index = bar;
        if (ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, info)) {
            int rc = -errno;

            free(info);
            return ae_error_set(err, rc, "%s: BAR %u: %s", device->info.address, bar,
                                strerror(-rc));
        }
        if (info->argsz >= sizeof(*info) && info->argsz <= size) {
            *out = info;
            return 0;
        }
        size = info->argsz;
        free(info);
        if (size < sizeof(struct vfio_region_info) || size > ANSWER_MAX)
            break;
    }
    return ae_error_set(err, -EPROTO, "%s: BAR %u: VFIO's answer has an impossible length",
                        device->info.address, bar);
}

static int map_areas(struct ae_device *device, struct ae_bar *mapped,
                     const struct vfio_region_info *info, const struct ae_bar_areas *areas)
{
    uint8_t *base = mmap(NULL, info->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED)
        return -errno;
    for (unsigned i = 0; i < areas->count; i++) {
        void *at =
            mmap(base + areas->area[i].offset, areas->area[i].size, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_FIXED, device->fd, (off_t)(info->offset + areas->area[i].offset));

        if (at == MAP_FAILED) {
            int rc = -errno;

            munmap(base, info->size);
            return rc;
        }
    }
    /* A process that is forked, and does not end, must not hold the device. */
    madvise(base, info->size, MADV_DONTFORK);
    *mapped = (struct ae_bar){base, info->size, info->offset};
    return 0;
}

int ae_device_map_bar(struct ae_device *device, unsigned bar, struct ae_bar *mapped,
                      struct ae_error *err)
{
    struct vfio_region_info *info = NULL;
    struct areas areas;
    int rc;

    if (bar >= AE_BARS)
        return ae_error_set(err, -ENXIO, "%s: there is no BAR %u", device->info.address, bar);
    if (device->bars[bar].base) {
        *mapped = device->bars[bar];
        return 0;
    }
    rc = get_region(device, bar, &info, err);
    if (rc)
        return rc;
    if (!info->size || !(info->flags & VFIO_REGION_INFO_FLAG_MMAP)) {
        free(info);
        return ae_error_set(err, -ENXIO, "%s: BAR %u cannot be mapped (absent, or I/O ports)",
                            device->info.address, bar);
    }
    rc = read_areas(info, &areas);
    if (!rc && areas.mappable.count == 0)
        rc = -ENXIO;
    if (!rc)
        rc = map_areas(device, &device->bars[bar], info, &areas.mappable);
    if (!rc)
        device->areas[bar] = areas.mappable;
    free(info);
    if (rc == -EPROTO || rc == -ENXIO)
        return ae_error_set(err, rc, "%s: BAR %u: %s", device->info.address, bar,
                            rc == -ENXIO ? "no part of it can be mapped"
                                         : "malformed answer of VFIO's");
    if (rc)
        return ae_error_set(err, rc, "%s: mapping BAR %u: %s", device->info.address, bar,
                            strerror(-rc));
    *mapped = device->bars[bar];
    return 0;
}

static bool overlap(uint64_t one, uint64_t one_size, uint64_t other, uint64_t other_size)
{
    return one < other + other_size && other < one + one_size;
}

/* PCI Local Bus 3.0, 6.8.2: the table has 16 bytes a vector, the pending bits 8 bytes for 64 of
 * them. */
static bool overlaps_msix(struct ae_device *device, unsigned bar, uint64_t offset, uint64_t length)
{
    int at = ae_device_find_capability(device, PCI_CAP_ID_MSIX);
    uint32_t flags, table, pending;
    uint64_t vectors;

    if (at < 0 || ae_device_config_read(device, (unsigned)at + PCI_MSIX_FLAGS, 2, &flags, NULL) ||
        ae_device_config_read(device, (unsigned)at + PCI_MSIX_TABLE, 4, &table, NULL) ||
        ae_device_config_read(device, (unsigned)at + PCI_MSIX_PBA, 4, &pending, NULL))
        return false;
    vectors = (flags & PCI_MSIX_FLAGS_QSIZE) + 1;
    return ((table & PCI_MSIX_TABLE_BIR) == bar &&
            overlap(offset, length, table & PCI_MSIX_TABLE_OFFSET, vectors * 16)) ||
           ((pending & PCI_MSIX_PBA_BIR) == bar &&
            overlap(offset, length, pending & PCI_MSIX_PBA_OFFSET, (vectors + 63) / 64 * 8));
}

static bool is_mapped(const struct ae_bar_areas *areas, uint64_t offset, uint64_t length)
{
    for (unsigned i = 0; i < areas->count; i++)
        if (offset >= areas->area[i].offset &&
            offset - areas->area[i].offset <= areas->area[i].size &&
            length <= areas->area[i].size - (offset - areas->area[i].offset))
            return true;
    return false;
}

int ae_device_check_registers(struct ae_device *device, unsigned bar, uint64_t offset,
                              uint64_t length, const char *what, struct ae_error *err)
{
    uint64_t size = bar < AE_BARS && device->bars[bar].base ? device->bars[bar].size : 0;
    const char *why = NULL;

    if (offset > size || length > size - offset)
        why = "which has not so many";
    else if (!is_mapped(&device->areas[bar], offset, length))
        why = "a part of which the kernel keeps to itself";
    else if (overlaps_msix(device, bar, offset, length))
        why = "where its MSI-X table or pending bits are";
    if (!why)
        return 0;
    return ae_error_set(err, -EPROTO, "%s: %s in %llu bytes at 0x%llx of BAR %u (%llu bytes), %s",
                        device->info.address, what, (unsigned long long)length,
                        (unsigned long long)offset, bar, (unsigned long long)size, why);
}

void ae_device_unmap_bars(struct ae_device *device)
{
    for (unsigned i = 0; i < AE_BARS; i++) {
        if (device->bars[i].base)
            munmap((void *)(uintptr_t)device->bars[i].base, device->bars[i].size);
        device->bars[i].base = NULL;
    }
}
