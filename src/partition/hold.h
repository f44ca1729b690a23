/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_HOLD_H
#define AE_PARTITION_HOLD_H

/*
 * Requests that the kernel honours only as long as a process holds a descriptor open
 * (Documentation/power/pm_qos_interface.rst: /dev/cpu_dma_latency). A small process of its own, the
 * holder, keeps each; it locks /run/aether/partitions/PARTITION/hold-WHAT, and the lock names it.
 *
 * Targets are "PARTITION WHAT", WHAT being cpu_dma_latency or timestamping; values "held", "free".
 */

int ae_hold_read(const char *target, char **value);
int ae_hold_write(const char *target, const char *value);

#endif
