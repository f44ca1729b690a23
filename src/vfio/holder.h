/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_VFIO_HOLDER_H
#define AE_VFIO_HOLDER_H

/*
 * Which process has an IOMMU group, or a device of it? By descriptors of the group and of the
 * device, and by mappings of its registers, which are all that is left when the descriptors are
 * closed.
 */

#include <stddef.h>

#include <aether/error.h>

#define AE_VFIO_HOLDER_TEXT 128

enum ae_vfio_holding {
    AE_VFIO_NOBODY,  /* nobody has it, or this user may not look */
    AE_VFIO_PERHAPS, /* one has a device by VFIO; the kernel does not tell which (before Linux
                      * 6.16) */
    AE_VFIO_HOLDER,
};

/* Puts "NAME (pid N)" into text, or "" for nobody. */
enum ae_vfio_holding ae_vfio_holder(int group, char *text, size_t size);

/*
 * Opens what one process at a time may have, of a group. A killed process keeps it a moment longer
 * than it can be found, so -EBUSY is waited for, and in the end names who has it; of other errors
 * the caller tells.
 */
typedef int ae_vfio_open_fn(const char *path, const void *context);
int ae_vfio_open(const char *path, int group, ae_vfio_open_fn *open, const void *context,
                 struct ae_error *err);

#endif
