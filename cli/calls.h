/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_CALLS_H
#define AE_CLI_CALLS_H

/* What is made of system calls while quiet: --quiet, and what a worker said of its own. */

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include <aether/proof.h>
#include <aether/supervise.h>

/* trace, observe, enforce. False: none of them. */
bool cli_calls_parse(enum ae_quiet_calls *calls, const char *name);

/* {"quiet": "enforce", "calls": [{"call": "write", "times": 3, "fate": "refused"}]} */
json_t *cli_calls_json(const struct ae_supervise_worker *worker);

/* Each is a cause in the proof. */
void cli_calls_prove(const struct ae_supervise_worker *worker, struct ae_proof *proof);

/* For a person; nothing when there were none. */
void cli_calls_print(const struct ae_supervise_worker *worker, const char *verb, int cpu,
                     FILE *out);

#endif
