/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_IDENTITY_H
#define AE_MACHINE_IDENTITY_H

/*
 * Which computer and which kernel this is, for a record that outlives both: what, when it changes,
 * may change how quiet a CPU can be. No serial numbers.
 */

#include <stddef.h>
#include <stdint.h>

#define AE_IDENTITY_HASHED 33 /* 32 digits */

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

/*
 * Which machine this is, for one purpose: HMAC-SHA256 of the purpose, keyed with /etc/machine-id,
 * as sd_id128_get_machine_app_specific(3) and `systemd-id128 machine-id --app-specific=PURPOSE`
 * compute it. It gives neither the machine's number away nor its name for another purpose. -ENOENT:
 * this machine has none; -EINVAL: what stands there is none.
 */
int ae_identity_hashed(const uint8_t purpose[16], char text[AE_IDENTITY_HASHED]);

#endif
