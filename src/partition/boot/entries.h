/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_BOOT_ENTRIES_H
#define AE_PARTITION_BOOT_ENTRIES_H

/* Boot Loader Specification entries (uapi-group.org/specifications), type #1. */

#define AE_BOOT_ENTRIES "/boot/loader/entries"

/* The kernel's line that an entry makes: all its options, variables replaced. NULL: no memory. */
char *ae_boot_entry_line(const char *text);

/* The entry with `missing` behind its last options, in a new string; as it is when it has no such
 * line. NULL: no memory. */
char *ae_boot_entry_with(const char *text, const char *missing);

#endif
