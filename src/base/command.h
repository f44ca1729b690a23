/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_COMMAND_H
#define AE_BASE_COMMAND_H

/* Running a program of the machine's for its answer. */

#include <stddef.h>

#include <aether/error.h>

#include "base/child.h"

/*
 * Runs argv[0], found in PATH, without a shell and without a capability (base/child.h). input: a
 * descriptor for its standard input, -1: nothing. What it writes to standard output and error is
 * put into output, cut to size. Returns its exit status; -ENOENT: there is no such program; another
 * negative errno: it could not be run, or a signal ended it.
 */
int ae_command_run(const char *const argv[], int input, char *output, size_t size,
                   struct ae_error *err);

/* The same; the program also has the descriptors `given`, ended by -1, under the same numbers: argv
 * may say /proc/self/fd/N of them. They are close-on-exec here, so that no other child has them. */
int ae_command_run_given(const char *const argv[], int input, const int *given, char *output,
                         size_t size, struct ae_error *err);

/*
 * The same in a world that says what else it has: descriptors, variables, capabilities, the
 * terminal. Without `output`, what it writes goes where the world's streams go.
 */
int ae_command_run_in(const struct ae_child_world *world, char *output, size_t size,
                      struct ae_error *err);

#endif
