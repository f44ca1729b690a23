/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/pci_config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/root.h"

void ae_pci_config_read(struct ae_pci_config *config, const struct ae_pci *pci)
{
    char path[128];
    ssize_t length;
    int fd;

    memset(config, 0, sizeof(*config));
    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", pci->info.address);
    fd = ae_root_open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    length = read(fd, config->bytes, sizeof(config->bytes));
    close(fd);
    /* All ones: nobody answers, as where the card sleeps or is gone. */
    config->known =
        length == (ssize_t)sizeof(config->bytes) &&
        (config->bytes[PCI_VENDOR_ID] != 0xff || config->bytes[PCI_VENDOR_ID + 1] != 0xff);
}

static unsigned get16(const struct ae_pci_config *config, unsigned at)
{
    return config->bytes[at] | (unsigned)config->bytes[at + 1] << 8;
}

int ae_pci_walk_next(struct ae_pci_walk *walk, uint8_t id, int (*read)(void *context, unsigned at),
                     void *context)
{
    if (!walk->at) {
        int status = read(context, PCI_STATUS);

        if (status < 0 || !(status & PCI_STATUS_CAP_LIST))
            return -ENOENT;
        walk->at = PCI_CAPABILITY_LIST;
    }
    while (walk->seen < AE_PCI_CAPABILITIES) {
        int next = read(context, walk->at);

        if (next < 0 || (next & 0xfc) < PCI_STD_HEADER_SIZEOF)
            return -ENOENT;
        next &= 0xfc;
        walk->seen++;
        walk->at = (unsigned)next + PCI_CAP_LIST_NEXT;
        if (read(context, (unsigned)next + PCI_CAP_LIST_ID) == id)
            return next;
    }
    return -ENOENT;
}

static int read_byte(void *context, unsigned at)
{
    const struct ae_pci_config *config = context;

    return config->known ? config->bytes[at] : -1;
}

int ae_pci_config_next(const struct ae_pci_config *config, uint8_t id, struct ae_pci_walk *walk)
{
    return ae_pci_walk_next(walk, id, read_byte, (void *)(uintptr_t)config);
}

static int find(const struct ae_pci_config *config, uint8_t id)
{
    return ae_pci_config_next(config, id, &(struct ae_pci_walk){0});
}

unsigned ae_pci_config_msix(const struct ae_pci_config *config)
{
    int at = find(config, PCI_CAP_ID_MSIX);

    return at < 0 ? 0 : (get16(config, (unsigned)at + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1;
}

unsigned ae_pci_config_msi(const struct ae_pci_config *config)
{
    int at = find(config, PCI_CAP_ID_MSI);

    return at < 0
               ? 0
               : 1u << ((get16(config, (unsigned)at + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_QMASK) >> 1);
}
