/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/iommu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"

#define GROUPS "/sys/kernel/iommu_groups"

static int any(const char *name, void *context)
{
    (void)name;
    (void)context;
    return 1;
}

bool ae_iommu_present(void)
{
    return ae_root_list(GROUPS, any, NULL) == 1;
}

struct siblings {
    const struct ae_pci *pci;
    char text[256];
};

/* The kernel lets these stay: they do no DMA (driver_managed_dma in struct pci_driver). */
static bool harmless(const struct ae_pci *pci)
{
    return pci->driver[0] == '\0' || ae_pci_is_vfio(pci) || strcmp(pci->driver, "pcieport") == 0 ||
           strcmp(pci->driver, "pci-stub") == 0;
}

static int note_sibling(const char *name, void *context)
{
    struct siblings *siblings = context;
    size_t used = strlen(siblings->text);
    struct ae_pci other;

    if (strcmp(name, siblings->pci->info.address) == 0 || ae_pci_read(&other, name, NULL) ||
        harmless(&other))
        return 0;
    snprintf(siblings->text + used, sizeof(siblings->text) - used, "%s%s (%s)", used ? ", " : "",
             name, other.driver);
    return 0;
}

int ae_iommu_check_group(const struct ae_pci *pci, struct ae_error *err)
{
    struct siblings siblings = {.pci = pci};
    char path[64];

    if (pci->iommu_group < 0 && ae_iommu_present())
        return ae_error_set(err, -EPERM,
                            "%s is not behind this machine's IOMMU, so it could write to all of "
                            "memory; use a card in another slot",
                            pci->info.address);
    if (pci->iommu_group < 0)
        return ae_error_set(err, -EPERM,
                            "%s has no IOMMU in front of it, so it could write to all of memory; "
                            "turn VT-d or AMD-Vi on in the firmware and start the kernel with "
                            "intel_iommu=on or amd_iommu=on",
                            pci->info.address);
    snprintf(path, sizeof(path), GROUPS "/%d/devices", pci->iommu_group);
    ae_root_list(path, note_sibling, &siblings);
    if (siblings.text[0])
        return ae_error_set(err, -EBUSY,
                            "IOMMU group %d of %s is not viable: other functions of it are in the "
                            "kernel's hands: %s; bind them to vfio-pci too, or move the card to "
                            "another slot",
                            pci->iommu_group, pci->info.address, siblings.text);
    return 0;
}
