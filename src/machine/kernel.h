/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_MACHINE_KERNEL_H
#define AE_MACHINE_KERNEL_H

/* Which kernel runs, and what it was built with. */

#include <stdbool.h>
#include <stddef.h>

/* "6.1.0-18-amd64", from /proc/sys/kernel/osrelease. */
int ae_kernel_release(char *release, size_t size);

/* Is the running kernel at least this version? False when it cannot be told. */
bool ae_kernel_at_least(unsigned major, unsigned minor);

/*
 * How an option of the kernel's configuration is set, from /boot/config-RELEASE,
 * /lib/modules/RELEASE/config or /proc/config.gz: 'y', 'm', 'n', or -ENOENT when none can be read.
 * name: with its CONFIG_.
 */
int ae_kernel_option(const char *name);

/* The same, in the text of a configuration: 'y', 'm' or 'n'. Other values are 'y'. */
int ae_kernel_option_in(const char *config, const char *name);

#endif
