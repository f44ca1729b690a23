/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_HOLD_H
#define AE_PARTITION_HOLD_H

/*
 * Requests that the kernel honours only as long as a process holds a descriptor open
 * (Documentation/power/pm_qos_interface.rst: /dev/cpu_dma_latency). A small process of its own, the
 * holder, keeps each; it locks /run/aether/locks/hold-PARTITION-WHAT, and the lock names it. Nobody
 * but root reaches into that directory: whoever could lock the file would pass for the holder.
 *
 * Targets are "PARTITION WHAT", WHAT being cpu_dma_latency or timestamping; values "held", "free".
 * Reading takes root, too: -EACCES.
 */

int ae_hold_read(const char *target, char **value);
int ae_hold_write(const char *target, const char *value);

#endif
