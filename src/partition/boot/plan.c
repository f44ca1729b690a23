/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "partition/boot/files.h"
#include "partition/boot/state.h"
#include "partition/boot/writers.h"

/* Was exactly this applied, and is it still there? */
static int compare_applied(const char *parameters, bool *there, struct ae_error *err)
{
    struct ae_boot_plan applied;
    int rc = ae_boot_state_load(&applied, err);

    *there = false;
    if (rc)
        return rc == -ENOENT ? 0 : rc;
    if (strcmp(applied.parameters, parameters) != 0)
        rc = ae_error_set(err, -EALREADY,
                          "boot parameters: others are applied already (%s); take them away first: "
                          "aether partition boot remove",
                          applied.parameters);
    *there = !rc;
    for (unsigned i = 0; !rc && i < applied.count; i++) {
        char *now;

        rc = ae_boot_read(applied.changes[i].path, &now, err);
        if (!rc && !ae_boot_same(now, applied.changes[i].after))
            rc = ae_error_set(
                err, -EALREADY,
                "boot parameters: they are applied, but %s was changed since; to start "
                "over: aether partition boot remove",
                applied.changes[i].path);
        free(now);
    }
    ae_boot_plan_free(&applied);
    return rc;
}

int ae_boot_plan(struct ae_boot_plan *plan, const char *writer_name, const char *parameters,
                 struct ae_error *err)
{
    const struct ae_boot_writer *writer;
    bool there;
    int rc;

    memset(plan, 0, sizeof(*plan));
    writer = writer_name ? ae_boot_find_writer(writer_name) : ae_boot_detect_writer(err);
    if (!writer)
        return writer_name
                   ? ae_error_set(err, -ENOENT,
                                  "boot parameters: there is no writer %s; there are rpm-ostree, "
                                  "grubby, grub.d and kernel-install",
                                  writer_name)
                   : -ENOENT;
    rc = ae_cmdline_check(parameters, err);
    if (!rc)
        rc = compare_applied(parameters, &there, err);
    if (rc)
        return rc;
    plan->writer = writer->name;
    plan->parameters = strdup(parameters);
    if (!plan->parameters)
        return ae_error_set(err, -ENOMEM, "boot parameters: out of memory");
    if (!there)
        rc = writer->plan(plan, err);
    plan->nothing = !plan->by_command_alone;
    for (unsigned i = 0; i < plan->count; i++)
        if (!ae_boot_same(plan->changes[i].before, plan->changes[i].after))
            plan->nothing = false;
    if (rc)
        ae_boot_plan_free(plan);
    return rc;
}
