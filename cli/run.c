/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aether/partition.h>

#include "base/child.h"
#include "base/cpus.h"
#include "base/error.h"
#include "cli.h"
#include "json.h"
#include "launch.h"
#include "worker_file.h"

#define CPUS_TEXT 8192
#define CHECK_MS  10000 /* for a new start to be found sound */

enum { KEY_WORKER = 0x100, KEY_RESTART, KEY_RESTART_LIMIT, KEY_CHECK };

struct arguments {
    struct cli_launch launch;
    const char *partition;
    char **program;
    bool check;
};

/* ---- Options ---- */

static void parse_restart(struct cli_launch *launch, struct argp_state *state, const char *when)
{
    static const char *const names[] = {"no", "on-failure", "always"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(when, names[i]) == 0) {
            launch->restart = i;
            return;
        }
    argp_error(state, "--restart=%s: no, on-failure and always are known", when);
}

static void parse_restart_limit(struct cli_launch *launch, struct argp_state *state,
                                const char *text)
{
    char end;

    if (sscanf(text, "%9u/%9u%c", &launch->restart_times, &launch->restart_seconds, &end) != 2 ||
        !launch->restart_times || launch->restart_times > CLI_RESTARTS || !launch->restart_seconds)
        argp_error(state, "--restart-limit=%s: TIMES/SECONDS is needed, up to %d times", text,
                   CLI_RESTARTS);
}

static error_t parse_own(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'p':
        arguments->partition = value;
        return 0;
    case KEY_RESTART:
        parse_restart(&arguments->launch, state, value);
        return 0;
    case KEY_RESTART_LIMIT:
        parse_restart_limit(&arguments->launch, state, value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What a file may set, too. */
static const struct argp own = {
    (const struct argp_option[]){
        {"partition", 'p', "NAME", 0,
         "the quiet CPUs are those of this partition; with --cpu, some of them", 0},
        {"restart", KEY_RESTART, "WHEN", 0,
         "start the workers again when they have ended: no (this is the default), on-failure, "
         "always",
         0},
        {"restart-limit", KEY_RESTART_LIMIT, "TIMES/SECONDS", 0,
         "and no more often than this (5/60)", 0},
        {0},
    },
    parse_own,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL};

/* All CPUs of the partition, unless some were named. */
static void settle_cpus(struct arguments *arguments, struct argp_state *state)
{
    struct cli_launch *launch = &arguments->launch;
    struct ae_partition *partition;
    struct ae_cpus cpus;
    struct ae_error err;
    char text[CPUS_TEXT];

    if (ae_partition_load(&partition, arguments->partition, &err))
        argp_failure(state, CLI_FAILED, 0, "%s", err.text);
    if (ae_partition_quiet_cpus(partition, text, sizeof(text)) || ae_cpus_parse(&cpus, text))
        argp_failure(state, CLI_FAILED, 0, "partition %s has too many CPUs to name them",
                     arguments->partition);
    ae_partition_free(partition);
    if (!launch->cpu_count)
        cli_launch_parse_cpus(launch, state, text);
    for (unsigned i = 0; i < launch->cpu_count; i++)
        if (!ae_cpus_has(&cpus, (unsigned)launch->cpus[i]))
            argp_error(state, "--cpu: CPU %d is not of partition %s, which has %s", launch->cpus[i],
                       arguments->partition, text);
}

/* ---- Reading the file again ---- */

/* Its status as waitpid(2) gives it; -1: it took too long. */
static int await_check(pid_t pid)
{
    int status = -1;

    if (ae_child_reap(pid, &status, CHECK_MS))
        return status;
    ae_child_kill(pid);
    fprintf(stderr, "aether run: checking the worker's file took longer than %d s\n",
            CHECK_MS / 1000);
    return -1;
}

/* Nothing else is supervised meanwhile. */
static bool would_start(void)
{
    char **words = cli_command("--check");
    posix_spawn_file_actions_t actions;
    int status = -1;
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    /* Ours may be what the worker prints. */
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    if (words && !posix_spawn(&pid, CLI_OURSELVES, &actions, NULL, words, environ))
        status = await_check(pid);
    posix_spawn_file_actions_destroy(&actions);
    free(words);
    return status == 0;
}

static bool on_hangup(void)
{
    struct ae_error err;
    int changed = cli_worker_file_has_changed(&err);
    bool anew;

    if (changed < 0)
        cli_fail("run", &err);
    anew = changed > 0 && would_start();
    fprintf(stderr, "aether run: %s\n",
            anew           ? "the worker's file has changed: starting anew"
            : changed == 0 ? "the worker's file has not changed"
                           : "the worker goes on as it was started");
    return anew;
}

/* As this process, whoever watches it. */
static int start_anew(void)
{
    char **words = cli_command(NULL);
    struct ae_error err;

    if (words)
        execv(CLI_OURSELVES, words);
    ae_error_set(&err, -errno, "starting anew: %s", strerror(errno));
    free(words);
    return cli_fail("run", &err);
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    const struct cli_settings settings[] = {
        {&own, arguments}, {&cli_launch_argp, &arguments->launch}, {NULL, NULL}};
    struct ae_error err;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = arguments;
        state->child_inputs[1] = &arguments->launch;
        return 0;
    case KEY_WORKER:
        arguments->launch.hangup = on_hangup;
        if (cli_worker_file_read(settings, value, &arguments->program, &err))
            argp_failure(state, CLI_FAILED, 0, "%s", err.text);
        return 0;
    case KEY_CHECK:
        arguments->check = true;
        return 0;
    case ARGP_KEY_ARG:
        /* The program's own options are not ours. */
        cli_json_end_of_ours();
        arguments->program = state->argv + state->next - 1;
        state->next = state->argc;
        return 0;
    case ARGP_KEY_END:
        if (!arguments->program)
            argp_error(state, "a program is needed");
        else if (arguments->partition)
            settle_cpus(arguments, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_run(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"worker", KEY_WORKER, "NAME", 0,
         "read options and program from /etc/aether/workers.d/NAME.conf; what follows on the "
         "command line goes before that",
         0},
        {"check", KEY_CHECK, NULL, 0, "say what is wrong with options and file, and start nothing",
         0},
        {0},
    };
    static const struct argp_child children[] = {
        {&own, 0, NULL, 0}, {&cli_launch_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        options,
        parse,
        "[PROGRAM [ARGUMENT...]]",
        "Runs a program on a quiet CPU, under a supervisor that stays on the others.\v"
        "The supervisor opens the ports, hands them to the program (ae_worker_start), and, however "
        "it "
        "ends, stops and resets the devices. When the program has been quiet (ae_quiet_enter), the "
        "proof is printed. Exit status: the program's; 3 when only the proof failed.",
        children,
        NULL,
        NULL};
    struct arguments arguments = {0};
    bool anew = false;
    int status;

    cli_launch_init(&arguments.launch);
    argv[0] = (char[]){"aether run"};
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments))
        return CLI_USAGE;
    if (arguments.check)
        return cli_launch_check(&arguments.launch, "run", arguments.program);
    arguments.launch.anew = &anew;
    status = cli_launch_run(&arguments.launch, "run", arguments.program);
    return anew ? start_anew() : status;
}
