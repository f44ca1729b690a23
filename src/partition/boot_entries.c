/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "partition/boot_writers.h"

/* Boot Loader Specification entries (uapi-group.org/specifications), type #1. */
#define ENTRIES "/boot/loader/entries"
#define CMDLINE "/etc/kernel/cmdline"

static const char *first_of(const char *const paths[])
{
    for (; *paths; paths++)
        if (ae_root_exists(*paths))
            return *paths;
    return NULL;
}

/* ---- grubby ---- */

static const char *const grubby[] = {"/usr/sbin/grubby", "/usr/bin/grubby", NULL};

bool ae_boot_grubby_is_here(void)
{
    return first_of(grubby) && ae_root_exists(ENTRIES);
}

/* Where the value of the entry's "options" line begins and ends; NULL: it has none. */
static const char *find_options(const char *text, size_t *length)
{
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (strncmp(line, "options", 7) != 0 || !strchr(" \t", line[7]))
            continue;
        line += 7 + strspn(line + 7, " \t");
        *length = strcspn(line, "\n");
        return line;
    }
    return NULL;
}

/* The entry with the parameters in its options; as it is when it has no such line. */
static int predict_entry(const char *text, const char *parameters, char **after,
                         struct ae_error *err)
{
    size_t length;
    const char *options = find_options(text, &length);
    char *line, *merged;
    int rc;

    if (!options) {
        *after = strdup(text);
        return *after ? 0 : ae_error_set(err, -ENOMEM, "boot parameters: out of memory");
    }
    line = strndup(options, length);
    if (!line)
        return ae_error_set(err, -ENOMEM, "boot parameters: out of memory");
    rc = ae_cmdline_merge(line, parameters, &merged, err);
    free(line);
    if (rc)
        return rc;
    if (asprintf(after, "%.*s%s%s", (int)(options - text), text, merged, options + length) < 0)
        rc = ae_error_set(err, -ENOMEM, "boot parameters: out of memory");
    free(merged);
    return rc;
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
    snprintf(path, sizeof(path), ENTRIES "/%.255s", name);
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

int ae_boot_grubby_plan(struct ae_boot_plan *plan, struct ae_error *err)
{
    struct planning planning = {plan, err, 0};
    int rc = ae_root_list(ENTRIES, plan_entry, &planning);

    if (planning.rc)
        return planning.rc;
    if (rc)
        return ae_error_set(err, rc, "boot parameters: " ENTRIES ": %s", strerror(-rc));
    if (plan->count == 0)
        return ae_error_set(err, -ENOENT, "boot parameters: no entry in " ENTRIES);
    rc = keep(plan, "/etc/default/grub", err);
    return rc ? rc : keep(plan, CMDLINE, err);
}

int ae_boot_grubby_refresh(const char *parameters, bool removing, ae_boot_runner run,
                           struct ae_error *err)
{
    const char *argv[] = {first_of(grubby), "--update-kernel=ALL", NULL, NULL};
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

/* RHEL 8 keeps the options of all entries in one variable of GRUB's environment. */
static bool in_environment(const char *options, size_t length, const char *parameter)
{
    bool found = false;
    char *text, *line;

    if (!memmem(options, length, "$kernelopts", 11) ||
        ae_root_read_all("/boot/grub2/grubenv", &text) < 0)
        return false;
    line = strstr(text, "\nkernelopts=");
    if (line) {
        line += 12;
        line[strcspn(line, "\n")] = '\0';
        found = ae_cmdline_has(line, parameter);
    }
    free(text);
    return found;
}

static bool entry_has(const char *text, const char *parameter)
{
    size_t length;
    const char *options = find_options(text, &length);
    char *line = options ? strndup(options, length) : NULL;
    bool has =
        line && (ae_cmdline_has(line, parameter) || in_environment(options, length, parameter));

    free(line);
    return has;
}

static int verify_entry(const struct ae_boot_change *change, const char *parameters,
                        struct ae_error *err)
{
    struct ae_cmdline_word word;
    char *text;
    int rc = ae_boot_read(change->path, &text, err);

    while (!rc && text && ae_cmdline_next(&parameters, &word)) {
        char *one = strndup(word.text, word.length);

        if (one && !entry_has(text, one))
            rc = ae_error_set(err, -EIO, "boot parameters: grubby ran, but %s has no %s",
                              change->path, one);
        free(one);
    }
    free(text);
    return rc;
}

int ae_boot_grubby_verify(const struct ae_boot_plan *plan, struct ae_error *err)
{
    int rc = 0;

    for (unsigned i = 0; !rc && i < plan->count; i++)
        if (strncmp(plan->changes[i].path, ENTRIES, sizeof(ENTRIES) - 1) == 0)
            rc = verify_entry(&plan->changes[i], plan->parameters, err);
    return rc;
}

/* ---- kernel-install: systemd-boot entries and unified kernel images ---- */

static const char *const kernel_install[] = {"/usr/bin/kernel-install", "/bin/kernel-install",
                                             NULL};
static const char *const loaders[] = {"/efi/loader/loader.conf", "/boot/efi/loader/loader.conf",
                                      "/boot/loader/loader.conf", CMDLINE, NULL};

bool ae_boot_kernel_install_is_here(void)
{
    return first_of(kernel_install) && first_of(loaders);
}

/* What kernel-install(8) takes when there is no CMDLINE: this boot's line, without the loader's
 * own. */
static int running_line(char **line, struct ae_error *err)
{
    static const char *const of_loader[] = {"BOOT_IMAGE", "initrd"};
    struct ae_cmdline_word word;
    const char *at;
    size_t used = 0;
    char *text, *out;
    int rc = ae_boot_read("/proc/cmdline", &text, err);

    if (rc || !text)
        return rc ? rc : ae_error_set(err, -ENOENT, "boot parameters: no /proc/cmdline");
    out = calloc(1, strlen(text) + 2);
    for (at = text; out && ae_cmdline_next(&at, &word);) {
        if (ae_cmdline_names(&word, of_loader[0]) || ae_cmdline_names(&word, of_loader[1]))
            continue;
        if (used)
            out[used++] = ' ';
        memcpy(out + used, word.text, word.length);
        used += word.length;
    }
    free(text);
    if (!out)
        return ae_error_set(err, -ENOMEM, "boot parameters: out of memory");
    out[used] = '\n';
    *line = out;
    return 0;
}

int ae_boot_kernel_install_plan(struct ae_boot_plan *plan, struct ae_error *err)
{
    char *before, *base = NULL, *after;
    int rc = ae_boot_read(CMDLINE, &before, err);

    if (rc)
        return rc;
    if (!before)
        rc = ae_boot_read("/usr/lib/kernel/cmdline", &base, err);
    if (!rc && !before && !base)
        rc = running_line(&base, err);
    if (!rc)
        rc = ae_cmdline_merge(before ? before : base, plan->parameters, &after, err);
    free(base);
    if (rc) {
        free(before);
        return ae_error_prefix(err, rc, CMDLINE);
    }
    if (before && strcmp(before, after) == 0) {
        free(before);
        free(after);
        return 0;
    }
    return ae_boot_add_change(plan, CMDLINE, before, after, err);
}

struct installing {
    const char *tool;
    ae_boot_runner run;
    struct ae_error *err;
    unsigned kernels;
};

/* Writes the entry, or the image, of one installed kernel anew. */
static int install_kernel(const char *version, void *context)
{
    struct installing *installing = context;
    char image[512];
    const char *argv[] = {installing->tool, "add", version, image, NULL};

    snprintf(image, sizeof(image), "/usr/lib/modules/%.200s/vmlinuz", version);
    if (!ae_root_exists(image))
        snprintf(image, sizeof(image), "/lib/modules/%.200s/vmlinuz", version);
    if (!ae_root_exists(image))
        snprintf(image, sizeof(image), "/boot/vmlinuz-%.200s", version);
    if (!ae_root_exists(image))
        return 0; /* modules left over from a kernel that is gone */
    installing->kernels++;
    return installing->run(argv, installing->err);
}

int ae_boot_kernel_install_refresh(const char *parameters, bool removing, ae_boot_runner run,
                                   struct ae_error *err)
{
    struct installing installing = {first_of(kernel_install), run, err, 0};
    int rc;

    (void)parameters;
    (void)removing;
    if (!installing.tool)
        return ae_error_set(err, -ENOENT, "boot parameters: kernel-install is not there any more");
    rc = ae_root_list("/usr/lib/modules", install_kernel, &installing);
    if (rc == -ENOENT && installing.kernels == 0)
        rc = ae_root_list("/lib/modules", install_kernel, &installing);
    if (!rc && installing.kernels == 0)
        rc = -ENOENT;
    if (rc == -ENOENT && installing.kernels == 0)
        return ae_error_set(err, rc,
                            "boot parameters: no kernel image below /usr/lib/modules or /boot "
                            "to install anew");
    return rc;
}

int ae_boot_kernel_install_strip(const char *path, const char *now, const char *parameters,
                                 char **left, struct ae_error *err)
{
    int rc = ae_cmdline_remove(now, parameters, left, err);

    return rc ? ae_error_prefix(err, rc, "%s", path) : 0;
}
