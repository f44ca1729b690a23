/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "partition/boot/files.h"
#include "partition/boot/grub_file.h"
#include "partition/boot/variables.h"
#include "partition/boot/writers.h"

#define DEFAULTS "/etc/default/grub"
#define DROP_INS "/etc/default/grub.d"
#define OURS     "zz-aether.cfg"
#define GRUB_CFG "/boot/grub/grub.cfg"
#define VARIABLE "GRUB_CMDLINE_LINUX_DEFAULT"
#define ALL      "GRUB_CMDLINE_LINUX"

static bool is_here(void)
{
    return ae_root_exists("/usr/sbin/update-grub") && ae_root_exists(DEFAULTS);
}

/* Runs all files as grub-mkconfig does: the defaults, then the drop-ins by name. */
struct sourcing {
    struct ae_grub_variables variables;
    const char *ours;   /* text of our drop-in, run in its place; NULL: left out */
    const char *wanted; /* parameters to watch, once ours has run */
    char culprit[128];  /* the file after which a watched parameter was gone */
    char strange[128];  /* "FILE:LINE" of what was not understood */
    char wrong[256];    /* "FILE:LINE" of what no shell takes, or GRUB cannot take, and why */
    bool ours_ran;
    int rc;
};

static const char *value_of(const struct ae_grub_variables *variables, const char *name)
{
    const struct ae_grub_variable *variable = ae_grub_get(variables, name);

    return variable ? variable->value : "";
}

/* Both variables, as they follow each other on the kernel's command line, with what GRUB itself
 * will put in the place of others ("$tuned_params"). */
static char *whole_line(const struct ae_grub_variables *variables)
{
    char *line, *expanded;

    if (asprintf(&line, "%s %s", value_of(variables, ALL), value_of(variables, VARIABLE)) < 0)
        return NULL;
    expanded = ae_boot_expand(line);
    free(line);
    return expanded;
}

static void watch(struct sourcing *sourcing, const char *path)
{
    char *line;

    if (!sourcing->ours_ran || sourcing->culprit[0])
        return;
    line = whole_line(&sourcing->variables);
    if (line && !ae_cmdline_has(line, sourcing->wanted))
        snprintf(sourcing->culprit, sizeof(sourcing->culprit), "%s", path);
    free(line);
}

/* What would make update-grub fail, or write a grub.cfg that does not mean what the file says. */
static void find_wrong(struct sourcing *sourcing, const char *path, const char *text)
{
    const char *dos = strstr(text, "\r\n");
    const char *const watched[] = {ALL, VARIABLE};
    unsigned line = 1;

    if (sourcing->variables.unclosed_line)
        snprintf(sourcing->wrong, sizeof(sourcing->wrong),
                 "%.100s:%u: a quote is opened here and never closed; close it first", path,
                 sourcing->variables.unclosed_line);
    for (; dos && text < dos; text++)
        line += *text == '\n';
    if (dos)
        snprintf(
            sourcing->wrong, sizeof(sourcing->wrong),
            "%.100s:%u: the line ends as DOS ends lines, with a carriage return, which becomes "
            "part of the value; take it out first (sed -i 's/\\r$//')",
            path, line);
    for (size_t i = 0; !sourcing->wrong[0] && i < 2; i++)
        if (strchr(value_of(&sourcing->variables, watched[i]), '\n'))
            snprintf(sourcing->wrong, sizeof(sourcing->wrong),
                     "%.100s: the value of %s goes over several lines, and so would the kernel's "
                     "line in " GRUB_CFG ", of which GRUB would take the first; write it on one",
                     path, watched[i]);
}

static void source_text(struct sourcing *sourcing, const char *path, const char *text)
{
    sourcing->rc = ae_grub_run(&sourcing->variables, text);
    if (sourcing->variables.strange_line && !sourcing->strange[0])
        snprintf(sourcing->strange, sizeof(sourcing->strange), "%s:%u", path,
                 sourcing->variables.strange_line);
    if (!sourcing->wrong[0])
        find_wrong(sourcing, path, text);
    watch(sourcing, path);
}

static int source_drop_in(const char *name, void *context)
{
    struct sourcing *sourcing = context;
    size_t length = strlen(name);
    char path[320], *text;

    /* A shell's *.cfg leaves out what begins with a dot. */
    if (name[0] == '.' || length < 4 || strcmp(name + length - 4, ".cfg") != 0 ||
        strcmp(name, OURS) == 0)
        return 0;
    if (sourcing->ours && !sourcing->ours_ran && strcmp(name, OURS) > 0) {
        sourcing->ours_ran = true;
        source_text(sourcing, DROP_INS "/" OURS, sourcing->ours);
    }
    snprintf(path, sizeof(path), DROP_INS "/%.255s", name);
    if (ae_root_read_all(path, &text) < 0)
        return 0;
    source_text(sourcing, path, text);
    free(text);
    return sourcing->rc;
}

static int source_all(struct sourcing *sourcing, struct ae_error *err)
{
    char *text;
    ssize_t length = ae_root_read_all(DEFAULTS, &text);

    if (length < 0)
        return ae_error_set(err, (int)length, "boot parameters: " DEFAULTS ": %s",
                            strerror((int)-length));
    source_text(sourcing, DEFAULTS, text);
    free(text);
    if (!sourcing->rc)
        ae_root_list(DROP_INS, source_drop_in, sourcing);
    if (!sourcing->rc && sourcing->ours && !sourcing->ours_ran) {
        sourcing->ours_ran = true;
        source_text(sourcing, DROP_INS "/" OURS, sourcing->ours);
    }
    if (sourcing->rc)
        return ae_error_set(err, sourcing->rc, "boot parameters: reading " DEFAULTS ": %s",
                            strerror(-sourcing->rc));
    if (sourcing->wrong[0])
        return ae_error_set(err, -EINVAL, "boot parameters: %s", sourcing->wrong);
    return 0;
}

/* Text as it stands between a shell's double quotes. */
static void quote(char *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("$`\"\\", *text))
            *out++ = '\\';
        *out++ = *text;
    }
    *out = '\0';
}

static char *write_drop_in(const char *parameters)
{
    char *quoted = malloc(2 * strlen(parameters) + 1), *text = NULL;

    if (!quoted)
        return NULL;
    quote(quoted, parameters);
    if (asprintf(
            &text,
            "# Written by \"aether partition boot apply\", taken away by \"aether partition boot "
            "remove\".\n# Takes effect with update-grub and a reboot; recovery entries do "
            "without.\n" VARIABLE "=\"${" VARIABLE "} %s\"\n",
            quoted) < 0)
        text = NULL;
    free(quoted);
    return text;
}

/* Does the line, as others set it, leave room for ours? */
static int check_others(const char *line, const char *parameters, char **missing,
                        struct ae_error *err)
{
    const char *at = line;
    struct ae_cmdline_word word;
    char *merged;
    int rc = ae_cmdline_merge(line, parameters, &merged, err);

    if (rc)
        return ae_error_prefix(err, rc, DEFAULTS " and " DROP_INS);
    free(merged);
    while (ae_cmdline_next(&at, &word))
        ;
    at += strspn(at, " \t\n\v\f\r");
    if (*at) /* only this ends the words before the text does */
        return ae_error_set(err, -EINVAL,
                            DEFAULTS
                            ": the command line has \"--\", and what is appended behind it "
                            "goes to init; take it out first");
    return ae_cmdline_missing(line, parameters, missing, err);
}

/* Runs everything again with our drop-in among it: do the parameters come out at the end? */
static int check_outcome(struct ae_boot_plan *plan, const char *ours, struct ae_error *err)
{
    struct sourcing sourcing = {.ours = ours, .wanted = plan->parameters};
    const struct ae_grub_variable *variable;
    int rc = source_all(&sourcing, err);

    variable = ae_grub_get(&sourcing.variables, VARIABLE);
    if (!rc && sourcing.culprit[0])
        rc = ae_error_set(
            err, -EEXIST,
            "%s sets " VARIABLE " anew and would drop our parameters silently; make it "
            "append (" VARIABLE "=\"$" VARIABLE " ...\") or rename it to come before " OURS,
            sourcing.culprit);
    else if (!rc && sourcing.strange[0])
        snprintf(
            plan->note, sizeof(plan->note),
            "%s is more than assignments; whether it undoes ours is seen after update-grub only",
            sourcing.strange);
    else if (!rc && variable && variable->unknown)
        snprintf(plan->note, sizeof(plan->note),
                 "a shell command takes part in " VARIABLE "; conflicts in it cannot be foreseen");
    ae_grub_free(&sourcing.variables);
    return rc;
}

/* grub.cfg is a script of GRUB's own shell, into which update-grub puts the words as they are. */
static int check_words(const char *parameters, struct ae_error *err)
{
    const char *bad = strpbrk(parameters, "$\\`;&|<>{}'#");

    if (!bad)
        return 0;
    return ae_error_set(
        err, -EINVAL,
        "boot parameters: '%c' means something to GRUB's own shell and would not reach "
        "the kernel; do without it",
        *bad);
}

static int make_plan(struct ae_boot_plan *plan, struct ae_error *err)
{
    struct sourcing others = {.ours = NULL};
    char *line = NULL, *missing = NULL, *before = NULL, *after = NULL;
    int rc = check_words(plan->parameters, err);

    if (!rc)
        rc = source_all(&others, err);
    if (!rc && !(line = whole_line(&others.variables)))
        rc = ae_error_set(err, -ENOMEM, "boot parameters: out of memory");
    if (!rc)
        rc = check_others(line, plan->parameters, &missing, err);
    if (!rc && !(after = write_drop_in(missing)))
        rc = ae_error_set(err, -ENOMEM, "boot parameters: out of memory");
    if (!rc)
        rc = check_outcome(plan, after, err);
    if (!rc)
        rc = ae_boot_read(DROP_INS "/" OURS, &before, err);
    if (!rc && *missing) {
        rc = ae_boot_add_change(plan, DROP_INS "/" OURS, before, after, err);
        before = after = NULL;
    }
    ae_grub_free(&others.variables);
    free(line);
    free(missing);
    free(before);
    free(after);
    return rc;
}

static int refresh(const char *parameters, bool removing, ae_boot_runner run, struct ae_error *err)
{
    static const char *const argv[] = {"/usr/sbin/update-grub", NULL};

    (void)parameters;
    (void)removing;
    return run(argv, err);
}

/* The rest of a grub.cfg line that starts a kernel, or NULL. */
static const char *kernel_line(const char *line)
{
    static const char *const commands[] = {"linux", "linux16", "linuxefi"};
    size_t length;

    line += strspn(line, " \t");
    length = strcspn(line, " \t\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strlen(commands[i]) == length && strncmp(line, commands[i], length) == 0)
            return line + length;
    return NULL;
}

/* Counts a line that has ours; one that has others' for the same is no success: the kernel would
 * throw one of the two away. */
static int look_at_line(const char *line, const char *parameters, unsigned *with,
                        struct ae_error *err)
{
    char *expanded = ae_boot_expand(line), *missing = NULL;
    int rc = expanded ? ae_cmdline_missing(expanded, parameters, &missing, err)
                      : ae_error_set(err, -ENOMEM, "boot parameters: out of memory");

    *with += !rc && !*missing;
    free(missing);
    free(expanded);
    return rc ? ae_error_prefix(err, rc, "boot parameters: update-grub ran, and in " GRUB_CFG) : 0;
}

static int verify(const struct ae_boot_plan *plan, struct ae_error *err)
{
    unsigned kernels = 0, with = 0;
    char *text, *next, *line;
    int rc = 0;

    if (ae_root_read_all(GRUB_CFG, &text) < 0)
        return ae_error_set(err, -ENOENT, "boot parameters: update-grub left no " GRUB_CFG);
    for (next = text; !rc && (line = strsep(&next, "\n"));) {
        const char *rest = kernel_line(line);

        if (!rest)
            continue;
        kernels++;
        rc = look_at_line(rest, plan->parameters, &with, err);
    }
    free(text);
    if (rc)
        return rc;
    if (!with)
        return ae_error_set(
            err, -EIO,
            "boot parameters: update-grub ran, but none of the %u kernels in " GRUB_CFG
            " starts with them; does " DEFAULTS " or a file in " DROP_INS " set " VARIABLE
            " by other means?",
            kernels);
    return 0;
}

/* Ours is ours to take away; what somebody wrote into it is kept beside, where grub does not
 * look. */
static int strip(const char *path, const char *now, const char *parameters, char **left,
                 struct ae_error *err)
{
    char saved[128];
    int rc;

    (void)parameters;
    snprintf(saved, sizeof(saved), "%.100s.saved", path);
    rc = ae_root_save(saved, now, 0600);
    if (rc)
        return ae_error_set(err, rc, "boot parameters: keeping %s: %s", saved, strerror(-rc));
    *left = NULL;
    return 0;
}

const struct ae_boot_writer ae_boot_grub = {
    .name = "grub.d",
    .looks_for = "update-grub and " DEFAULTS,
    .is_here = is_here,
    .plan = make_plan,
    .refresh = refresh,
    .verify = verify,
    .strip = strip,
};
