/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_BOOT_FILES_H
#define AE_PARTITION_BOOT_FILES_H

/* The boot loader's files: read as they are, planned as they will be, written so. */

#include "partition/boot/boot.h"

/* A whole file in a new string; NULL in *text when it is not there. */
int ae_boot_read(const char *path, char **text, struct ae_error *err);

/* The file becomes this text, and lasts; NULL: it goes. */
int ae_boot_write(const char *path, const char *text, struct ae_error *err);

/* Texts of files; NULL: it is not there. */
bool ae_boot_same(const char *a, const char *b);

/* Adds a change; takes `before` and `after`. */
int ae_boot_add_change(struct ae_boot_plan *plan, const char *path, char *before, char *after,
                       struct ae_error *err);

/* The first of the paths, up to a NULL, that is there; NULL: none is. */
const char *ae_boot_first_of(const char *const paths[]);

#endif
