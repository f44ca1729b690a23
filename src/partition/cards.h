/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_CARDS_H
#define AE_PARTITION_CARDS_H

/*
 * A partition's network cards. Taking one from the kernel and giving it back is the work of the
 * layer above (aether/nic.h), which keeps a record of its own of what the card was; here it is one
 * setting, so that a partition takes and gives back its cards in the same transaction.
 */

/* "taken", "free", or "interrupted": somebody's taking or giving back was cut short. */
int ae_card_read(const char *address, char **value);
int ae_card_write(const char *address, const char *value);

/* Why the last ae_card_write failed, in words. */
const char *ae_card_reason(void);

#endif
