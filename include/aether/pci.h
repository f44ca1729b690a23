/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_PCI_H
#define AETHER_PCI_H

/* What a PCI function is, whoever has it (PCI Local Bus 3.0, 6.2.1). Of libaether-host. */

#include <stdint.h>

/* "0000:01:00.0" and its NUL. */
#define AE_PCI_ADDRESS_TEXT 16

/* Capabilities of a function, at most: so many fill the 192 bytes that there are for them. */
#define AE_PCI_CAPABILITIES 48

/* A walk along them; begins as zeros. */
struct ae_pci_walk {
    unsigned at;   /* where the next one's place stands; 0: it did not begin */
    unsigned seen; /* so many */
};

struct ae_pci_info {
    char address[AE_PCI_ADDRESS_TEXT];
    uint16_t vendor;
    uint16_t device;
    uint16_t subsystem_vendor;
    uint16_t subsystem_device;
    uint32_t class_code; /* 24 bits: class, subclass, programming interface */
    uint8_t revision;
    int numa_node; /* -1: not known */
};

#endif
