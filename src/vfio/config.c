/* SPDX-License-Identifier: Apache-2.0 */

/* The configuration space of a device, and the capabilities in it. */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "machine/pci_config.h"
#include "vfio/device.h"

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

static int read_byte(void *device, unsigned at)
{
    uint32_t value;

    return ae_device_config_read(device, at, 1, &value, NULL) ? -1 : (int)value;
}

int ae_device_find_capability(struct ae_device *device, uint8_t id)
{
    return ae_device_next_capability(device, id, &(struct ae_pci_walk){0});
}

int ae_device_next_capability(struct ae_device *device, uint8_t id, struct ae_pci_walk *walk)
{
    return ae_pci_walk_next(walk, id, read_byte, device);
}
