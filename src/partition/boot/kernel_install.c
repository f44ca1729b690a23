/* SPDX-License-Identifier: Apache-2.0 */

/* kernel-install: systemd-boot entries and unified kernel images. */

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

static const char *const kernel_install[] = {"/usr/bin/kernel-install", "/bin/kernel-install",
                                             NULL};
/* What systemd-boot itself needs, or what starts without a loader; /etc/kernel/cmdline may be left
 * over on a machine that GRUB starts. */
static const char *const loaders[] = {"/efi/loader/loader.conf",
                                      "/boot/efi/loader/loader.conf",
                                      "/boot/loader/loader.conf",
                                      "/efi/EFI/Linux",
                                      "/boot/efi/EFI/Linux",
                                      "/boot/EFI/Linux",
                                      NULL};
static const char *const entries[] = {"/efi/loader/entries/*.conf",
                                      "/boot/efi/loader/entries/*.conf",
                                      "/boot/loader/entries/*.conf", NULL};
static const char *const images[] = {"/efi/EFI/Linux/*.efi", "/boot/efi/EFI/Linux/*.efi",
                                     "/boot/EFI/Linux/*.efi", NULL};

static bool is_here(void)
{
    return ae_boot_first_of(kernel_install) && ae_boot_first_of(loaders);
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

/* kernel-install leaves out lines that begin so. */
static bool is_comment(const char *line)
{
    return line[strspn(line, " \t")] == '#';
}

/* The file as the one line that kernel-install makes of it. */
static char *effective_line(const char *text)
{
    char *line = calloc(1, strlen(text) + 2);
    size_t used = 0;

    for (; line && *text; text += strcspn(text, "\n"), text += *text == '\n') {
        size_t length = strcspn(text, "\n");

        if (is_comment(text))
            continue;
        memcpy(line + used, text, length);
        used += length;
        line[used++] = ' ';
    }
    return line;
}

static bool ends_words(const char *line, size_t length)
{
    char *copy = strndup(line, length);
    const char *at = copy;
    struct ae_cmdline_word word;
    bool ends;

    while (copy && ae_cmdline_next(&at, &word))
        ;
    ends = copy && at[strspn(at, " \t\r")] == '-';
    free(copy);
    return ends;
}

/* The line to append to: the first with "--", else the last that is neither empty nor a comment. */
static const char *line_to_edit(const char *text)
{
    const char *found = NULL;

    for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
        if (is_comment(text) || strcspn(text, "\n") == strspn(text, " \t\r"))
            continue;
        found = text;
        if (ends_words(text, strcspn(text, "\n")))
            break;
    }
    return found;
}

/* The file with the words in its line. */
static int edit(const char *text, const char *missing, char **after, struct ae_error *err)
{
    const char *line = line_to_edit(text);
    size_t length = line ? strcspn(line, "\n") : 0;
    char *old, *new = NULL;
    int rc;

    if (!line) /* nothing but comments */
        return asprintf(after, "%s%s%s\n", text,
                        *text && text[strlen(text) - 1] != '\n' ? "\n" : "", missing) < 0
                   ? ae_error_set(err, -ENOMEM, "boot parameters: out of memory")
                   : 0;
    old = strndup(line, length);
    rc = old ? ae_cmdline_merge(old, missing, &new, err)
             : ae_error_set(err, -ENOMEM, "boot parameters: out of memory");
    free(old);
    if (!rc && asprintf(after, "%.*s%s%s", (int)(line - text), text, new, line + length) < 0)
        rc = ae_error_set(err, -ENOMEM, "boot parameters: out of memory");
    free(new);
    return rc;
}

static int make_plan(struct ae_boot_plan *plan, struct ae_error *err)
{
    char *before, *base = NULL, *line = NULL, *missing = NULL, *after = NULL;
    int rc = ae_boot_read(CMDLINE, &before, err);

    if (rc)
        return rc;
    if (!before)
        rc = ae_boot_read("/usr/lib/kernel/cmdline", &base, err);
    if (!rc && !before && !base)
        rc = running_line(&base, err);
    if (!rc && !(line = effective_line(before ? before : base)))
        rc = ae_error_set(err, -ENOMEM, "boot parameters: out of memory");
    if (!rc)
        rc = ae_cmdline_missing(line, plan->parameters, &missing, err);
    if (!rc && strlen(line) + strlen(missing) >= AE_CMDLINE_SIZE)
        rc = ae_error_set(err, -E2BIG,
                          "with the parameters it would be longer than the %d bytes that "
                          "the kernel keeps; shorten it",
                          AE_CMDLINE_SIZE - 1);
    if (!rc)
        rc = *missing || !before ? edit(before ? before : base, missing, &after, err) : 0;
    free(missing);
    free(line);
    free(base);
    if (rc) {
        free(before);
        return ae_error_prefix(err, rc, CMDLINE);
    }
    if (!after) {
        free(before);
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

static int refresh(const char *parameters, bool removing, ae_boot_runner run, struct ae_error *err)
{
    struct installing installing = {ae_boot_first_of(kernel_install), run, err, 0};
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

struct looking {
    const char *parameters;
    unsigned with, without;
    char first[160]; /* entry without */
};

static void note(struct looking *looking, const char *path, bool with)
{
    looking->with += with;
    if (!with && looking->without++ == 0)
        snprintf(looking->first, sizeof(looking->first), "%.150s", path);
}

/* Is the entry's kernel one whose modules are here, and which was thus installed anew? */
static bool is_installed(const char *text)
{
    const char *version = strstr(text, "\nversion");
    char path[300];

    if (!version)
        return false;
    version += 8 + strspn(version + 8, " \t");
    snprintf(path, sizeof(path), "/usr/lib/modules/%.*s", (int)strcspn(version, " \t\r\n"),
             version);
    return ae_root_exists(path) || ae_root_exists(path + 4);
}

static int look_at_entry(const char *path, void *context)
{
    struct looking *looking = context;
    char *text, *line;

    if (ae_root_read_all(path, &text) < 0)
        return 0;
    line = ae_boot_entry_line(text);
    if (line && is_installed(text))
        note(looking, path, ae_cmdline_has(line, looking->parameters));
    free(line);
    free(text);
    return 0;
}

/* The line is in a section of the image, as text (uapi-group.org, Unified Kernel Image,
 * .cmdline). */
static int look_at_image(const char *path, void *context)
{
    struct looking *looking = context;
    const char *first = looking->parameters;
    char *text;
    ssize_t length = ae_root_read_all(path, &text);

    if (length < 0)
        return 0;
    note(looking, path, memmem(text, (size_t)length, first, strcspn(first, " ")) != NULL);
    free(text);
    return 0;
}

static int verify(const struct ae_boot_plan *plan, struct ae_error *err)
{
    struct looking looking = {.parameters = plan->parameters};

    for (size_t i = 0; entries[i]; i++)
        ae_root_glob(entries[i], look_at_entry, &looking);
    for (size_t i = 0; images[i]; i++)
        ae_root_glob(images[i], look_at_image, &looking);
    if (looking.with && !looking.without)
        return 0;
    if (looking.without)
        return ae_error_set(err, -EIO,
                            "boot parameters: kernel-install ran, but %s has not all of them; does "
                            "another tool write it (proxmox-boot-tool, sdbootutil, a plug-in of "
                            "kernel-install)?",
                            looking.first);
    return ae_error_set(
        err, -EIO,
        "boot parameters: kernel-install ran, and wrote neither an entry nor an image of "
        "an installed kernel below /efi or /boot; does another boot loader start this "
        "machine?");
}

static int strip(const char *path, const char *now, const char *parameters, char **left,
                 struct ae_error *err)
{
    int rc = ae_cmdline_remove(now, parameters, left, err);

    return rc ? ae_error_prefix(err, rc, "%s", path) : 0;
}

const struct ae_boot_writer ae_boot_kernel_install = {
    .name = "kernel-install",
    .looks_for = "kernel-install with a loader.conf or EFI/Linux",
    .is_here = is_here,
    .plan = make_plan,
    .refresh = refresh,
    .verify = verify,
    .strip = strip,
};
