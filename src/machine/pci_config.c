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

int ae_pci_config_find(const struct ae_pci_config *config, uint8_t id, int from)
{
    unsigned at = from ? (unsigned)from + PCI_CAP_LIST_NEXT : PCI_CAPABILITY_LIST;

    if (!config->known || !(get16(config, PCI_STATUS) & PCI_STATUS_CAP_LIST))
        return -ENOENT;
    /* A longer walk is a loop. */
    for (int i = 0; i < AE_PCI_CAPABILITIES; i++) {
        unsigned next = config->bytes[at] & 0xfcu;

        if (next < PCI_STD_HEADER_SIZEOF)
            return -ENOENT;
        if (config->bytes[next + PCI_CAP_LIST_ID] == id)
            return (int)next;
        at = next + PCI_CAP_LIST_NEXT;
    }
    return -ENOENT;
}

unsigned ae_pci_config_msix(const struct ae_pci_config *config)
{
    int at = ae_pci_config_find(config, PCI_CAP_ID_MSIX, 0);

    return at < 0 ? 0 : (get16(config, (unsigned)at + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1;
}

unsigned ae_pci_config_msi(const struct ae_pci_config *config)
{
    int at = ae_pci_config_find(config, PCI_CAP_ID_MSI, 0);

    return at < 0
               ? 0
               : 1u << ((get16(config, (unsigned)at + PCI_MSI_FLAGS) & PCI_MSI_FLAGS_QMASK) >> 1);
}
