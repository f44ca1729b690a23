/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_VFIO_HOLDER_H
#define AE_VFIO_HOLDER_H

/* Which process has an IOMMU group open? */

#include <stdbool.h>
#include <stddef.h>

/* "NAME (pid N)", or false when none is found: there is none, or this user may not look. */
bool ae_vfio_holder(int group, char *text, size_t size);

#endif
