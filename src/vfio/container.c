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
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"
#include "vfio/holder.h"

#define INFO_SIZE_MAX 65536
#define RELEASE_MS    2000
#define STEP_MS       20

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
    int fd = ae_root_open("/dev/vfio/vfio", O_RDWR), version;

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
    space->container = fd;
    return 0;
}

static void container_close(struct ae_dma_space *space)
{
    close(space->container);
    space->container = -1;
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

static int learn_ranges(struct ae_dma_space *space, struct ae_error *err)
{
    struct vfio_iommu_type1_info *info = calloc(1, INFO_SIZE_MAX);
    int rc = 0;

    if (!info)
        return ae_error_set(err, -ENOMEM, "reading the IOMMU's ranges: out of memory");
    info->argsz = INFO_SIZE_MAX;
    if (ioctl(space->container, VFIO_IOMMU_GET_INFO, info))
        rc = ae_error_set(err, -errno, "reading the IOMMU's ranges: %s", strerror(errno));
    else if (info->argsz > INFO_SIZE_MAX)
        rc = ae_error_set(err, -EPROTO, "reading the IOMMU's ranges: the answer is too long");
    if (!rc) {
        space->page_sizes = info->flags & VFIO_IOMMU_INFO_PGSIZES ? info->iova_pgsizes : 4096;
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

    if (space->iommu_set && space->no_iommu != no_iommu)
        return ae_error_set(err, -EINVAL,
                            "a DMA space holds devices behind an IOMMU or devices without one, "
                            "not both");
    if (!space->iommu_set && ioctl(space->container, VFIO_CHECK_EXTENSION, type) <= 0)
        return ae_error_set(err, -EOPNOTSUPP,
                            "this kernel's VFIO has no %s IOMMU; modprobe vfio_iommu_type1",
                            no_iommu ? "no-IOMMU" : "type1v2");
    if (!space->iommu_set && ioctl(space->container, VFIO_SET_IOMMU, type))
        return ae_error_set(err, -errno, "choosing the IOMMU: %s%s", strerror(errno),
                            errno == EPERM ? "; does it remap interrupts? the kernel's messages say"
                                           : "");
    space->iommu_set = true;
    space->no_iommu = no_iommu;
    /* Every group may narrow the ranges. */
    return no_iommu ? 0 : learn_ranges(space, err);
}

/* A killed process keeps its group a moment longer than it can be found. */
static int open_patiently(const char *path, int group, enum ae_vfio_holding *who, char *holder,
                          size_t size)
{
    int fd = ae_root_open(path, O_RDWR);

    *who = AE_VFIO_NOBODY;
    for (unsigned ms = 0; fd == -EBUSY && ms < RELEASE_MS; ms += STEP_MS) {
        *who = ae_vfio_holder(group, holder, size);
        if (*who == AE_VFIO_HOLDER)
            break;
        nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000 * 1000}, NULL);
        fd = ae_root_open(path, O_RDWR);
    }
    return fd;
}

/* Opens /dev/vfio/N, or /dev/vfio/noiommu-N when that is what exists and is allowed. */
static int open_group(const struct ae_dma_space *space, int group, bool *no_iommu,
                      struct ae_error *err)
{
    char path[64], holder[AE_VFIO_HOLDER_TEXT];
    enum ae_vfio_holding who;
    int fd;

    snprintf(path, sizeof(path), "/dev/vfio/%d", group);
    fd = open_patiently(path, group, &who, holder, sizeof(holder));
    *no_iommu = false;
    if (fd == -ENOENT) {
        snprintf(path, sizeof(path), "/dev/vfio/noiommu-%d", group);
        if (ae_root_exists(path)) {
            if (!space->allow_no_iommu)
                return ae_error_set(err, -EPERM,
                                    "%s: VFIO runs without an IOMMU, so the device could write to "
                                    "all of memory; turn the IOMMU on, or insist by name "
                                    "(--allow-no-iommu)",
                                    path);
            *no_iommu = true;
            fd = open_patiently(path, group, &who, holder, sizeof(holder));
        }
    }
    if (fd == -EBUSY)
        return ae_error_set(err, fd, "%s: in use%s by %s; stop it first", path,
                            who == AE_VFIO_PERHAPS ? ", it seems" : "",
                            who == AE_VFIO_NOBODY ? "another process" : holder);
    if (fd < 0)
        return ae_error_set(err, fd, "%s: %s; %s", path, strerror(-fd),
                            fd == -ENOENT ? "bind the device to vfio-pci first"
                                          : "run as root, or give the user access");
    return fd;
}

static int container_add_group(struct ae_dma_space *space, int group, struct ae_error *err)
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
    else if (ioctl(fd, VFIO_GROUP_SET_CONTAINER, &space->container))
        rc = ae_error_set(err, -errno, "IOMMU group %d: joining the DMA space: %s", group,
                          strerror(errno));
    if (!rc)
        rc = set_iommu(space, no_iommu, err);
    if (rc) {
        /* With its only group the container loses its IOMMU. */
        if (space->group_count == 0)
            space->iommu_set = false;
        close(fd);
        return rc;
    }
    return fd;
}

static void container_remove_group(struct ae_dma_space *space, int fd)
{
    (void)space;
    close(fd);
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

    return ioctl(space->container, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

static int container_unmap(struct ae_dma_space *space, uint64_t iova, uint64_t size)
{
    struct vfio_iommu_type1_dma_unmap unmap = {.argsz = sizeof(unmap), .iova = iova, .size = size};

    if (ioctl(space->container, VFIO_IOMMU_UNMAP_DMA, &unmap))
        return -errno;
    return unmap.size == size ? 0 : -EIO;
}

const struct ae_iommu_ops ae_iommu_container = {
    .name = "container",
    .open = container_open,
    .close = container_close,
    .add_group = container_add_group,
    .remove_group = container_remove_group,
    .map = container_map,
    .unmap = container_unmap,
};
