/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PARTITION_BOOT_BOOT_H
#define AE_PARTITION_BOOT_BOOT_H

/*
 * The boot tier: kernel parameters, written where the machine's boot loader takes them from.
 *
 * Applying is a small transaction of its own. What each file was, and what it is to be, goes to
 * AE_BOOT_STATE first; the files next; the loader's own command last. Removing puts every file that
 * still is as we left it back byte for byte, and takes only our words out of one that somebody
 * edited since. Parameters act from the next boot on; ae_boot_check then asks the kernel, not the
 * command line, whether it took them.
 */

#include <stdbool.h>
#include <stddef.h>

#include <aether/error.h>

#include "base/cpus.h"
#include "machine/cmdline.h"

#define AE_BOOT_STATE "/var/lib/aether/boot.json"
#define AE_BOOT_FILES 64

/* ---- Which parameters ---- */

struct ae_boot_wish {
    struct ae_cpus quiet;                  /* CPUs of all partitions */
    unsigned long long pages_2m, pages_1g; /* huge pages to set aside at boot */
    bool iommu;        /* switch the IOMMU on where the kernel needs to be told */
    const char *extra; /* further parameters, or NULL */
};

/*
 * Writes the parameters for this machine, space-separated. -EINVAL: no quiet CPU, none left for the
 * host, or CPU 0 (the kernel keeps it for itself); -ENOSPC.
 */
int ae_boot_parameters(const struct ae_boot_wish *wish, char *text, size_t size,
                       struct ae_error *err);

/* ---- Where they are written ---- */

/* One file as it is and as it will be. NULL: it is not there. */
struct ae_boot_change {
    char *path, *before, *after;
};

struct ae_boot_plan {
    const char *writer; /* "grub.d", "grubby", "kernel-install" */
    char *parameters;
    struct ae_boot_change changes[AE_BOOT_FILES];
    unsigned count;
    bool nothing;          /* all is as it should be */
    bool by_command_alone; /* the loader's command has something to do, and keeps the old itself */
    char note[512];        /* what a person should know, or "" */
};

/*
 * What apply would do. writer: a name, or NULL for the one this machine uses. Writes nothing.
 *
 * -ENOENT: no writer fits; the error names what was looked for. -EEXIST: a parameter is set by
 * somebody else to something else. -EINVAL: a file that cannot be edited; -E2BIG: too long.
 */
int ae_boot_plan(struct ae_boot_plan *plan, const char *writer, const char *parameters,
                 struct ae_error *err);
void ae_boot_plan_free(struct ae_boot_plan *plan);

/* Runs a program to its end; 0 or -errno, -ECHILD when it fails. NULL: really run it. */
typedef int (*ae_boot_runner)(const char *const argv[], struct ae_error *err);

/* Does what the plan says. On failure everything is as it was before, or the error says what is
 * not. */
int ae_boot_apply(const struct ae_boot_plan *plan, ae_boot_runner run, struct ae_error *err);

struct ae_boot_removal {
    char writer[32];
    unsigned restored; /* files that are byte for byte what they were */
    unsigned edited;   /* files that somebody changed since: only our words were taken out */
};

/* -ENOENT: nothing was applied. */
int ae_boot_remove(struct ae_boot_removal *removal, ae_boot_runner run, struct ae_error *err);

/* ---- What became of them ---- */

enum ae_boot_answer {
    AE_BOOT_TAKEN,   /* in effect */
    AE_BOOT_PRINTED, /* on the command line, and the kernel did not do it */
    AE_BOOT_PENDING, /* not on the command line: no reboot yet, or the loader did not pass it on */
    AE_BOOT_UNSEEN,  /* on the command line; the kernel does not show whether it heeded it */
};

struct ae_boot_result {
    char parameter[AE_CMDLINE_SIZE];
    enum ae_boot_answer answer;
    char reason[256];
};

const char *ae_boot_answer_name(enum ae_boot_answer answer); /* "taken", "printed", ... */

/* Asks for each of the parameters (space-separated), in their order. */
int ae_boot_check(const char *parameters,
                  void (*each)(const struct ae_boot_result *result, void *context), void *context,
                  struct ae_error *err);

/* The parameters last applied, which the caller frees. -ENOENT: none. */
int ae_boot_applied(char **parameters, char **writer, struct ae_error *err);

#endif
