/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_CHANNELS_H
#define AE_PARTITION_CHANNELS_H

/*
 * How many queues a network card of the host has (<linux/ethtool.h>, ETHTOOL_GCHANNELS). Targets
 * are "CARD combined", "CARD rx" and "CARD tx"; values numbers.
 */

int ae_channels_read(const char *target, char **value);
int ae_channels_write(const char *target, const char *value);

#endif
