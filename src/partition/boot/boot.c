/* SPDX-License-Identifier: Apache-2.0 */
#include "partition/boot/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/command.h"
#include "base/error.h"
#include "base/root.h"
#include "partition/boot/state.h"
#include "partition/boot/writers.h"

const struct ae_boot_writer ae_boot_writers[] = {
    {"rpm-ostree", "rpm-ostree on a machine booted by it", ae_boot_ostree_is_here,
     ae_boot_ostree_plan, ae_boot_ostree_refresh, ae_boot_ostree_verify, NULL, true},
    {"grubby", "grubby and /boot/loader/entries", ae_boot_grubby_is_here, ae_boot_grubby_plan,
     ae_boot_grubby_refresh, ae_boot_grubby_verify, NULL, true},
    {"grub.d", "update-grub and /etc/default/grub", ae_boot_grub_is_here, ae_boot_grub_plan,
     ae_boot_grub_refresh, ae_boot_grub_verify, ae_boot_grub_strip, false},
    {"kernel-install", "kernel-install with a loader.conf or EFI/Linux",
     ae_boot_kernel_install_is_here, ae_boot_kernel_install_plan, ae_boot_kernel_install_refresh,
     ae_boot_kernel_install_verify, ae_boot_kernel_install_strip, false},
    {0},
};

const struct ae_boot_writer *ae_boot_find_writer(const char *name)
{
    for (const struct ae_boot_writer *writer = ae_boot_writers; writer->name; writer++)
        if (strcmp(writer->name, name) == 0)
            return writer;
    return NULL;
}

static const char *why(int rc)
{
    switch (rc) {
    case -ELOOP:
        return "it is a link to what is not there; make that, or remove the link";
    case -EMLINK:
        return "it has other names by hard links, which would keep the old text; make it a file of "
               "its own";
    default:
        return strerror(-rc);
    }
}

int ae_boot_read(const char *path, char **text, struct ae_error *err)
{
    ssize_t length = ae_root_read_all(path, text);
    char target[NAME_MAX + 1];

    if (length >= 0)
        return 0;
    *text = NULL;
    if (length == -ENOENT && ae_root_link_name(path, target, sizeof(target)) == 0)
        length = -ELOOP;
    return length == -ENOENT ? 0
                             : ae_error_set(err, (int)length, "boot parameters: reading %s: %s",
                                            path, why((int)length));
}

const char *ae_boot_first_of(const char *const paths[])
{
    for (; *paths; paths++)
        if (ae_root_exists(*paths))
            return *paths;
    return NULL;
}

int ae_boot_add_change(struct ae_boot_plan *plan, const char *path, char *before, char *after,
                       struct ae_error *err)
{
    struct ae_boot_change *change = &plan->changes[plan->count];
    char *copy = plan->count < AE_BOOT_FILES ? strdup(path) : NULL;

    if (!copy) {
        free(before);
        free(after);
        return ae_error_set(err, -ENOMEM, "boot parameters: more than %d files, or out of memory",
                            AE_BOOT_FILES);
    }
    *change = (struct ae_boot_change){copy, before, after};
    plan->count++;
    return 0;
}

void ae_boot_plan_free(struct ae_boot_plan *plan)
{
    for (unsigned i = 0; i < plan->count; i++) {
        free(plan->changes[i].path);
        free(plan->changes[i].before);
        free(plan->changes[i].after);
    }
    free(plan->parameters);
    memset(plan, 0, sizeof(*plan));
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

int ae_boot_applied(char **parameters, char **writer, struct ae_error *err)
{
    struct ae_boot_plan plan;
    int rc = ae_boot_state_load(&plan, err);

    if (rc)
        return rc;
    *parameters = plan.parameters;
    plan.parameters = NULL;
    *writer = strdup(plan.writer);
    ae_boot_plan_free(&plan);
    return *writer ? 0 : -ENOMEM;
}

/* ---- Planning ---- */

/* systemd-boot says so in an EFI variable (systemd.io/BOOT_LOADER_INTERFACE), in UTF-16. */
static bool booted_by_systemd_boot(void)
{
    static const char path[] =
        "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
    char raw[128], text[64];
    size_t used = 0;
    int fd = ae_root_open(path, O_RDONLY);
    ssize_t got = fd < 0 ? 0 : read(fd, raw, sizeof(raw));

    if (fd >= 0)
        close(fd);
    for (ssize_t i = 4; i < got && used < sizeof(text) - 1; i += 2)
        text[used++] = raw[i];
    text[used] = '\0';
    return strstr(text, "systemd-boot") != NULL;
}

static const struct ae_boot_writer *detect(struct ae_error *err)
{
    const struct ae_boot_writer *writer = ae_boot_find_writer("kernel-install");
    char looked_for[256] = "";

    if (booted_by_systemd_boot() && writer->is_here())
        return writer;
    for (writer = ae_boot_writers; writer->name; writer++) {
        size_t used = strlen(looked_for);

        if (writer->is_here())
            return writer;
        snprintf(looked_for + used, sizeof(looked_for) - used, "%s%s", used ? "; " : "",
                 writer->looks_for);
    }
    ae_error_set(
        err, -ENOENT,
        "boot parameters: no boot loader that Aether can write for was found (looked for %s); "
        "put the parameters on the kernel's command line by hand",
        looked_for);
    return NULL;
}

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
        if (!rc && !same(now, applied.changes[i].after))
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
    writer = writer_name ? ae_boot_find_writer(writer_name) : detect(err);
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
        if (!same(plan->changes[i].before, plan->changes[i].after))
            plan->nothing = false;
    if (rc)
        ae_boot_plan_free(plan);
    return rc;
}

/* ---- Applying and removing ---- */

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

static int put_file(const char *path, const char *text, struct ae_error *err)
{
    char directory[512], *now;
    int rc = ae_boot_read(path, &now, err);
    bool there = !rc && same(now, text);

    free(now);
    if (rc || there)
        return rc;
    snprintf(directory, sizeof(directory), "%.500s", path);
    *strrchr(directory, '/') = '\0';
    if (text && *directory)
        rc = ae_root_make_directory(directory);
    if (!rc)
        rc = text ? ae_root_replace(path, text) : ae_root_remove(path);
    if (!rc && *directory)
        rc = ae_root_sync_directory(directory);
    return rc ? ae_error_set(err, rc, "boot parameters: writing %s: %s", path, why(rc)) : 0;
}

/* Has anybody changed the files between plan and apply? */
static int check_unchanged(const struct ae_boot_plan *plan, struct ae_error *err)
{
    for (unsigned i = 0; i < plan->count; i++) {
        char *now;
        int rc = ae_boot_read(plan->changes[i].path, &now, err);

        if (!rc && !same(now, plan->changes[i].before))
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
        rc = put_file(plan->changes[i].path, plan->changes[i].after, err);
    return rc;
}

/* The command may have written the files otherwise than foreseen: what they are now is "after". */
static int note_outcome(const struct ae_boot_plan *plan, struct ae_error *err)
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
    (void)plan;
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
        rc |= put_file(plan->changes[i].path, plan->changes[i].before, NULL);
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
        rc = note_outcome(plan, err);
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
        return put_file(change->path, change->before, err);
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
            rc = put_file(change->path, left, err);
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
        untouched[i] =
            same(now, applied->changes[i].after) || same(now, applied->changes[i].before);
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
