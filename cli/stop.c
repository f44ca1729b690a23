/* SPDX-License-Identifier: Apache-2.0 */
#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "cli.h"
#include "json.h"
#include "process.h"

#define AGAIN_MS                                                                    \
    300 /* a supervisor that is told twice, that much later, has its workers killed \
         */

struct arguments {
    const char *which;
    bool json, now;
    unsigned seconds; /* to wait for the end */
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    unsigned long seconds;
    char *end;

    switch (key) {
    case 'j':
        arguments->json = true;
        cli_json_ask();
        return 0;
    case 'n':
        arguments->now = true;
        return 0;
    case 'w':
        seconds = strtoul(value, &end, 10);
        if (*value < '0' || *value > '9' || *end || seconds > 86400)
            argp_error(state, "--wait=%s: seconds from 0 to 86400 are needed", value);
        arguments->seconds = (unsigned)seconds;
        return 0;
    default:
        return cli_process_parse(&arguments->which, key, value, state);
    }
}

static int stop(const struct arguments *arguments, struct cli_process *process,
                struct ae_error *err)
{
    int rc = cli_process_open(process, arguments->which, "stop", err);
    struct pollfd end = {.fd = process->fd, .events = POLLIN};

    if (rc)
        return rc;
    rc = cli_process_tell(process, SIGTERM, err);
    if (!rc && arguments->now && poll(&end, 1, AGAIN_MS) == 0)
        rc = cli_process_tell(process, SIGTERM, err);
    if (!rc && arguments->seconds && poll(&end, 1, (int)arguments->seconds * 1000) == 0)
        rc = ae_error_set(err, -ETIMEDOUT,
                          "process %d was told, and still runs after %u s; --now has its workers "
                          "killed",
                          process->pid, arguments->seconds);
    close(process->fd);
    return rc;
}

int cli_stop(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"now", 'n', NULL, 0, "Kill its workers if they have not ended at once", 0},
        {"wait", 'w', "SECONDS", 0, "Wait for its end for so long (30); 0: do not", 0},
        {"json", 'j', NULL, 0, "One JSON object instead of text", 0},
        {0}};
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "NAME|PID",
        .doc = "Stops a run: its workers are asked to stop, and killed 10 s later.\v"
               "A run is named as 'aether ps' does, by its process or a worker's, or by the "
               "partition that it runs in."};
    struct arguments arguments = {.seconds = 30};
    struct ae_error err;
    struct cli_process process;

    argv[0] = (char[]){"aether stop"};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (stop(&arguments, &process, &err))
        return cli_fail("stop", &err);
    if (arguments.json)
        cli_json_print(
            json_pack("{s:i, s:b}", "pid", (int)process.pid, "ended", arguments.seconds > 0),
            JSON_INDENT(2));
    else
        printf("Process %d %s.\n", process.pid,
               arguments.seconds ? "has ended" : "was told to stop");
    return CLI_OK;
}
