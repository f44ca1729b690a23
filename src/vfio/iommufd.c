/* SPDX-License-Identifier: Apache-2.0 */

/*
 * iommufd: an I/O address space (IOAS) that functions are attached to one by one, each by a file of
 * its own. The group is the kernel's concern.
 */

#include "vfio/iommufd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"
#include "vfio/holder.h"
#include "vfio/vfio.h"

#define IOMMUFD "/dev/iommu"
#define PATH    64

static int take_name(const char *name, void *context)
{
    snprintf(context, PATH, "/dev/vfio/devices/%.40s", name);
    return 1;
}

/* The function's own file; "" where the kernel makes none. */
static void find_file(const struct ae_pci *pci, char path[PATH])
{
    char directory[96];

    path[0] = '\0';
    snprintf(directory, sizeof(directory), "/sys/bus/pci/devices/%s/vfio-dev", pci->info.address);
    ae_root_list(directory, take_name, path);
    if (path[0] && !ae_root_exists(path))
        path[0] = '\0';
}

bool ae_iommufd_offers(const struct ae_pci *pci)
{
    char path[PATH];

    find_file(pci, path);
    return path[0] && ae_root_exists(IOMMUFD);
}

static int iommufd_open(struct ae_dma_space *space, struct ae_error *err)
{
    struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
    int fd = ae_root_open(IOMMUFD, O_RDWR), rc;

    if (fd == -ENOENT || fd == -ENODEV)
        return ae_error_set(err, fd,
                            IOMMUFD ": %s; modprobe iommufd (the kernel needs CONFIG_IOMMUFD), or "
                                    "use the container: --iommu=container",
                            strerror(-fd));
    if (fd < 0)
        return ae_error_set(err, fd, IOMMUFD ": %s; run as root, or give the user access",
                            strerror(-fd));
    if (ioctl(fd, IOMMU_IOAS_ALLOC, &alloc)) {
        rc = -errno;
        close(fd);
        return ae_error_set(err, rc,
                            IOMMUFD ": making an address space: %s; --iommu=container does "
                                    "without iommufd",
                            strerror(-rc));
    }
    space->fd = fd;
    space->ioas = alloc.out_ioas_id;
    return 0;
}

/* The address space goes with the descriptor. */
static void iommufd_close(struct ae_dma_space *space)
{
    close(space->fd);
}

/*
 * Opening does not make the function ours, binding does. That it is bound already is EINVAL, that
 * its group is open is EBUSY (vfio_df_open, vfio_device_block_group).
 */
static int open_bound(const char *path, const void *context)
{
    const struct ae_dma_space *space = context;
    struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = space->fd};
    int fd = ae_root_open(path, O_RDWR), rc;

    if (fd < 0 || !ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
        return fd;
    rc = errno == EINVAL ? -EBUSY : -errno;
    close(fd);
    return rc;
}

static int iommufd_get_device(struct ae_dma_space *space, const struct ae_pci *pci,
                              struct ae_error *err)
{
    struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach), .pt_id = space->ioas};
    char path[PATH];
    int fd, rc;

    find_file(pci, path);
    if (!path[0])
        return ae_error_set(err, -ENOENT,
                            "%s has no file in /dev/vfio/devices (the kernel needs "
                            "CONFIG_VFIO_DEVICE_CDEV, Linux 6.6 or newer); use the container: "
                            "--iommu=container",
                            pci->info.address);
    fd = ae_vfio_open(path, pci->iommu_group, open_bound, space, err);
    if (fd == -EBUSY)
        return fd;
    if (fd < 0)
        return ae_error_set(err, fd, "%s (%s): giving it to iommufd: %s%s", path, pci->info.address,
                            strerror(-fd),
                            fd == -EPERM    ? "; does the IOMMU remap interrupts? the kernel's "
                                              "messages say"
                            : fd == -EACCES ? "; run as root, or give the user access"
                                            : "");
    if (!ioctl(fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
        return fd;
    rc = -errno;
    close(fd);
    return ae_error_set(err, rc,
                        "%s (%s): joining the DMA space: %s; functions whose IOMMUs cannot "
                        "translate the same addresses need a space each",
                        path, pci->info.address, strerror(-rc));
}

static void iommufd_put_device(struct ae_dma_space *space, int group, int fd)
{
    (void)space;
    (void)group;
    close(fd);
}

static int iommufd_ranges(struct ae_dma_space *space, struct ae_error *err)
{
    struct iommu_iova_range list[AE_IOVA_RANGES];
    struct iommu_ioas_iova_ranges ranges = {
        .size = sizeof(ranges),
        .ioas_id = space->ioas,
        .num_iovas = AE_IOVA_RANGES,
        .allowed_iovas = (uintptr_t)list,
    };

    /* Of more ranges than there is room for the first are enough. */
    if (ioctl(space->fd, IOMMU_IOAS_IOVA_RANGES, &ranges) && errno != EMSGSIZE)
        return ae_error_set(err, -errno, IOMMUFD ": reading the IOMMU's ranges: %s",
                            strerror(errno));
    space->range_count = 0;
    for (uint32_t i = 0; i < ranges.num_iovas && i < AE_IOVA_RANGES; i++)
        if (list[i].start <= list[i].last)
            space->ranges[space->range_count++] =
                (struct ae_iova_range){list[i].start, list[i].last};
    return 0;
}

static int iommufd_map(struct ae_dma_space *space, void *address, uint64_t iova, uint64_t size)
{
    struct iommu_ioas_map map = {
        .size = sizeof(map),
        .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
        .ioas_id = space->ioas,
        .user_va = (uintptr_t)address,
        .length = size,
        .iova = iova,
    };

    return ioctl(space->fd, IOMMU_IOAS_MAP, &map) ? -errno : 0;
}

static int iommufd_unmap(struct ae_dma_space *space, uint64_t iova, uint64_t size)
{
    struct iommu_ioas_unmap unmap = {
        .size = sizeof(unmap), .ioas_id = space->ioas, .iova = iova, .length = size};

    if (ioctl(space->fd, IOMMU_IOAS_UNMAP, &unmap))
        return -errno;
    return unmap.length == size ? 0 : -EIO;
}

const struct ae_iommu_ops ae_iommu_iommufd = {
    .open = iommufd_open,
    .close = iommufd_close,
    .get_device = iommufd_get_device,
    .put_device = iommufd_put_device,
    .ranges = iommufd_ranges,
    .map = iommufd_map,
    .unmap = iommufd_unmap,
};
