/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_LAUNCH_TELL_H
#define AE_CLI_LAUNCH_TELL_H

/* What is said of a run when it is over. */

#include <aether/proof.h>

#include "launch.h"

struct cli_launched_proof {
    struct ae_proof *proof;
    pid_t pid;
    bool finished;
    enum ae_proof_verdict verdict;
};

struct cli_launched {
    const struct cli_launch *launch;
    const char *verb;
    struct cli_launched_proof proofs[AE_SUPERVISE_WORKERS];
    struct ae_port_info ports[AE_WORKER_PORTS]; /* as they were opened */
    unsigned quiet_count;                       /* workers that have become quiet, of this start */
    const struct ae_supervise_result *result;   /* while there is one */
    int64_t restarts[CLI_RESTARTS];             /* a ring, ae_now_ms */
    unsigned restart_count;
    bool reloading; /* it ends so that the command can be started anew */
};

/* Prints it, or hands it to who watches: an exit status, which is the watcher's. */
int cli_launch_tell(const struct cli_launched *run, const struct ae_supervise_result *result,
                    json_t *output);

/* The worst that became of the workers: an exit status, whose cause is told. */
int cli_launch_status(const struct cli_launched *run, const struct ae_supervise_result *result);

#endif
