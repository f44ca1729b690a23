/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/command.h"
#include "base/error.h"
#include "base/root.h"
#include "partition/boot/files.h"
#include "partition/boot/state.h"
#include "partition/boot/writers.h"

/* They write what the machine starts with: as root, for all to read, and to the end once begun. */
static int run_program(const char *const argv[], struct ae_error *err)
{
    static const char *const pass[] = {"KERNEL_INSTALL_*", "SYSTEMD_ESP_PATH",
                                       "SYSTEMD_XBOOTLDR_PATH", NULL};
    const struct ae_child_world world = {.argv = argv,
                                         .pass = pass,
                                         .input = -1,
                                         .output = STDOUT_FILENO,
                                         .errors = STDERR_FILENO,
                                         .capabilities = AE_CHILD_ALL_CAPABILITIES,
                                         .directory = "/",
                                         .mask = 022,
                                         .outlives = true};
    int rc;

    if (!ae_root_is_real())
        return ae_error_set(err, -EPERM, "boot parameters: %s is not run for another root than /",
                            argv[0]);
    rc = ae_command_run_in(&world, NULL, 0, err);
    if (rc < 0)
        return ae_error_prefix(err, rc, "boot parameters");
    return rc ? ae_error_set(err, -ECHILD, "boot parameters: %s failed (exit status %d); see above",
                             argv[0], rc)
              : 0;
}

/* Has anybody changed the files between plan and apply? */
static int check_unchanged(const struct ae_boot_plan *plan, struct ae_error *err)
{
    for (unsigned i = 0; i < plan->count; i++) {
        char *now;
        int rc = ae_boot_read(plan->changes[i].path, &now, err);

        if (!rc && !ae_boot_same(now, plan->changes[i].before))
            rc = ae_error_set(err, -ESTALE, "boot parameters: %s changed meanwhile; plan anew",
                              plan->changes[i].path);
        free(now);
        if (rc)
            return rc;
    }
    return 0;
}

static int write_changes(const struct ae_boot_plan *plan, struct ae_error *err)
{
    int rc = 0;

    for (unsigned i = 0; !rc && i < plan->count; i++)
        rc = ae_boot_write(plan->changes[i].path, plan->changes[i].after, err);
    return rc;
}

/* The command may have written the files otherwise than foreseen: what they are now is "after". */
static int note_outcome(struct ae_error *err)
{
    struct ae_boot_plan outcome;
    int rc = ae_boot_state_load(&outcome, err);

    for (unsigned i = 0; !rc && i < outcome.count; i++) {
        free(outcome.changes[i].after);
        rc = ae_boot_read(outcome.changes[i].path, &outcome.changes[i].after, err);
    }
    if (!rc)
        rc = ae_boot_state_save(&outcome, err);
    ae_boot_plan_free(&outcome);
    return rc;
}

/* Puts back whatever was written; keeps the first error, and adds what else went wrong. */
static void roll_back(const struct ae_boot_plan *plan, const struct ae_boot_writer *writer,
                      ae_boot_runner run)
{
    int rc = 0;

    if (writer->by_command)
        writer->refresh(plan->parameters, true, run, NULL);
    for (unsigned i = 0; i < plan->count; i++)
        rc |= ae_boot_write(plan->changes[i].path, plan->changes[i].before, NULL);
    if (!writer->by_command)
        writer->refresh(plan->parameters, true, run, NULL);
    if (!rc) /* else the state is what is left to put the files back with */
        ae_root_remove(AE_BOOT_STATE);
}

int ae_boot_apply(const struct ae_boot_plan *plan, ae_boot_runner run, struct ae_error *err)
{
    const struct ae_boot_writer *writer = ae_boot_find_writer(plan->writer);
    int rc;

    if (plan->nothing)
        return 0;
    if (!run)
        run = run_program;
    rc = check_unchanged(plan, err);
    if (!rc)
        rc = ae_boot_state_save(plan, err);
    if (rc)
        return rc;
    if (!writer->by_command)
        rc = write_changes(plan, err);
    if (!rc)
        rc = writer->refresh(plan->parameters, false, run, err);
    if (!rc && writer->verify)
        rc = writer->verify(plan, err);
    if (!rc && writer->by_command)
        rc = note_outcome(err);
    if (rc)
        roll_back(plan, writer, run);
    return rc;
}

/* One file back to what it was, or, when somebody changed it since, without our words. */
static int take_back(const struct ae_boot_writer *writer, const struct ae_boot_change *change,
                     const char *parameters, bool untouched, struct ae_boot_removal *removal,
                     struct ae_error *err)
{
    char *now = NULL, *left = NULL, *added = NULL;
    int rc;

    if (untouched) {
        removal->restored++;
        return ae_boot_write(change->path, change->before, err);
    }
    removal->edited++;
    rc = ae_boot_read(change->path, &now, err);
    if (!rc && now && writer->strip) {
        /* Words that were there before are somebody else's, also when they are equal to ours. */
        added = change->before && change->after ? ae_cmdline_added(change->before, change->after)
                                                : strdup(parameters);
        rc = added ? writer->strip(change->path, now, added, &left, err)
                   : ae_error_set(err, -ENOMEM, "boot parameters: out of memory");
        if (!rc)
            rc = ae_boot_write(change->path, left, err);
    }
    free(added);
    free(now);
    free(left);
    return rc;
}

/* Which files are still as we left them, or never became so? */
static int find_untouched(const struct ae_boot_plan *applied, bool *untouched, struct ae_error *err)
{
    int rc = 0;

    for (unsigned i = 0; !rc && i < applied->count; i++) {
        char *now;

        rc = ae_boot_read(applied->changes[i].path, &now, err);
        untouched[i] = ae_boot_same(now, applied->changes[i].after) ||
                       ae_boot_same(now, applied->changes[i].before);
        free(now);
    }
    return rc;
}

int ae_boot_remove(struct ae_boot_removal *removal, ae_boot_runner run, struct ae_error *err)
{
    const struct ae_boot_writer *writer;
    struct ae_boot_plan applied;
    bool untouched[AE_BOOT_FILES];
    int rc = ae_boot_state_load(&applied, err);

    memset(removal, 0, sizeof(*removal));
    if (rc)
        return rc;
    if (!run)
        run = run_program;
    writer = ae_boot_find_writer(applied.writer);
    snprintf(removal->writer, sizeof(removal->writer), "%s", applied.writer);
    rc = find_untouched(&applied, untouched, err);
    if (!rc && writer->by_command)
        rc = writer->refresh(applied.parameters, true, run, err);
    for (unsigned i = 0; !rc && i < applied.count; i++)
        rc = take_back(writer, &applied.changes[i], applied.parameters, untouched[i], removal, err);
    if (!rc && !writer->by_command)
        rc = writer->refresh(applied.parameters, true, run, err);
    if (!rc && (rc = ae_root_remove(AE_BOOT_STATE)))
        ae_error_set(err, rc, "boot parameters: removing " AE_BOOT_STATE ": %s", strerror(-rc));
    ae_boot_plan_free(&applied);
    return rc;
}
