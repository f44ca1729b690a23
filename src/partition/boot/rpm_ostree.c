/* SPDX-License-Identifier: Apache-2.0 */

/* rpm-ostree: the arguments belong to a deployment, whose entry is written anew each time. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/root.h"
#include "partition/boot/entries.h"
#include "partition/boot/files.h"
#include "partition/boot/writers.h"

#define TOOL    "/usr/bin/rpm-ostree"
#define ENTRIES AE_BOOT_ENTRIES "/*.conf"
#define WORDS   64

static bool is_here(void)
{
    return ae_root_exists(TOOL) && ae_root_exists("/run/ostree-booted");
}

struct looking {
    const char *parameters;
    unsigned entries, with;
    struct ae_error *err;
};

static int look_at(const char *path, void *context)
{
    struct looking *looking = context;
    char *text, *line = NULL, *missing = NULL;
    int rc = ae_boot_read(path, &text, looking->err);

    if (!rc && text && !(line = ae_boot_entry_line(text)))
        rc = ae_error_set(looking->err, -ENOMEM, "boot parameters: out of memory");
    if (!rc && line)
        rc = ae_cmdline_missing(line, looking->parameters, &missing, looking->err);
    if (rc && line)
        ae_error_prefix(looking->err, rc, "%s", path);
    looking->entries++;
    looking->with += !rc && missing && !*missing;
    free(missing);
    free(line);
    free(text);
    return rc;
}

static int make_plan(struct ae_boot_plan *plan, struct ae_error *err)
{
    struct looking looking = {.parameters = plan->parameters, .err = err};
    int rc = ae_root_glob(ENTRIES, look_at, &looking);

    if (rc)
        return rc;
    plan->by_command_alone = looking.with < looking.entries || looking.entries == 0;
    snprintf(plan->note, sizeof(plan->note),
             "rpm-ostree makes a deployment with them; the one that runs stays as it is and can be "
             "gone back to");
    return 0;
}

/* "--append-if-missing=WORD" for each; of a pair both words, in their order and whether or not they
 * are there, since they mean something only together. */
static int add_words(const struct ae_cmdline_word *unit, bool removing, const char **argv,
                     unsigned *count)
{
    char *text = strndup(unit->text, unit->length);
    const char *at = text;
    const char *how = removing          ? "--delete-if-present"
                      : unit->page_size ? "--append"
                                        : "--append-if-missing";
    struct ae_cmdline_word word;
    int rc = text ? 0 : -ENOMEM;

    while (!rc && ae_cmdline_next(&at, &word)) {
        char *option;

        if (*count == WORDS)
            rc = -E2BIG;
        else if (asprintf(&option, "%s=%.*s", how, (int)word.length, word.text) < 0)
            rc = -ENOMEM;
        else
            argv[(*count)++] = option;
    }
    free(text);
    return rc;
}

static int refresh(const char *parameters, bool removing, ae_boot_runner run, struct ae_error *err)
{
    const char *argv[WORDS + 3] = {TOOL, "kargs"};
    struct ae_cmdline_units units;
    struct ae_cmdline_word unit;
    unsigned count = 0;
    int rc = 0;

    ae_cmdline_units_begin(&units, parameters);
    while (!rc && ae_cmdline_next_unit(&units, &unit))
        rc = add_words(&unit, removing, argv + 2, &count);
    if (rc)
        ae_error_set(err, rc, "boot parameters: putting rpm-ostree's arguments together: %s",
                     strerror(-rc));
    else
        rc = run(argv, err);
    for (unsigned i = 0; i < count; i++)
        free((void *)(size_t)argv[2 + i]);
    return rc;
}

static int verify(const struct ae_boot_plan *plan, struct ae_error *err)
{
    struct looking looking = {.parameters = plan->parameters, .err = err};
    int rc = ae_root_glob(ENTRIES, look_at, &looking);

    if (rc || looking.with)
        return rc;
    return ae_error_set(
        err, -EIO,
        "boot parameters: rpm-ostree ran, but none of %u entries in " AE_BOOT_ENTRIES " has them",
        looking.entries);
}

const struct ae_boot_writer ae_boot_rpm_ostree = {
    .name = "rpm-ostree",
    .looks_for = "rpm-ostree on a machine booted by it",
    .is_here = is_here,
    .plan = make_plan,
    .refresh = refresh,
    .verify = verify,
    .by_command = true,
};
