/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_BOOT_VARIABLES_H
#define AE_PARTITION_BOOT_VARIABLES_H

/*
 * A kernel's line with the variables of GRUB's own shell ($tuned_params, $kernelopts) replaced by
 * all values that they are given anywhere, in a new string; what nobody sets is nothing. NULL: no
 * memory.
 */
char *ae_boot_expand(const char *line);

#endif
