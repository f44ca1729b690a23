/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_BOOT_WRITERS_H
#define AE_PARTITION_BOOT_WRITERS_H

/* The ways to hand parameters to a boot loader, a file for each. */

#include "partition/boot/boot.h"

struct ae_boot_writer {
    const char *name;
    const char *looks_for; /* in words, for an error */
    bool (*is_here)(void);
    /* Adds the changes. */
    int (*plan)(struct ae_boot_plan *plan, struct ae_error *err);
    /* Runs the loader's command after the files are written (or taken back). */
    int (*refresh)(const char *parameters, bool removing, ae_boot_runner run, struct ae_error *err);
    /* Did the loader's own files take them? May be NULL. */
    int (*verify)(const struct ae_boot_plan *plan, struct ae_error *err);
    /* Our words out of a file that somebody changed since; *left NULL: take the file away. */
    int (*strip)(const char *path, const char *now, const char *parameters, char **left,
                 struct ae_error *err);
    /* The command changes the files; we only keep what they were. */
    bool by_command;
};

extern const struct ae_boot_writer ae_boot_rpm_ostree;
extern const struct ae_boot_writer ae_boot_grubby;
extern const struct ae_boot_writer ae_boot_grub;
extern const struct ae_boot_writer ae_boot_kernel_install;

/* By its name; NULL: there is none. */
const struct ae_boot_writer *ae_boot_find_writer(const char *name);

/* The one that this machine uses; NULL: none fits, and err says what was looked for. */
const struct ae_boot_writer *ae_boot_detect_writer(struct ae_error *err);

#endif
