/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_CHECK_H
#define AE_PORT_CHECK_H

/* Can Aether drive this machine's network cards? */

#include "machine/check.h"
#include "machine/pci.h"

/* Is there a driver for this function, and may its IOMMU group be handed out? */
void ae_port_check_card(const struct ae_pci *pci, struct ae_finding *finding);

/* Calls each for every network function of the machine; then once with pci NULL: is any of them
 * ours? */
void ae_port_check_cards(void (*each)(const struct ae_pci *pci, const struct ae_finding *finding,
                                      void *context),
                         void *context);

#endif
