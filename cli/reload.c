/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "cli.h"
#include "json.h"
#include "process.h"

struct arguments {
    const char *which;
    bool json;
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'j':
        arguments->json = true;
        cli_json_ask();
        return 0;
    default:
        return cli_process_parse(&arguments->which, key, value, state);
    }
}

static int reload(const char *which, struct cli_process *process, struct ae_error *err)
{
    int rc = cli_process_open(process, which, "reload", err);

    if (rc)
        return rc;
    rc = process->reloads ? cli_process_tell(process, SIGHUP, err)
                          : ae_error_set(err, -EINVAL,
                                         "process %d has no worker's file to read again "
                                         "('aether run --worker')",
                                         process->pid);
    close(process->fd);
    return rc;
}

int cli_reload(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"json", 'j', NULL, 0, "One JSON object instead of text", 0}, {0}};
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "NAME|PID",
        .doc = "Has a run read its worker's file again. If the file has changed, and nothing is "
               "wrong with it, the workers are asked to stop, and the run starts anew as the file "
               "says, in the same process; otherwise it goes on. Which it is stands where its "
               "errors go.\v"
               "A run is named as 'aether ps' does, by its process or a worker's, or by the "
               "partition that it runs in."};
    struct arguments arguments = {0};
    struct cli_process process;
    struct ae_error err;

    argv[0] = (char[]){"aether reload"};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (reload(arguments.which, &process, &err))
        return cli_fail("reload", &err);
    if (arguments.json)
        cli_json_print(json_pack("{s:i}", "pid", (int)process.pid), JSON_INDENT(2));
    else
        printf("Process %d was told to read its file again.\n", process.pid);
    return CLI_OK;
}
