/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <aether/partition.h>

#include "base/error.h"
#include "base/text.h"
#include "cli.h"
#include "json.h"
#include "partition/boot/boot.h"
#include "partition/boot/state.h"

#define VERB "partition boot"

struct boot {
    const char *action, *writer;
    struct ae_boot_wish wish;
    bool cpus_named, dry_run, json;
};

enum { KEY_CPUS = 256, KEY_WRITER, KEY_2M, KEY_1G, KEY_IOMMU, KEY_EXTRA, KEY_DRY_RUN, KEY_JSON };

static const struct argp_option arguments[] = {
    {"cpus", KEY_CPUS, "LIST", 0, "quiet CPUs (those of all partitions)", 0},
    {"pages-2m", KEY_2M, "N", 0, "huge pages of 2 MiB to set aside at boot", 0},
    {"pages-1g", KEY_1G, "N", 0, "huge pages of 1 GiB to set aside at boot", 0},
    {"iommu", KEY_IOMMU, NULL, 0, "switch the IOMMU on too", 0},
    {"extra", KEY_EXTRA, "WORDS", 0, "further parameters", 0},
    {"writer", KEY_WRITER, "NAME", 0,
     "grub.d, grubby or kernel-install (the one this machine uses)", 0},
    {"dry-run", KEY_DRY_RUN, NULL, 0, "apply: the same as plan; remove: write nothing", 0},
    {"json", KEY_JSON, NULL, 0, "print JSON", 0},
    {0},
};

static unsigned long long pages(struct argp_state *state, const char *text)
{
    char *end;
    unsigned long long count;

    errno = 0;
    count = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || errno || *end)
        argp_error(state, "'%s' is not a number of pages", text);
    return count;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct boot *boot = state->input;

    switch (key) {
    case KEY_CPUS:
        if (ae_cpus_parse(&boot->wish.quiet, arg))
            argp_error(state, "--cpus: '%s' is not a list of CPUs such as 2-5,8", arg);
        boot->cpus_named = true;
        return 0;
    case KEY_2M:
        boot->wish.pages_2m = pages(state, arg);
        return 0;
    case KEY_1G:
        boot->wish.pages_1g = pages(state, arg);
        return 0;
    case KEY_IOMMU:
        boot->wish.iommu = true;
        return 0;
    case KEY_EXTRA:
        boot->wish.extra = arg;
        return 0;
    case KEY_WRITER:
        boot->writer = arg;
        return 0;
    case KEY_DRY_RUN:
        boot->dry_run = true;
        return 0;
    case KEY_JSON:
        boot->json = true;
        cli_json_ask();
        return 0;
    case ARGP_KEY_ARG:
        if (boot->action)
            argp_error(state, "one of plan, apply, remove, check; not '%s' as well", arg);
        boot->action = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "say what to do: plan, apply, remove or check");
        return EINVAL;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
    arguments,
    parse,
    "plan|apply|remove|check",
    "Kernel parameters for quiet CPUs, written to the boot loader's configuration.\v"
    "plan shows what would change; apply does it; remove undoes it; check asks the kernel, after "
    "the "
    "reboot, whether it took each parameter or only prints it.",
    NULL,
    NULL,
    NULL};

/* The quiet CPUs of every partition that has a file. */
static int add_partition(const char *name, void *context)
{
    struct boot *boot = context;
    struct ae_partition *partition;
    struct ae_cpus cpus;
    char list[AE_CPUS_TEXT];

    if (ae_partition_load(&partition, name, NULL))
        return 0;
    if (ae_partition_quiet_cpus(partition, list, sizeof(list)) >= 0 && !ae_cpus_parse(&cpus, list))
        ae_cpus_join(&boot->wish.quiet, &cpus);
    ae_partition_free(partition);
    return 0;
}

/* Prints text line by line behind a sign, as diff -u does. */
static void print_lines(char sign, const char *text)
{
    while (text && *text) {
        size_t length = strcspn(text, "\n");

        printf("%c%.*s\n", sign, (int)length, text);
        text += length + (text[length] == '\n');
    }
}

/* The lines that differ, between those that begin and end both texts alike. */
static void print_change(const struct ae_boot_change *change)
{
    const char *before = change->before ? change->before : "", *after = change->after;
    size_t same = 0, line = 0, a, b;

    printf("--- %s\n+++ %s\n", change->before ? change->path : "/dev/null", change->path);
    for (; before[same] && before[same] == after[same]; same++)
        if (before[same] == '\n')
            line = same + 1;
    a = strlen(before);
    b = strlen(after);
    while (a > line && b > line && before[a - 1] == after[b - 1])
        a--, b--;
    a += strcspn(before + a, "\n");
    b += strcspn(after + b, "\n");
    {
        char *old = strndup(before + line, a - line), *new = strndup(after + line, b - line);

        print_lines('-', old);
        print_lines('+', new);
        free(old);
        free(new);
    }
}

static bool changes(const struct ae_boot_change *change)
{
    return !change->before || strcmp(change->before, change->after) != 0;
}

static void dump(json_t *all)
{
    cli_json_print(all, JSON_INDENT(2));
}

static void print_plan_json(const struct ae_boot_plan *plan, bool applied)
{
    json_t *files = json_array();

    for (unsigned i = 0; i < plan->count; i++)
        if (changes(&plan->changes[i]))
            json_array_append_new(files,
                                  json_pack("{s:s, s:o, s:o}", "path", plan->changes[i].path,
                                            "before", ae_boot_text_json(plan->changes[i].before),
                                            "after", ae_boot_text_json(plan->changes[i].after)));
    dump(json_pack("{s:s, s:s, s:b, s:b, s:s, s:o}", "writer", plan->writer, "parameters",
                   plan->parameters, "applied", (int)applied, "nothing_to_do", (int)plan->nothing,
                   "note", plan->note, "files", files));
}

static void print_plan(const struct ae_boot_plan *plan, bool applied)
{
    printf("Writer %s, parameters %s\n", plan->writer, plan->parameters);
    if (plan->note[0])
        printf("Note: %s.\n", plan->note);
    for (unsigned i = 0; i < plan->count; i++)
        if (changes(&plan->changes[i]))
            print_change(&plan->changes[i]);
    if (plan->nothing)
        puts("All is as it should be: nothing to do.");
    else
        puts(applied ? "Written. They act from the next boot on; then: aether partition boot check"
                     : "Nothing was written.");
}

static int plan_or_apply(struct boot *boot, bool apply, struct ae_error *err)
{
    struct ae_boot_plan plan;
    char parameters[AE_CMDLINE_SIZE];
    int rc;

    if (!boot->cpus_named)
        ae_partition_each_name(add_partition, boot);
    rc = ae_boot_parameters(&boot->wish, parameters, sizeof(parameters), err);
    if (!rc)
        rc = ae_boot_plan(&plan, boot->writer, parameters, err);
    if (rc == -ENOENT && boot->json)
        dump(json_pack("{s:s}", "parameters", parameters));
    else if (rc == -ENOENT)
        printf("Parameters %s\n", parameters);
    if (rc)
        return rc;
    if (apply)
        rc = ae_boot_apply(&plan, NULL, err);
    if (!rc && boot->json)
        print_plan_json(&plan, apply);
    else if (!rc)
        print_plan(&plan, apply);
    ae_boot_plan_free(&plan);
    return rc;
}

static int do_remove(const struct boot *boot, struct ae_error *err)
{
    struct ae_boot_removal removal;
    int rc;

    if (boot->dry_run) {
        char *parameters, *writer;

        rc = ae_boot_applied(&parameters, &writer, err);
        if (rc)
            return rc;
        if (boot->json)
            dump(json_pack("{s:s, s:s, s:b}", "writer", writer, "parameters", parameters, "removed",
                           0));
        else
            printf("Would take away, by %s: %s\n", writer, parameters);
        free(parameters);
        free(writer);
        return 0;
    }
    rc = ae_boot_remove(&removal, NULL, err);
    if (rc)
        return rc;
    if (boot->json)
        dump(json_pack("{s:s, s:b, s:i, s:i}", "writer", removal.writer, "removed", 1, "restored",
                       (int)removal.restored, "edited", (int)removal.edited));
    else
        printf(
            "Taken away by %s: %u files are what they were, %u had been edited and keep that. The "
            "running kernel keeps its parameters until the next boot.\n",
            removal.writer, removal.restored, removal.edited);
    return 0;
}

struct checking {
    json_t *list;
    unsigned bad;
};

static void tell(const struct ae_boot_result *result, void *context)
{
    struct checking *checking = context;
    const char *word = ae_boot_answer_name(result->answer);

    checking->bad += result->answer == AE_BOOT_PRINTED || result->answer == AE_BOOT_PENDING;
    if (checking->list)
        json_array_append_new(checking->list,
                              json_pack("{s:s, s:s, s:s}", "parameter", result->parameter, "answer",
                                        word, "reason", result->reason));
    else
        printf("%-8s %-40s %s\n", word, result->parameter, result->reason);
}

static int check(struct boot *boot, unsigned *bad, struct ae_error *err)
{
    struct checking checking = {boot->json ? json_array() : NULL, 0};
    char *parameters = NULL, *writer = NULL, text[AE_CMDLINE_SIZE];
    int rc;

    if (boot->cpus_named)
        rc = ae_boot_parameters(&boot->wish, text, sizeof(text), err);
    else
        rc = ae_boot_applied(&parameters, &writer, err);
    if (!rc)
        rc = ae_boot_check(parameters ? parameters : text, tell, &checking, err);
    if (!rc && boot->json)
        dump(json_pack("{s:s, s:i, s:O}", "writer", writer ? writer : "", "not_taken",
                       (int)checking.bad, "parameters", checking.list));
    json_decref(checking.list);
    free(parameters);
    free(writer);
    *bad = checking.bad;
    return rc;
}

int cli_partition_boot(int argc, char **argv)
{
    static char program[] = "aether partition boot";
    struct boot boot = {.action = NULL};
    struct ae_error err = {0};
    unsigned bad = 0;
    int rc;

    argv[0] = program;
    if (argp_parse(&argp, argc, argv, 0, NULL, &boot))
        return CLI_USAGE;
    if (strcmp(boot.action, "plan") == 0 || strcmp(boot.action, "apply") == 0) {
        rc = plan_or_apply(&boot, boot.action[0] == 'a' && !boot.dry_run, &err);
    } else if (strcmp(boot.action, "remove") == 0) {
        rc = do_remove(&boot, &err);
    } else if (strcmp(boot.action, "check") == 0) {
        rc = check(&boot, &bad, &err);
    } else {
        fprintf(stderr, "aether " VERB ": '%s' is none of plan, apply, remove, check\n",
                AE_TEXT(boot.action));
        return CLI_USAGE;
    }
    if (rc)
        return cli_fail(VERB, &err);
    return bad ? CLI_NOT_QUIET : CLI_OK;
}
