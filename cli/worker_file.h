/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_WORKER_FILE_H
#define AE_CLI_WORKER_FILE_H

#include <aether/error.h>

#include <argp.h>

/* Options that a file may set, and what their parser takes as its input. */
struct cli_settings {
    const struct argp *argp;
    void *input;
};

/*
 * Settings of a worker, from /etc/aether/workers.d/NAME.conf: a line for each of these options (the
 * last of which has no argp), by its long name, and one for the program. *program is its argument
 * vector, or left alone when there is none; what is read lives as long as the process. The error is
 * "FILE:LINE: what".
 */
int cli_worker_file_read(const struct cli_settings *settings, const char *name, char ***program,
                         struct ae_error *err);

/* Is what was read no longer what the file says? The errors of reading it. */
int cli_worker_file_has_changed(struct ae_error *err);

#endif
