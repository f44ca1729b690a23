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
    if (!rc && !space->options.allow_no_iommu)
        rc = ae_iommu_check_group(&pci, err);
    if (rc)
        return rc;
    device = calloc(1, sizeof(*device));
    if (!device)
        return ae_error_set(err, -ENOMEM, "opening %s: out of memory", address);
    device->info = pci.info;
    device->space = space;
    device->group = pci.iommu_group;
    device->request_fd = -1;
    device->fd = ae_dma_space_get_device(space, &pci, err);
    rc = device->fd < 0 ? device->fd : read_layout(device, err);
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
        ae_dma_space_put_device(device->space, device->group, device->fd);
    }
    if (device->request_fd >= 0)
        close(device->request_fd);
    free(device);
}

void ae_device_get_info(const struct ae_device *device, struct ae_pci_info *info)
{
    *info = device->info;
}

int ae_device_fd(const struct ae_device *device)
{
    return device->fd;
}
