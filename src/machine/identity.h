/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_IDENTITY_H
#define AE_MACHINE_IDENTITY_H

/*
 * Which computer and which kernel this is, for a record that outlives both: what, when it changes,
 * may change how quiet a CPU can be. No serial numbers.
 */

#include <stddef.h>

#define AE_IDENTITY_TEXT 4096 /* as long as a kernel command line may be */

struct ae_identity_fact {
    const char *group; /* "machine" or "kernel" */
    const char *name;  /* "microcode" */
    const char *title; /* for people */
};

/* Fact number `index`, or -ENOENT behind the last one. */
int ae_identity_describe(size_t index, struct ae_identity_fact *fact);

/* Its value on this machine; -ENOENT: the machine does not tell. */
int ae_identity_read(size_t index, char *text, size_t size);

#endif
