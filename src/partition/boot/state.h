/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_BOOT_STATE_H
#define AE_PARTITION_BOOT_STATE_H

/* What the boot loader's files were before, and what was made of them:
 * /var/lib/aether/boot.json. */

#include <jansson.h>

#include "partition/boot/boot.h"

int ae_boot_state_save(const struct ae_boot_plan *plan, struct ae_error *err);

/* What was applied, as a plan. -ENOENT: nothing. */
int ae_boot_state_load(struct ae_boot_plan *plan, struct ae_error *err);

/* JSON is UTF-8, and a file need not be: such a text becomes {"latin1": ...}, one character for
 * each of its bytes. NULL becomes null. */
json_t *ae_boot_text_json(const char *text);

#endif
