/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/resolve.h"

#include <stdio.h>
#include <string.h>

#include "base/root.h"

static int check_power(struct ae_partition *partition, struct ae_error *err)
{
    if (partition->power.line == 0 || strcmp(partition->power.value, "performance") == 0)
        return 0;
    partition->keep_power = strcmp(partition->power.value, "keep") == 0;
    if (partition->keep_power)
        return 0;
    return ae_partition_mistake(partition, partition->power.line, err,
                                "power is '%.100s'; write performance or keep",
                                partition->power.value);
}

static int check_devices(struct ae_partition **all, size_t count, size_t which,
                         struct ae_error *err)
{
    const struct ae_partition *partition = all[which];

    for (unsigned i = 0; i < partition->device_count; i++) {
        const struct ae_partition_device *device = &partition->devices[i];
        char path[64];

        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", device->address);
        if (!ae_root_exists(path))
            return ae_partition_mistake(partition, device->line, err,
                                        "there is no device %s; lspci -D shows them",
                                        device->address);
        for (size_t j = 0; j < count; j++)
            for (unsigned k = 0; j != which && k < all[j]->device_count; k++)
                if (strcmp(all[j]->devices[k].address, device->address) == 0)
                    return ae_partition_mistake(
                        partition, device->line, err,
                        "device %s belongs to partition '%s' too (%s:%u); take it out of one",
                        device->address, all[j]->name, all[j]->path, all[j]->devices[k].line);
    }
    return 0;
}

int ae_partition_resolve(struct ae_partition **all, size_t count, size_t which,
                         struct ae_error *err)
{
    int rc = ae_resolve_cpus(all, count, which, err);

    if (!rc)
        rc = ae_resolve_node(all[which], err);
    if (!rc)
        rc = check_power(all[which], err);
    if (!rc)
        rc = ae_resolve_pages(all, count, which, err);
    if (!rc)
        rc = check_devices(all, count, which, err);
    return rc ? rc : ae_resolve_cache(all, count, which, err);
}
