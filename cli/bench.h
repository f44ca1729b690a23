/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_BENCH_H
#define AE_CLI_BENCH_H

/* The actions of 'aether bench': argv[0] is the action. */

int cli_bench_report(int argc, char **argv);

#endif
