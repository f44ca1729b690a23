/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_PROCESS_H
#define AE_CLI_PROCESS_H

/* The supervisor of a run, to be told something. */

#include <argp.h>
#include <stdbool.h>
#include <sys/types.h>

#include <aether/error.h>

struct cli_process {
    int fd; /* its pidfd, for the caller to close */
    pid_t pid;
    bool reloads; /* at SIGHUP, rather than ends */
};

/* The one argument of a verb, for its parser; as that returns. */
error_t cli_process_parse(const char **which, int key, char *value, struct argp_state *state);

/* Of the run that is meant by a name or process: cli_view_is_meant. Negative: none, or several, or
 * it has ended. */
int cli_process_open(struct cli_process *process, const char *which, const char *verb,
                     struct ae_error *err);

/* That it has ended meanwhile is no failure. */
int cli_process_tell(const struct cli_process *process, int signal, struct ae_error *err);

#endif
