/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_NIC_RECORD_H
#define AE_NIC_RECORD_H

/*
 * What a card was before it was taken: /run/aether/nic/ADDRESS.json. It is on disk before anything
 * changes and goes away when everything is back, so a record whose card VFIO does not hold tells of
 * work that was cut short. Members: "driver" ("" none), "driver_override" ("" none), "interface"
 * (see machine/netdev_state.h; absent where there was none).
 */

#include <jansson.h>

#include "machine/pci.h"

/* Describes the card as it is now. The record is there whole, or not at all. */
int ae_nic_record_write(const struct ae_pci *pci, struct ae_error *err);

/* A new reference in *record; NULL when there is none. -EBADMSG: it cannot be understood. */
int ae_nic_record_read(const struct ae_pci *pci, json_t **record, struct ae_error *err);

int ae_nic_record_remove(const struct ae_pci *pci, struct ae_error *err);

#endif
