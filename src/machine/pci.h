/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_PCI_H
#define AE_MACHINE_PCI_H

/* PCI functions as sysfs tells of them (Documentation/ABI/testing/sysfs-bus-pci). */

#include <stdbool.h>
#include <stddef.h>

#include <aether/error.h>
#include <aether/pci.h>

/* Classes (PCI Code and ID Assignment Specification, 1.): the upper bytes of the class code. */
#define PCI_CLASS_NETWORK 0x02
#define PCI_CLASS_BRIDGE  0x06

#define AE_PCI_NAME 64

struct ae_pci {
    struct ae_pci_info info;
    char driver[AE_PCI_NAME]; /* "" when none is bound */
    char netdev[AE_PCI_NAME]; /* the first network interface, "" when there is none */
    unsigned netdev_count;
    int iommu_group;            /* -1: no IOMMU in front of it */
    unsigned virtual_functions; /* of SR-IOV, enabled now */
};

/* "0000:01:00.0", or "01:00.0" in domain 0, to the long form. -EINVAL: no PCI address. */
int ae_pci_parse(const char *text, char address[AE_PCI_ADDRESS_TEXT]);

/* -ENODEV: no function at this (long) address. */
int ae_pci_read(struct ae_pci *pci, const char *address, struct ae_error *err);

/* Calls each for every function of the machine, by address; stops at the first non-zero result. */
int ae_pci_list(int (*each)(const struct ae_pci *pci, void *context), void *context);

/* Vendor and device in words, from the system's pci.ids; numbers when it does not know them. */
void ae_pci_describe(const struct ae_pci *pci, char *text, size_t size);

/* True for a driver of VFIO's: vfio-pci or one of its variants. */
bool ae_pci_is_vfio(const struct ae_pci *pci);

#endif
