/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_BOOT_WRITERS_H
#define AE_PARTITION_BOOT_WRITERS_H

/* The ways to hand parameters to a boot loader: what each is, to boot.c. */

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
    bool by_command; /* the command changes the files; we only keep what they were */
};

/* Ends with a NULL name; in the order in which they are looked for. */
extern const struct ae_boot_writer ae_boot_writers[];

extern const struct ae_boot_writer *ae_boot_find_writer(const char *name);

/* Adds a change; takes `before` and `after`. */
int ae_boot_add_change(struct ae_boot_plan *plan, const char *path, char *before, char *after,
                       struct ae_error *err);

/* A whole file in a new string; NULL in *text when it is not there. */
int ae_boot_read(const char *path, char **text, struct ae_error *err);

/*
 * A kernel's line with the variables of GRUB's own shell ($tuned_params, $kernelopts) replaced by
 * all values that they are given anywhere, in a new string; what nobody sets is nothing. NULL: no
 * memory.
 */
char *ae_boot_expand(const char *line);

/* The first of the paths, up to a NULL, that is there; NULL: none is. */
const char *ae_boot_first_of(const char *const paths[]);

/* boot/grub.c */
bool ae_boot_grub_is_here(void);
int ae_boot_grub_plan(struct ae_boot_plan *plan, struct ae_error *err);
int ae_boot_grub_refresh(const char *parameters, bool removing, ae_boot_runner run,
                         struct ae_error *err);
int ae_boot_grub_verify(const struct ae_boot_plan *plan, struct ae_error *err);
int ae_boot_grub_strip(const char *path, const char *now, const char *parameters, char **left,
                       struct ae_error *err);

/* boot/entries.c: entries of the Boot Loader Specification, and grubby */

/* The kernel's line that an entry makes: all its options, variables replaced. NULL: no memory. */
char *ae_boot_entry_line(const char *text);

bool ae_boot_grubby_is_here(void);
int ae_boot_grubby_plan(struct ae_boot_plan *plan, struct ae_error *err);
int ae_boot_grubby_refresh(const char *parameters, bool removing, ae_boot_runner run,
                           struct ae_error *err);
int ae_boot_grubby_verify(const struct ae_boot_plan *plan, struct ae_error *err);

/* boot/ostree.c */
bool ae_boot_ostree_is_here(void);
int ae_boot_ostree_plan(struct ae_boot_plan *plan, struct ae_error *err);
int ae_boot_ostree_refresh(const char *parameters, bool removing, ae_boot_runner run,
                           struct ae_error *err);
int ae_boot_ostree_verify(const struct ae_boot_plan *plan, struct ae_error *err);

/* boot/install.c */
bool ae_boot_kernel_install_is_here(void);
int ae_boot_kernel_install_plan(struct ae_boot_plan *plan, struct ae_error *err);
int ae_boot_kernel_install_refresh(const char *parameters, bool removing, ae_boot_runner run,
                                   struct ae_error *err);
int ae_boot_kernel_install_verify(const struct ae_boot_plan *plan, struct ae_error *err);
int ae_boot_kernel_install_strip(const char *path, const char *now, const char *parameters,
                                 char **left, struct ae_error *err);

#endif
