/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_PCI_CONFIG_H
#define AE_MACHINE_PCI_CONFIG_H

/*
 * The configuration space of a function as sysfs shows it, whoever drives it; nothing is changed.
 * An ordinary user sees the first 64 bytes, without the capabilities: then it is not known.
 */

#include <stdbool.h>
#include <stdint.h>

#include "machine/pci.h"

#define AE_PCI_CONFIG 256

struct ae_pci_config {
    uint8_t bytes[AE_PCI_CONFIG];
    bool known; /* all of them were read, and something answered */
};

void ae_pci_config_read(struct ae_pci_config *config, const struct ae_pci *pci);

/* Where the next capability `id` on the walk is, which begins as zeros. -ENOENT: there is no
 * more. */
int ae_pci_config_next(const struct ae_pci_config *config, uint8_t id, struct ae_pci_walk *walk);

/* The same, however configuration space is read: a byte, or negative. A list that is a circle ends
 * when more were seen than there is room for. */
int ae_pci_walk_next(struct ae_pci_walk *walk, uint8_t id, int (*read)(void *context, unsigned at),
                     void *context);

/* How many message-signalled interrupts it has, MSI-X or MSI; 0: only those with a wire. */
unsigned ae_pci_config_msix(const struct ae_pci_config *config);
unsigned ae_pci_config_msi(const struct ae_pci_config *config);

#endif
