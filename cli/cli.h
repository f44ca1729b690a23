/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_H
#define AE_CLI_H

/* One file per verb, each with one function: argv[0] is the verb, argp.h reads the rest. */

#include <aether/error.h>

enum {
    CLI_OK = 0,
    CLI_FAILED = 1,    /* it was tried and did not work; stderr says why */
    CLI_USAGE = 2,     /* the command line makes no sense */
    CLI_NOT_QUIET = 3, /* it worked, but the proof or the check says no */
};

int cli_bench(int argc, char **argv);
int cli_capture(int argc, char **argv);
int cli_compare(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_echo(int argc, char **argv);
int cli_logs(int argc, char **argv);
int cli_metrics(int argc, char **argv);
int cli_net(int argc, char **argv);
int cli_nic(int argc, char **argv);
int cli_noise(int argc, char **argv);
int cli_partition(int argc, char **argv);
int cli_partition_boot(int argc, char **argv); /* for cli_partition */
int cli_ping(int argc, char **argv);
int cli_prove(int argc, char **argv);
int cli_ps(int argc, char **argv);
int cli_reload(int argc, char **argv);
int cli_run(int argc, char **argv);
int cli_stop(int argc, char **argv);
int cli_top(int argc, char **argv);

/* Prints "aether VERB: TEXT" to standard error and returns CLI_FAILED. */
int cli_fail(const char *verb, const struct ae_error *err);

/* What this process was started with, and this option behind the verb, unless it is NULL. The
 * caller frees the vector; NULL: out of memory. */
char **cli_command(const char *option);

#define CLI_OURSELVES "/proc/self/exe" /* the very file that runs now */

#endif
