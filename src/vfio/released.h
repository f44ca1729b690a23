/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_VFIO_RELEASED_H
#define AE_VFIO_RELEASED_H

#include <stdbool.h>

#include <aether/error.h>

/*
 * Has anybody enabled it? vfio-pci does when it is opened, and undoes it when the last one closes:
 * unbinding it before would wait for its user, for ever.
 */
bool ae_vfio_is_enabled(const char *address);

/*
 * After a device was closed: has everybody closed it, and can it not write to memory any more?
 * Asked of the kernel, not of those who closed it. -EBUSY: somebody has it, who is named where he
 * can be; -EIO: bus mastering is on. Waits a second for the kernel to be done. A device that is
 * gone is released.
 */
int ae_vfio_check_released(const char *address, struct ae_error *err);

#endif
