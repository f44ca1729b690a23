/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_CHECK_H
#define AE_PORT_CHECK_H

/* Can Aether drive this machine's network cards? */

#include "machine/finding.h"
#include "machine/pci.h"

/*
 * Could a driver of ours run this function, as far as sysfs tells while somebody else has it?
 * -ENODEV: there is no driver for it. -EOPNOTSUPP: it lacks what its driver needs; the error says
 * what. What only root may see is not asked of anybody else.
 */
int ae_port_check_function(const struct ae_pci *pci, struct ae_error *err);

/* Is there a driver for this function, and may its IOMMU group be handed out? */
void ae_port_check_card(const struct ae_pci *pci, struct ae_finding *finding);

/* Calls each for every network function of the machine; then once with pci NULL: is any of them
 * ours? */
void ae_port_check_cards(void (*each)(const struct ae_pci *pci, const struct ae_finding *finding,
                                      void *context),
                         void *context);

#endif
