/* SPDX-License-Identifier: Apache-2.0 */

/* The container and its type1 IOMMU: <linux/vfio.h>, Documentation/driver-api/vfio.rst. */

#include "vfio/vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"
#include "vfio/holder.h"

#define CONTAINER     "/dev/vfio/vfio"
#define INFO_SIZE_MAX 65536

bool ae_container_is_there(void)
{
    return ae_root_exists(CONTAINER);
}

int ae_vfio_capabilities(const void *answer, uint32_t size, uint32_t first,
                         ae_vfio_capability_fn *each, void *context)
{
    const uint8_t *bytes = answer;
    uint32_t offset = first;

    /* Offsets only grow in what the kernel writes, so requiring that ends every loop. */
    while (offset) {
        struct vfio_info_cap_header cap;

        if (offset > size || size - offset < sizeof(cap) || offset % 4)
            return -EPROTO;
        memcpy(&cap, bytes + offset, sizeof(cap));
        each(&cap, bytes + offset, size - offset, context);
        if (cap.next && cap.next <= offset)
            return -EPROTO;
        offset = cap.next;
    }
    return 0;
}

static int container_open(struct ae_dma_space *space, struct ae_error *err)
{
    int fd = ae_root_open(CONTAINER, O_RDWR), version;

    if (fd == -ENOENT || fd == -ENODEV)
        return ae_error_set(err, fd,
                            "/dev/vfio/vfio: %s; load the driver: modprobe vfio-pci (the kernel "
                            "needs CONFIG_VFIO_PCI and an IOMMU)",
                            strerror(-fd));
    if (fd < 0)
        return ae_error_set(err, fd, "/dev/vfio/vfio: %s; run as root, or give the user access",
                            strerror(-fd));
    version = ioctl(fd, VFIO_GET_API_VERSION);
    if (version != VFIO_API_VERSION) {
        close(fd);
        return ae_error_set(err, -EPROTO, "/dev/vfio/vfio: API version %d, this is made for %d",
                            version, VFIO_API_VERSION);
    }
    space->fd = fd;
    return 0;
}

static void container_close(struct ae_dma_space *space)
{
    close(space->fd);
}

static void note_ranges(const struct vfio_info_cap_header *cap, const uint8_t *capability,
                        uint32_t room, void *context)
{
    struct vfio_iommu_type1_info_cap_iova_range list;
    struct ae_dma_space *space = context;

    if (cap->id != VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE || room < sizeof(list))
        return;
    memcpy(&list, capability, sizeof(list));
    if (list.nr_iovas > (room - sizeof(list)) / sizeof(struct vfio_iova_range))
        return;
    space->range_count = 0;
    for (uint32_t i = 0; i < list.nr_iovas && space->range_count < AE_IOVA_RANGES; i++) {
        struct vfio_iova_range range;

        memcpy(&range, capability + sizeof(list) + i * sizeof(range), sizeof(range));
        if (range.start <= range.end)
            space->ranges[space->range_count++] = (struct ae_iova_range){range.start, range.end};
    }
}

static int container_ranges(struct ae_dma_space *space, struct ae_error *err)
{
    struct vfio_iommu_type1_info *info;
    int rc = 0;

    if (space->no_iommu)
        return 0;
    info = calloc(1, INFO_SIZE_MAX);
    if (!info)
        return ae_error_set(err, -ENOMEM, "reading the IOMMU's ranges: out of memory");
    info->argsz = INFO_SIZE_MAX;
    if (ioctl(space->fd, VFIO_IOMMU_GET_INFO, info))
        rc = ae_error_set(err, -errno, "reading the IOMMU's ranges: %s", strerror(errno));
    else if (info->argsz > INFO_SIZE_MAX)
        rc = ae_error_set(err, -EPROTO, "reading the IOMMU's ranges: the answer is too long");
    if (!rc) {
        /* Kernels before 5.4 tell no ranges; 39 bits are what every IOMMU translates, and the
         * window of x86 interrupts (0xfee00000) is never to be used. */
        space->ranges[0] = (struct ae_iova_range){0, 0xfedfffff};
        space->ranges[1] = (struct ae_iova_range){0xfef00000, (UINT64_C(1) << 39) - 1};
        space->range_count = 2;
        if (info->flags & VFIO_IOMMU_INFO_CAPS &&
            ae_vfio_capabilities(info, info->argsz, info->cap_offset, note_ranges, space))
            rc = ae_error_set(err, -EPROTO, "reading the IOMMU's ranges: malformed answer");
    }
    free(info);
    return rc;
}

static int set_iommu(struct ae_dma_space *space, bool no_iommu, struct ae_error *err)
{
    int type = no_iommu ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU;

    if (space->group_count && space->no_iommu != no_iommu)
        return ae_error_set(err, -EINVAL,
                            "a DMA space holds devices behind an IOMMU or devices without one, "
                            "not both");
    if (!space->group_count && ioctl(space->fd, VFIO_CHECK_EXTENSION, type) <= 0)
        return ae_error_set(err, -EOPNOTSUPP,
                            "this kernel's VFIO has no %s IOMMU; modprobe vfio_iommu_type1",
                            no_iommu ? "no-IOMMU" : "type1v2");
    if (!space->group_count && ioctl(space->fd, VFIO_SET_IOMMU, type))
        return ae_error_set(err, -errno, "choosing the IOMMU: %s%s", strerror(errno),
                            errno == EPERM ? "; does it remap interrupts? the kernel's messages say"
                                           : "");
    space->no_iommu = no_iommu;
    return 0;
}

static int open_plain(const char *path, const void *context)
{
    (void)context;
    return ae_root_open(path, O_RDWR);
}

/* Opens /dev/vfio/N, or /dev/vfio/noiommu-N when that is what exists and is allowed. */
static int open_group(const struct ae_dma_space *space, int group, bool *no_iommu,
                      struct ae_error *err)
{
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/dev/vfio/%d", group);
    fd = ae_vfio_open(path, group, open_plain, NULL, err);
    *no_iommu = false;
    if (fd == -ENOENT) {
        snprintf(path, sizeof(path), "/dev/vfio/noiommu-%d", group);
        if (ae_root_exists(path)) {
            if (!space->options.allow_no_iommu)
                return ae_error_set(err, -EPERM,
                                    "%s: VFIO runs without an IOMMU, so the device could write to "
                                    "all of memory; turn the IOMMU on, or insist by name "
                                    "(--allow-no-iommu)",
                                    path);
            *no_iommu = true;
            fd = ae_vfio_open(path, group, open_plain, NULL, err);
        }
    }
    if (fd >= 0 || fd == -EBUSY)
        return fd;
    return ae_error_set(err, fd, "%s: %s; %s", path, strerror(-fd),
                        fd == -ENOENT ? "bind the device to vfio-pci first"
                                      : "run as root, or give the user access");
}

static int add_group(struct ae_dma_space *space, int group, struct ae_error *err)
{
    struct vfio_group_status status = {.argsz = sizeof(status)};
    bool no_iommu;
    int fd = open_group(space, group, &no_iommu, err), rc = 0;

    if (fd < 0)
        return fd;
    if (ioctl(fd, VFIO_GROUP_GET_STATUS, &status))
        rc = ae_error_set(err, -errno, "IOMMU group %d: %s", group, strerror(errno));
    else if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
        rc = ae_error_set(err, -EBUSY,
                          "IOMMU group %d is not viable: a function of it is in the kernel's hands",
                          group);
    else if (ioctl(fd, VFIO_GROUP_SET_CONTAINER, &space->fd))
        rc = ae_error_set(err, -errno, "IOMMU group %d: joining the DMA space: %s", group,
                          strerror(errno));
    if (!rc)
        rc = set_iommu(space, no_iommu, err);
    if (rc) {
        close(fd);
        return rc;
    }
    space->groups[space->group_count++] = (struct ae_group){.number = group, .fd = fd};
    return 0;
}

static struct ae_group *find_group(struct ae_dma_space *space, int number)
{
    for (unsigned i = 0; i < space->group_count; i++)
        if (space->groups[i].number == number)
            return &space->groups[i];
    return NULL;
}

/* The group leaves with its last device. */
static void leave_group(struct ae_dma_space *space, struct ae_group *group)
{
    if (group->devices > 0)
        return;
    close(group->fd);
    *group = space->groups[--space->group_count];
}

static int container_get_device(struct ae_dma_space *space, const struct ae_pci *pci,
                                struct ae_error *err)
{
    struct ae_group *group = find_group(space, pci->iommu_group);
    int fd, rc;

    if (!group && space->group_count == AE_GROUPS)
        return ae_error_set(err, -ENOSPC, "IOMMU group %d: %d groups are the most a DMA space has",
                            pci->iommu_group, AE_GROUPS);
    if (!group) {
        rc = add_group(space, pci->iommu_group, err);
        if (rc)
            return rc;
        group = &space->groups[space->group_count - 1];
    }
    fd = ioctl(group->fd, VFIO_GROUP_GET_DEVICE_FD, pci->info.address);
    if (fd >= 0) {
        group->devices++;
        return fd;
    }
    rc = ae_error_set(err, -errno, "opening %s: %s", pci->info.address, strerror(errno));
    leave_group(space, group);
    return rc;
}

static void container_put_device(struct ae_dma_space *space, int number, int fd)
{
    struct ae_group *group = find_group(space, number);

    close(fd);
    group->devices--;
    leave_group(space, group);
}

static int container_map(struct ae_dma_space *space, void *address, uint64_t iova, uint64_t size)
{
    struct vfio_iommu_type1_dma_map map = {
        .argsz = sizeof(map),
        .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
        .vaddr = (uintptr_t)address,
        .iova = iova,
        .size = size,
    };

    return ioctl(space->fd, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

static int container_unmap(struct ae_dma_space *space, uint64_t iova, uint64_t size)
{
    struct vfio_iommu_type1_dma_unmap unmap = {.argsz = sizeof(unmap), .iova = iova, .size = size};

    if (ioctl(space->fd, VFIO_IOMMU_UNMAP_DMA, &unmap))
        return -errno;
    return unmap.size == size ? 0 : -EIO;
}

const struct ae_iommu_ops ae_iommu_container = {
    .open = container_open,
    .close = container_close,
    .get_device = container_get_device,
    .put_device = container_put_device,
    .ranges = container_ranges,
    .map = container_map,
    .unmap = container_unmap,
};
