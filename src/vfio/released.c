/* SPDX-License-Identifier: Apache-2.0 */
#include "vfio/released.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/root.h"
#include "vfio/holder.h"

#define PATIENCE_MS 1000

bool ae_vfio_is_enabled(const char *address)
{
    char path[96];
    uint64_t enabled;

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.32s/enable", address);
    return !ae_root_read_u64(path, &enabled) && enabled > 0;
}

static int name_holder(const char *address, struct ae_error *err)
{
    char path[96], group[16], holder[AE_VFIO_HOLDER_TEXT];
    enum ae_vfio_holding who = AE_VFIO_NOBODY;

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.32s/iommu_group", address);
    if (!ae_root_link_name(path, group, sizeof(group)))
        who = ae_vfio_holder(atoi(group), holder, sizeof(holder));
    return ae_error_set(err, -EBUSY, "%s was closed, and is still in use, %sby %s", address,
                        who == AE_VFIO_PERHAPS ? "it seems " : "",
                        who == AE_VFIO_NOBODY ? "a process" : holder);
}

/* Configuration space is little endian; all ones are read from what is not there. */
static bool masters_the_bus(const char *address)
{
    uint8_t command[2] = {0xff, 0xff};
    char path[96];
    int fd;

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.32s/config", address);
    fd = ae_root_open(path, O_RDONLY);
    if (fd < 0)
        return false;
    if (pread(fd, command, sizeof(command), PCI_COMMAND) != sizeof(command))
        command[0] = command[1] = 0xff;
    close(fd);
    return command[0] & PCI_COMMAND_MASTER && !(command[0] == 0xff && command[1] == 0xff);
}

int ae_vfio_check_released(const char *address, struct ae_error *err)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    for (int ms = 0; ae_vfio_is_enabled(address) && ms < PATIENCE_MS; ms++)
        nanosleep(&pause, NULL);
    if (ae_vfio_is_enabled(address))
        return name_holder(address, err);
    if (masters_the_bus(address))
        return ae_error_set(err, -EIO,
                            "%s was closed, and its bus mastering is still on: it may write to "
                            "memory; unplug it or reset the machine",
                            address);
    return 0;
}
