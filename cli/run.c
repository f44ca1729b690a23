/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "json.h"
#include "launch.h"

struct arguments {
    struct cli_launch launch;
    char **program;
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    (void)value;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->launch;
        return 0;
    case ARGP_KEY_ARG:
        /* The program's own options are not ours. */
        cli_json_end_of_ours();
        arguments->program = state->argv + state->next - 1;
        state->next = state->argc;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "a program is needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_run(int argc, char **argv)
{
    static const struct argp_child children[] = {{&cli_launch_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        NULL,
        parse,
        "PROGRAM [ARGUMENT...]",
        "Runs a program on a quiet CPU, under a supervisor that stays on the others.\v"
        "The supervisor opens the ports, hands them to the program (ae_worker_start), and, however "
        "it "
        "ends, stops and resets the devices. When the program has been quiet (ae_quiet_enter), the "
        "proof is printed. Exit status: the program's; 3 when only the proof failed.",
        children,
        NULL,
        NULL};
    struct arguments arguments = {0};

    cli_launch_init(&arguments.launch);
    argv[0] = (char[]){"aether run"};
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments))
        return CLI_USAGE;
    return cli_launch_run(&arguments.launch, "run", arguments.program);
}
