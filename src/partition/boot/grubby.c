/* SPDX-License-Identifier: Apache-2.0 */

/* grubby: entries of the Boot Loader Specification, edited where they are. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "partition/boot/entries.h"
#include "partition/boot/files.h"
#include "partition/boot/writers.h"

#define CMDLINE "/etc/kernel/cmdline"

static const char *const grubby[] = {"/usr/sbin/grubby", "/usr/bin/grubby", NULL};

static bool is_here(void)
{
    return ae_boot_first_of(grubby) && ae_root_exists(AE_BOOT_ENTRIES);
}

static int predict_entry(const char *text, const char *parameters, char **after,
                         struct ae_error *err)
{
    char *line = ae_boot_entry_line(text), *missing;
    int rc = line ? ae_cmdline_missing(line, parameters, &missing, err)
                  : ae_error_set(err, -ENOMEM, "boot parameters: out of memory");

    free(line);
    if (rc)
        return rc;
    *after = ae_boot_entry_with(text, missing);
    free(missing);
    return *after ? 0 : ae_error_set(err, -ENOMEM, "boot parameters: out of memory");
}

struct planning {
    struct ae_boot_plan *plan;
    struct ae_error *err;
    int rc;
};

static int plan_entry(const char *name, void *context)
{
    struct planning *planning = context;
    size_t length = strlen(name);
    char path[320], *before, *after;

    if (length < 5 || strcmp(name + length - 5, ".conf") != 0)
        return 0;
    snprintf(path, sizeof(path), AE_BOOT_ENTRIES "/%.255s", name);
    planning->rc = ae_boot_read(path, &before, planning->err);
    if (planning->rc || !before)
        return planning->rc;
    planning->rc = predict_entry(before, planning->plan->parameters, &after, planning->err);
    if (planning->rc) {
        free(before);
        ae_error_prefix(planning->err, planning->rc, "%s", path);
        return planning->rc;
    }
    planning->rc = ae_boot_add_change(planning->plan, path, before, after, planning->err);
    return planning->rc;
}

/* grubby may write these as well: kept, so that they can be put back. */
static int keep(struct ae_boot_plan *plan, const char *path, struct ae_error *err)
{
    char *before, *after;
    int rc = ae_boot_read(path, &before, err);

    if (rc || !before)
        return rc;
    after = strdup(before);
    if (!after) {
        free(before);
        return ae_error_set(err, -ENOMEM, "boot parameters: out of memory");
    }
    return ae_boot_add_change(plan, path, before, after, err);
}

static int make_plan(struct ae_boot_plan *plan, struct ae_error *err)
{
    struct planning planning = {plan, err, 0};
    int rc = ae_root_list(AE_BOOT_ENTRIES, plan_entry, &planning);

    if (planning.rc)
        return planning.rc;
    if (rc)
        return ae_error_set(err, rc, "boot parameters: " AE_BOOT_ENTRIES ": %s", strerror(-rc));
    if (plan->count == 0)
        return ae_error_set(err, -ENOENT, "boot parameters: no entry in " AE_BOOT_ENTRIES);
    rc = keep(plan, "/etc/default/grub", err);
    return rc ? rc : keep(plan, CMDLINE, err);
}

static int refresh(const char *parameters, bool removing, ae_boot_runner run, struct ae_error *err)
{
    const char *argv[] = {ae_boot_first_of(grubby), "--update-kernel=ALL", NULL, NULL};
    char *option;
    int rc;

    if (!argv[0])
        return ae_error_set(err, -ENOENT, "boot parameters: grubby is not there any more");
    if (asprintf(&option, "%s=%s", removing ? "--remove-args" : "--args", parameters) < 0)
        return ae_error_set(err, -ENOMEM, "boot parameters: out of memory");
    argv[2] = option;
    rc = run(argv, err);
    free(option);
    return rc;
}

/* Ours are there, nobody else's for the same, and what was there before still is: grubby takes a
 * word of the same name for one to replace. */
static int verify_entry(const struct ae_boot_change *change, const char *parameters,
                        struct ae_error *err)
{
    char *text, *line, *before, *missing = NULL;
    int rc = ae_boot_read(change->path, &text, err);

    if (rc || !text)
        return rc;
    line = ae_boot_entry_line(text);
    before = ae_boot_entry_line(change->before ? change->before : "");
    free(text);
    if (!line || !before)
        rc = ae_error_set(err, -ENOMEM, "boot parameters: out of memory");
    if (!rc && (rc = ae_cmdline_missing(line, parameters, &missing, err)))
        ae_error_prefix(err, rc, "boot parameters: grubby ran, and in %s", change->path);
    else if (!rc && *missing)
        rc = ae_error_set(err, -EIO, "boot parameters: grubby ran, but %s has no %s", change->path,
                          missing);
    else if (!rc && !ae_cmdline_has(line, before))
        rc = ae_error_set(err, -EIO,
                          "boot parameters: grubby ran, and %s lost some of what it had (%s)",
                          change->path, before);
    free(missing);
    free(before);
    free(line);
    return rc;
}

static int verify(const struct ae_boot_plan *plan, struct ae_error *err)
{
    int rc = 0;

    for (unsigned i = 0; !rc && i < plan->count; i++)
        if (strncmp(plan->changes[i].path, AE_BOOT_ENTRIES, sizeof(AE_BOOT_ENTRIES) - 1) == 0)
            rc = verify_entry(&plan->changes[i], plan->parameters, err);
    return rc;
}

const struct ae_boot_writer ae_boot_grubby = {
    .name = "grubby",
    .looks_for = "grubby and " AE_BOOT_ENTRIES,
    .is_here = is_here,
    .plan = make_plan,
    .refresh = refresh,
    .verify = verify,
    .by_command = true,
};
