/* SPDX-License-Identifier: Apache-2.0 */
#include "vfio/device.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "machine/iommu.h"
#include "machine/pci.h"

/* Reads of a function that is gone, or has memory decoding off, return all ones. */
static bool all_ones(uint32_t value, unsigned width)
{
    return value == (width == 4 ? UINT32_MAX : (1u << (8 * width)) - 1);
}

static int check_access(const struct ae_device *device, unsigned offset, unsigned width,
                        struct ae_error *err)
{
    if ((width == 1 || width == 2 || width == 4) && offset % width == 0 &&
        width <= device->config_size && offset <= device->config_size - width)
        return 0;
    return ae_error_set(err, -EINVAL, "%s: configuration space has no %u bytes at 0x%x",
                        device->info.address, width, offset);
}

/* Configuration space is little-endian, and so is every machine Aether builds for. */
static int read_raw(const struct ae_device *device, unsigned offset, unsigned width,
                    uint32_t *value)
{
    ssize_t got = pread(device->fd, value, width, (off_t)(device->config_offset + offset));

    if (got < 0)
        return -errno;
    return got == (ssize_t)width ? 0 : -EIO;
}

/* The command register never reads as all ones on a device that is there, and VFIO, which makes up
 * the vendor ID, passes it through. */
static bool is_gone(const struct ae_device *device)
{
    uint32_t command = 0;

    return !read_raw(device, PCI_COMMAND, 2, &command) && all_ones(command, 2);
}

int ae_device_config_read(struct ae_device *device, unsigned offset, unsigned width,
                          uint32_t *value, struct ae_error *err)
{
    uint32_t raw = 0;
    int rc = check_access(device, offset, width, err);

    if (rc)
        return rc;
    rc = read_raw(device, offset, width, &raw);
    if (rc)
        return ae_error_set(err, rc, "%s: reading configuration 0x%x: %s", device->info.address,
                            offset, strerror(-rc));
    if (all_ones(raw, width) && is_gone(device))
        return ae_error_set(err, -ENODEV, "%s: the device is gone", device->info.address);
    *value = raw;
    return 0;
}

int ae_device_config_write(struct ae_device *device, unsigned offset, unsigned width,
                           uint32_t value, struct ae_error *err)
{
    int rc = check_access(device, offset, width, err);
    ssize_t put;

    if (rc)
        return rc;
    put = pwrite(device->fd, &value, width, (off_t)(device->config_offset + offset));
    if (put == (ssize_t)width)
        return 0;
    rc = put < 0 ? -errno : -EIO;
    return ae_error_set(err, rc, "%s: writing configuration 0x%x: %s", device->info.address, offset,
                        strerror(-rc));
}

static int walk_capabilities(struct ae_device *device, uint8_t id, int from)
{
    uint32_t value;
    unsigned at;

    if (from) {
        at = (unsigned)from + PCI_CAP_LIST_NEXT;
    } else {
        if (ae_device_config_read(device, PCI_STATUS, 2, &value, NULL) ||
            !(value & PCI_STATUS_CAP_LIST))
            return -ENOENT;
        at = PCI_CAPABILITY_LIST;
    }
    /* 48 capabilities fill the 192 bytes there are for them; a longer walk is a loop. */
    for (int i = 0; i < 48; i++) {
        uint32_t next, found;

        if (ae_device_config_read(device, at, 1, &next, NULL))
            return -ENOENT;
        next &= 0xfcu;
        if (next < PCI_STD_HEADER_SIZEOF ||
            ae_device_config_read(device, next + PCI_CAP_LIST_ID, 1, &found, NULL))
            return -ENOENT;
        if (found == id)
            return (int)next;
        at = next + PCI_CAP_LIST_NEXT;
    }
    return -ENOENT;
}

int ae_device_find_capability(struct ae_device *device, uint8_t id)
{
    return walk_capabilities(device, id, 0);
}

int ae_device_next_capability(struct ae_device *device, uint8_t id, int offset)
{
    return walk_capabilities(device, id, offset);
}

static int set_command(struct ae_device *device, uint32_t bits, bool on, struct ae_error *err)
{
    uint32_t command;
    int rc = ae_device_config_read(device, PCI_COMMAND, 2, &command, err);

    if (rc)
        return rc;
    command = on ? command | bits : command & ~bits;
    return ae_device_config_write(device, PCI_COMMAND, 2, command, err);
}

int ae_device_bus_master(struct ae_device *device, bool on, struct ae_error *err)
{
    return set_command(device, PCI_COMMAND_MASTER, on, err);
}

int ae_device_reset(struct ae_device *device, struct ae_error *err)
{
    if (!device->can_reset)
        return ae_error_set(err, -ENOTTY, "%s: this function cannot be reset",
                            device->info.address);
    if (ioctl(device->fd, VFIO_DEVICE_RESET))
        return ae_error_set(err, -errno, "%s: resetting it: %s", device->info.address,
                            strerror(errno));
    /* A reset turns memory decoding off; VFIO restores it only for what it saved itself. */
    return set_command(device, PCI_COMMAND_MEMORY, true, err);
}

static int read_layout(struct ae_device *device, struct ae_error *err)
{
    struct vfio_device_info info = {.argsz = sizeof(info)};
    struct vfio_region_info config = {.argsz = sizeof(config),
                                      .index = VFIO_PCI_CONFIG_REGION_INDEX};

    if (ioctl(device->fd, VFIO_DEVICE_GET_INFO, &info) || !(info.flags & VFIO_DEVICE_FLAGS_PCI) ||
        info.num_regions <= VFIO_PCI_CONFIG_REGION_INDEX)
        return ae_error_set(err, -ENODEV, "%s: VFIO does not know it as a PCI function",
                            device->info.address);
    if (ioctl(device->fd, VFIO_DEVICE_GET_REGION_INFO, &config))
        return ae_error_set(err, -errno, "%s: finding its configuration space: %s",
                            device->info.address, strerror(errno));
    device->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
    device->config_offset = config.offset;
    device->config_size = (uint32_t)(config.size > 4096 ? 4096 : config.size);
    return 0;
}

/* Bus master off first: what the last owner left behind must not write while we look at it. */
static int quieten(struct ae_device *device, struct ae_error *err)
{
    uint32_t vendor;
    int rc = ae_device_config_read(device, PCI_VENDOR_ID, 2, &vendor, err);

    if (!rc)
        rc = set_command(device, PCI_COMMAND_MASTER, false, err);
    if (!rc)
        rc = ae_device_reset(device, err);
    if (rc == -ENOTTY)
        rc = set_command(device, PCI_COMMAND_MEMORY, true, err);
    return rc ? rc : set_command(device, PCI_COMMAND_MASTER, false, err);
}

static int check_binding(const struct ae_pci *pci, struct ae_error *err)
{
    if (ae_pci_is_vfio(pci))
        return 0;
    return ae_error_set(
        err, -EXDEV, "%s is %s%s; take it first: aether nic bind %s", pci->info.address,
        pci->driver[0] ? "in the hands of the kernel's driver " : "bound to no driver", pci->driver,
        pci->info.address);
}

static int join(struct ae_device *device, int group, struct ae_error *err)
{
    int fd = ae_dma_space_join(device->space, group, err);

    if (fd < 0)
        return fd;
    device->group = group;
    device->fd = ioctl(fd, VFIO_GROUP_GET_DEVICE_FD, device->info.address);
    return device->fd < 0
               ? ae_error_set(err, -errno, "opening %s: %s", device->info.address, strerror(errno))
               : 0;
}

int ae_device_open(struct ae_device **out, struct ae_dma_space *space, const char *text,
                   struct ae_error *err)
{
    char address[AE_PCI_ADDRESS_TEXT];
    struct ae_device *device;
    struct ae_pci pci;
    int rc;

    if (ae_pci_parse(text, address))
        return ae_error_set(err, -EINVAL, "'%s' is no PCI address; one looks like 0000:01:00.0",
                            text);
    rc = ae_pci_read(&pci, address, err);
    if (!rc)
        rc = check_binding(&pci, err);
    if (!rc && !space->allow_no_iommu)
        rc = ae_iommu_check_group(&pci, err);
    if (rc)
        return rc;
    device = calloc(1, sizeof(*device));
    if (!device)
        return ae_error_set(err, -ENOMEM, "opening %s: out of memory", address);
    device->info = pci.info;
    device->space = space;
    device->group = device->fd = device->request_fd = -1;
    rc = join(device, pci.iommu_group, err);
    if (!rc)
        rc = read_layout(device, err);
    if (!rc)
        rc = quieten(device, err);
    if (rc) {
        ae_device_close(device);
        return rc;
    }
    *out = device;
    return 0;
}

void ae_device_close(struct ae_device *device)
{
    if (!device)
        return;
    if (device->fd >= 0) {
        /* It may be gone already; then there is nothing to stop. */
        ae_device_bus_master(device, false, NULL);
        ae_device_disable_interrupts(device, NULL);
        ae_device_reset(device, NULL);
        ae_device_unmap_bars(device);
        close(device->fd);
    }
    if (device->request_fd >= 0)
        close(device->request_fd);
    if (device->group >= 0)
        ae_dma_space_leave(device->space, device->group);
    free(device);
}

void ae_device_get_info(const struct ae_device *device, struct ae_device_info *info)
{
    *info = device->info;
}

int ae_device_fd(const struct ae_device *device)
{
    return device->fd;
}
