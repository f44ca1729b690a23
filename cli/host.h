/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_HOST_H
#define AE_CLI_HOST_H

/* The worker side of echo and ping: one port, one address on it. */

#include <argp.h>
#include <jansson.h>
#include <stdio.h>

#include <aether/net.h>
#include <aether/worker.h>

#include "launch.h"

struct cli_host {
    struct cli_launch launch;
    ae_ipv4_t address;
    uint8_t prefix; /* 0: no address was given */
    ae_ipv4_t gateway;
};

/* A child parser over a struct cli_host, with the options of cli_launch. */
extern const struct argp cli_host_argp;

struct cli_host_worker {
    struct ae_worker *worker;
    struct ae_queue *queue;
    struct ae_net *net;
    struct ae_port_info info;
};

/* What is missing on the command line is said, with CLI_USAGE. */
int cli_host_check(const struct cli_host *host, const char *verb);

/* Starts the worker, its network, not yet quiet. Prints and returns an exit status on failure. */
int cli_host_start(struct cli_host_worker *out, const struct cli_host *host, const char *verb);
int cli_host_enter(struct cli_host_worker *out, const struct cli_host *host, const char *verb);
/* What the network counted: by name; and in words, what is not 0. */
json_t *cli_host_net_json(const struct cli_host_worker *host);
void cli_host_print_net(const struct cli_host_worker *host, FILE *out);

void cli_host_finish(struct cli_host_worker *out);

#endif
