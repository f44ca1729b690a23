/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_LAUNCH_H
#define AE_CLI_LAUNCH_H

/* What run, echo and ping share: a quiet CPU, ports, a supervisor, a proof. */

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>

#include <aether/supervise.h>

struct cli_launch {
    int cpus[AE_SUPERVISE_WORKERS]; /* the quiet ones, a worker each */
    unsigned cpu_count;             /* 0: not given */
    const char *ports[AE_WORKER_PORTS];
    unsigned port_count;
    struct ae_port_options port;
    const char *user;
    uint32_t allow; /* enum ae_quiet_allow */
    unsigned seconds;
    bool bind;
    bool no_proof;
    bool json;
};

/* A child parser; its input is a struct cli_launch, which cli_launch_init fills. */
extern const struct argp cli_launch_argp;
void cli_launch_init(struct cli_launch *launch);

/*
 * Starts argv under a supervisor, waits for its end, prints link changes, counters and the proof.
 * With json, what the program prints is parsed and becomes the member `verb` of the one object that is
 * printed. Returns an exit status of the CLI's: the program's own, or CLI_NOT_QUIET when only the proof
 * failed.
 */
int cli_launch_run(const struct cli_launch *launch, const char *verb, char *const *argv);

/* Starts this very command again as the worker. */
int cli_launch_self(const struct cli_launch *launch, const char *verb, int argc, char **argv);

#endif
