/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_NIC_H
#define AETHER_NIC_H

/*
 * Taking a network card from the kernel, and giving it back.
 *
 * ae_nic_bind writes what must come back - driver, interface name, addresses, MTU, up or down - to
 * /run/aether/nic/ADDRESS.json before it changes anything; ae_nic_unbind reads it. What else hung
 * on the interface - routes other than those of its addresses, queueing disciplines, ethtool's
 * settings - is not kept. Both need root. One thread at a time.
 * Of libaether-host.
 */

#include <stdbool.h>

#include <aether/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ae_nic_options {
    bool force; /* even if it carries the default route or a remote login, or is part of a bridge */
    bool allow_no_iommu; /* even if no IOMMU keeps the card from the rest of memory */
};

/*
 * May the card at this PCI address be taken? 0 when it may or is already. Otherwise the error says
 * why not and what to do: -EINVAL no PCI address; -ENODEV no such function, or no network card;
 * -EPERM no IOMMU; -EBUSY group not viable, virtual functions enabled, more than one interface, or
 * the machine's own traffic goes through it.
 */
int ae_nic_check(const char *address, const struct ae_nic_options *options, struct ae_error *err);

/*
 * Binds the card to vfio-pci (driver_override, Documentation/ABI/testing/sysfs-bus-pci). A card
 * that is bound already is left as it is. A bind or unbind that was cut short is undone first. On
 * failure the card is with its old driver again.
 */
int ae_nic_bind(const char *address, const struct ae_nic_options *options, struct ae_error *err);

/*
 * Gives the card back: old driver, then the interface's name, MTU, addresses and state; without a
 * record (somebody else bound it) to whatever driver the kernel chooses. What failed can be tried
 * again. A card that VFIO does not hold, and that has no record, is left as it is. -EBUSY: a
 * process uses it (it is named, where it can be found); -ETIMEDOUT: the driver took it, but made no
 * interface; -EBADMSG: the record makes no sense.
 */
int ae_nic_unbind(const char *address, struct ae_error *err);

/*
 * Lets ae_partition_apply take the cards in a partition's [devices], and ae_partition_revert give
 * them back. A program that never calls this leaves cards alone.
 */
void ae_nic_serve_partitions(void);

#ifdef __cplusplus
}
#endif

#endif
