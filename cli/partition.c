/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <aether/nic.h>

#include "base/cpus.h"
#include "base/root.h"
#include "base/text.h"
#include "cli.h"
#include "json.h"
#include "partition_ports.h"
#include "partition_print.h"

enum {
    OPT_JSON = 1 << 0,
    OPT_DRY_RUN = 1 << 1,
    OPT_PARTIAL = 1 << 2,
    OPT_FORCE = 1 << 3,
    OPT_LEAVE = 1 << 4,
    OPT_WATCH = 1 << 5,
    OPT_WINDOW = 1 << 6,
    OPT_CPUS = 1 << 7,
    OPT_VERBOSE = 1 << 8,
};

struct arguments {
    const struct verb *verb;
    const char *name;
    const char *cpus;
    unsigned given; /* OPT_... */
    unsigned watch_s, window_ms;
    struct partition_output output;
};

struct verb {
    const char *name;
    int (*run)(struct arguments *arguments);
    unsigned options;
    bool named; /* takes the name of a partition */
};

static int run_list(struct arguments *arguments);
static int run_knobs(struct arguments *arguments);
static int run_new(struct arguments *arguments);
static int run_plan(struct arguments *arguments);
static int run_apply(struct arguments *arguments);
static int run_status(struct arguments *arguments);
static int run_verify(struct arguments *arguments);
static int run_revert(struct arguments *arguments);

static const struct verb verbs[] = {
    {"list", run_list, OPT_JSON, false},
    {"knobs", run_knobs, OPT_JSON, false},
    {"new", run_new, OPT_JSON | OPT_CPUS | OPT_DRY_RUN, true},
    {"plan", run_plan, OPT_JSON | OPT_VERBOSE, true},
    {"apply", run_apply, OPT_JSON | OPT_VERBOSE | OPT_DRY_RUN | OPT_PARTIAL | OPT_FORCE, true},
    {"status", run_status, OPT_JSON | OPT_VERBOSE | OPT_WATCH, true},
    {"verify", run_verify, OPT_JSON | OPT_VERBOSE | OPT_WINDOW, true},
    {"revert", run_revert, OPT_JSON | OPT_VERBOSE | OPT_DRY_RUN | OPT_FORCE | OPT_LEAVE, true},
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static int fail(struct arguments *arguments, const struct ae_partition *partition,
                const struct ae_partition_summary *summary, const struct ae_error *err)
{
    /* As text, lines tell how far it got; without any there is only the reason. */
    if (arguments->output.json || arguments->output.group_count)
        partition_print(&arguments->output, stdout, arguments->verb->name, arguments->name,
                        partition, NULL, summary);
    return cli_fail("partition", err);
}

static void print_object(json_t *object)
{
    cli_json_print(object, JSON_COMPACT);
}

/* One partition of the list; a broken file is shown as such. */
static int list_one(const char *name, void *context)
{
    struct ae_partition *partition = NULL;
    enum ae_level level = AE_LEVEL_NONE;
    struct ae_error err = {.text = ""};
    json_t *list = context;
    char cpus[AE_CPUS_TEXT] = "";
    int rc = ae_partition_load(&partition, name, &err);

    if (!rc)
        rc = ae_partition_level(partition, &level, &err);
    if (!rc)
        rc = ae_partition_quiet_cpus(partition, cpus, sizeof(cpus));
    if (list)
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:o}", "partition", name, "quiet_cpus", cpus, "level",
                            ae_level_name(level), "error",
                            rc ? json_pack("{s:s}", "message", AE_TEXT(err.text)) : json_null()));
    else if (rc)
        printf("%-20s %s\n", name, err.text);
    else
        printf("%-20s %-20s %s\n", name, cpus, ae_level_name(level));
    ae_partition_free(partition);
    return 0;
}

static int run_list(struct arguments *arguments)
{
    json_t *list = arguments->output.json ? json_array() : NULL;
    int rc = ae_partition_each_name(list_one, list);

    if (list)
        print_object(json_pack("{s:s, s:o}", "verb", "list", "partitions", list));
    if (rc)
        fprintf(stderr, "aether partition list: reading the directories failed: %s\n",
                strerror(-rc));
    return rc ? CLI_FAILED : CLI_OK;
}

static int run_knobs(struct arguments *arguments)
{
    json_t *list = arguments->output.json ? json_array() : NULL;
    struct ae_knob_info info;

    for (size_t index = 0; ae_knob_describe(index, &info) == 0; index++) {
        const char *set = info.on ? "on" : strcmp(info.tier, "boot") == 0 ? "seen" : "off";

        if (list)
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "knob", info.name,
                                            "tier", info.tier, "default", set, "what", info.what,
                                            "undo", info.undo, "risk", info.risk));
        else
            printf("%-18s %-8s %-4s keeps away: %s\n%33srisk: %s\n%33sundo: %s\n", info.name,
                   info.tier, set, info.what, "", info.risk, "", info.undo);
    }
    if (list)
        print_object(json_pack("{s:s, s:o}", "verb", "knobs", "knobs", list));
    return CLI_OK;
}

static int run_new(struct arguments *arguments)
{
    struct ae_error err = {.text = ""};
    char *text = NULL;
    int rc = ae_partition_new(arguments->name, arguments->cpus, &text, &err);

    if (!rc && !(arguments->given & OPT_DRY_RUN))
        rc = ae_partition_store(arguments->name, text, &err);
    if (rc) {
        free(text);
        return fail(arguments, NULL, NULL, &err);
    }
    if (arguments->output.json)
        print_object(json_pack("{s:s, s:s, s:b, s:s}", "verb", "new", "partition", arguments->name,
                               "written", !(arguments->given & OPT_DRY_RUN), "text", text));
    else if (arguments->given & OPT_DRY_RUN)
        fputs(text, stdout);
    else
        printf("wrote /etc/aether/partitions.d/%s.conf; look at it, then `aether partition plan "
               "%s`\n",
               arguments->name, arguments->name);
    free(text);
    return CLI_OK;
}

static int run_plan(struct arguments *arguments)
{
    struct ae_partition *partition = NULL;
    struct ae_partition_summary summary = {{0}};
    struct ae_error err = {.text = ""};
    int rc = ae_partition_load(&partition, arguments->name, &err);

    if (!rc)
        rc = ae_partition_plan(partition, partition_line, &arguments->output, &summary, &err);
    if (rc) {
        rc = fail(arguments, partition, NULL, &err);
    } else {
        if (arguments->output.json)
            arguments->output.memory = partition_ports(partition, NULL);
        partition_print(&arguments->output, stdout, arguments->verb->name, arguments->name,
                        partition, NULL, &summary);
        if (!arguments->output.json)
            json_decref(partition_ports(partition, stdout));
    }
    ae_partition_free(partition);
    return rc;
}

static int run_apply(struct arguments *arguments)
{
    const struct ae_apply_options options = {.partial = arguments->given & OPT_PARTIAL,
                                             .force = arguments->given & OPT_FORCE};
    struct ae_partition *partition = NULL;
    struct ae_partition_summary summary = {{0}};
    enum ae_level level = AE_LEVEL_NONE;
    struct ae_error err = {.text = ""};
    int rc;

    if (arguments->given & OPT_DRY_RUN)
        return run_plan(arguments);
    rc = ae_partition_load(&partition, arguments->name, &err);
    if (!rc)
        rc = ae_partition_apply(partition, &options, partition_line, &arguments->output, &summary,
                                &err);
    if (!rc)
        rc = ae_partition_level(partition, &level, &err);
    if (rc) {
        rc = fail(arguments, partition, partition ? &summary : NULL, &err);
    } else {
        partition_print(&arguments->output, stdout, "apply", arguments->name, partition,
                        ae_level_name(level), &summary);
        rc = summary.count[AE_LINE_DEFERRED] ? CLI_NOT_QUIET : CLI_OK;
    }
    ae_partition_free(partition);
    return rc;
}

static bool deviates(const struct ae_partition_summary *summary)
{
    return summary->count[AE_LINE_DRIFT] || summary->count[AE_LINE_CHANGE] ||
           summary->count[AE_LINE_REFUSED] || summary->count[AE_LINE_DEFERRED] ||
           summary->count[AE_LINE_SHORT] || summary->count[AE_LINE_CONFLICT];
}

/* Reads the state once and prints it to `out`. Exit code. */
static int status_once(struct arguments *arguments, FILE *out)
{
    struct ae_partition *partition = NULL;
    struct ae_partition_summary summary = {{0}};
    enum ae_level level = AE_LEVEL_NONE;
    struct ae_error err = {.text = ""};
    int rc = ae_partition_load(&partition, arguments->name, &err);

    if (!rc)
        rc = ae_partition_level(partition, &level, &err);
    if (!rc)
        rc = ae_partition_status(partition, partition_line, &arguments->output, &summary, &err);
    if (rc) {
        rc = fail(arguments, partition, NULL, &err);
    } else {
        partition_print(&arguments->output, out, "status", arguments->name, partition,
                        ae_level_name(level), &summary);
        rc = deviates(&summary) || level == AE_LEVEL_NONE || level == AE_LEVEL_PARTIAL
                 ? CLI_NOT_QUIET
                 : CLI_OK;
    }
    ae_partition_free(partition);
    return rc;
}

/* The watcher must not be what it warns of. */
static void stay_on_host(const char *name)
{
    struct ae_partition *partition;
    struct ae_cpus cpus;
    char list[AE_CPUS_TEXT];

    if (!ae_root_is_real() || ae_partition_load(&partition, name, NULL))
        return;
    if (ae_partition_host_cpus(partition, list, sizeof(list)) == 0 &&
        ae_cpus_parse(&cpus, list) == 0)
        sched_setaffinity(0, sizeof(cpus.bits), (const cpu_set_t *)cpus.bits);
    ae_partition_free(partition);
}

/* Prints the state whenever it has changed, until interrupted or the state cannot be read. */
static int watch(struct arguments *arguments)
{
    char *last = NULL;
    int rc = CLI_OK;

    stay_on_host(arguments->name);
    while (rc != CLI_FAILED) {
        const struct timespec pace = {.tv_sec = arguments->watch_s};
        size_t size;
        char *text = NULL;
        FILE *out = open_memstream(&text, &size);

        if (!out)
            break;
        rc = status_once(arguments, out);
        fclose(out);
        if (rc != CLI_FAILED && (!last || strcmp(last, text) != 0)) {
            fputs(text, stdout);
            fflush(stdout);
        }
        free(last);
        last = text;
        if (rc != CLI_FAILED)
            nanosleep(&pace, NULL);
    }
    free(last);
    return CLI_FAILED;
}

static int run_status(struct arguments *arguments)
{
    return arguments->given & OPT_WATCH ? watch(arguments) : status_once(arguments, stdout);
}

static int run_verify(struct arguments *arguments)
{
    struct ae_partition *partition = NULL;
    struct ae_error err = {.text = ""};
    enum ae_level level = AE_LEVEL_NONE;
    bool quiet = false;
    int rc = ae_partition_load(&partition, arguments->name, &err);

    if (!rc)
        rc = ae_partition_level(partition, &level, &err);
    if (!rc)
        rc = ae_partition_verify(partition, arguments->window_ms, partition_evidence,
                                 &arguments->output, &quiet, &err);
    if (rc) {
        rc = fail(arguments, partition, NULL, &err);
    } else {
        arguments->output.quiet = &quiet;
        partition_print(&arguments->output, stdout, "verify", arguments->name, partition,
                        ae_level_name(level), NULL);
        if (!arguments->output.json)
            printf("verify %s: %s\n", arguments->name,
                   quiet ? "no answer is no" : "not quiet, see each \"no\" above");
        rc = quiet && level != AE_LEVEL_NONE ? CLI_OK : CLI_NOT_QUIET;
    }
    ae_partition_free(partition);
    return rc;
}

static int run_revert(struct arguments *arguments)
{
    const struct ae_revert_options options = {.dry_run = arguments->given & OPT_DRY_RUN,
                                              .force = arguments->given & OPT_FORCE,
                                              .leave = arguments->given & OPT_LEAVE};
    struct ae_partition_summary summary = {{0}};
    struct ae_error err = {.text = ""};

    if (ae_partition_revert(arguments->name, &options, partition_line, &arguments->output, &summary,
                            &err))
        return fail(arguments, NULL, &summary, &err);
    partition_print(&arguments->output, stdout, "revert", arguments->name, NULL, NULL, &summary);
    return CLI_OK;
}

static const struct argp_option options[] = {
    {"json", 'j', NULL, 0, "One JSON object instead of text", 0},
    {"verbose", 'v', NULL, 0, "Every setting, also those with nothing to report", 0},
    {"dry-run", 'n', NULL, 0, "Say what would be done, change nothing", 0},
    {"partial", 'p', NULL, 0, "apply: keep what can be done, and say what was left out", 0},
    {"force", 'f', NULL, 0, "apply, revert: write over what somebody else changed since", 0},
    {"leave", 'l', NULL, 0, "revert: leave what somebody else changed, and forget about it", 0},
    {"watch", 'w', "SECONDS", OPTION_ARG_OPTIONAL, "status: again every so often (5)", 0},
    {"window", 'm', "MS", 0, "verify: watch the counters for so long (1000)", 0},
    {"cpus", 'c', "LIST", 0, "new: the quiet CPUs, or \"N near DEVICE\"", 0},
    {0}};

static unsigned number(const char *text, struct argp_state *state, unsigned most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*end || *text < '0' || *text > '9' || value < 1 || value > most)
        argp_error(state, "'%s' is no number from 1 to %u", text, most);
    return (unsigned)value;
}

static void give(struct arguments *arguments, struct argp_state *state, unsigned option)
{
    if (!(arguments->verb->options & option))
        argp_error(state, "'%s' does not take this option", arguments->verb->name);
    arguments->given |= option;
    if (option == OPT_JSON)
        cli_json_ask();
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    static const struct {
        int key;
        unsigned option;
    } flags[] = {{'j', OPT_JSON},    {'v', OPT_VERBOSE}, {'n', OPT_DRY_RUN},
                 {'p', OPT_PARTIAL}, {'f', OPT_FORCE},   {'l', OPT_LEAVE},
                 {'w', OPT_WATCH},   {'m', OPT_WINDOW},  {'c', OPT_CPUS}};
    struct arguments *arguments = state->input;

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (flags[i].key == key)
            give(arguments, state, flags[i].option);
    switch (key) {
    case 'w':
        arguments->watch_s = argument ? number(argument, state, 86400) : 5;
        break;
    case 'm':
        arguments->window_ms = number(argument, state, 3600000);
        break;
    case 'c':
        arguments->cpus = argument;
        break;
    case ARGP_KEY_ARG:
        if (!arguments->verb->named || arguments->name)
            argp_error(state, "'%s' is one argument too many", argument);
        arguments->name = argument;
        break;
    case ARGP_KEY_END:
        if (arguments->verb->named && !arguments->name)
            argp_error(state, "'%s' needs the NAME of a partition", arguments->verb->name);
        break;
    default:
        for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
            if (flags[i].key == key)
                return 0;
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const char usage[] =
    "Usage: aether partition VERB [NAME] [OPTION...]\n"
    "\n"
    "  list      the partitions there are, and how far each is isolated\n"
    "  knobs     what isolation consists of, what each part costs and how it is undone\n"
    "  new       write a good first /etc/aether/partitions.d/NAME.conf\n"
    "  plan      what apply would change; changes nothing\n"
    "  apply     bring the partition up, as one transaction\n"
    "  status    what has drifted since; --watch follows it\n"
    "  verify    per knob: was it accepted, is it effective, is it quiet\n"
    "  revert    undo everything, after a crash as well\n"
    "  boot      kernel parameters for the boot tier: plan, apply, remove, check\n"
    "\n"
    "Exit code: 0 well, 1 failed, 2 wrong usage, 3 drift or not quiet.\n"
    "'aether partition VERB --help' lists the options.\n";

int cli_partition(int argc, char **argv)
{
    const struct argp argp = {.options = options, .parser = parse, .args_doc = "[NAME]"};
    struct arguments arguments = {.verb = NULL};
    char program[64];

    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0) {
        fputs(usage, argc < 2 ? stderr : stdout);
        return argc < 2 ? CLI_USAGE : CLI_OK;
    }
    if (strcmp(argv[1], "boot") == 0)
        return cli_partition_boot(argc - 1, argv + 1);
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            arguments.verb = &verbs[i];
    if (!arguments.verb) {
        fprintf(stderr,
                "aether partition: unknown verb '%s'; 'aether partition --help' lists "
                "them\n",
                AE_TEXT(argv[1]));
        return CLI_USAGE;
    }
    snprintf(program, sizeof(program), "aether partition %s", argv[1]);
    argv[1] = program;
    argp_parse(&argp, argc - 1, argv + 1, 0, NULL, &arguments);
    ae_nic_serve_partitions();
    arguments.output.json = arguments.given & OPT_JSON;
    arguments.output.verbose = arguments.given & OPT_VERBOSE;
    return arguments.verb->run(&arguments);
}
