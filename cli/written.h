/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_WRITTEN_H
#define AE_CLI_WRITTEN_H

#include <stddef.h>

#include <aether/error.h>

/* A file of the user's, whole or not at all: a new one beside it takes its place. What is no
 * regular file (a device, a pipe) is written to; "-" is standard output. 0 or a negative errno. */
int cli_write(const char *file, const char *text, size_t length, struct ae_error *err);

#endif
