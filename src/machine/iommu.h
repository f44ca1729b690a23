/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_IOMMU_H
#define AE_MACHINE_IOMMU_H

/* IOMMU groups (Documentation/ABI/testing/sysfs-kernel-iommu_groups). */

#include <stdbool.h>

#include "machine/pci.h"

/* Is any IOMMU at work on this machine? */
bool ae_iommu_present(void);

/*
 * Can the function be handed to a process? Every other function of its group must have no driver, a
 * driver of VFIO's, or be a PCIe port. 0; -EPERM: no IOMMU; -EBUSY: names the siblings in the way.
 */
int ae_iommu_check_group(const struct ae_pci *pci, struct ae_error *err);

#endif
