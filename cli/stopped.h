/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_STOPPED_H
#define AE_CLI_STOPPED_H

/* For a verb that goes on until SIGINT or SIGTERM ends it in peace. */

#include <stdbool.h>

/* From now on they are only heard, and a pipe that nobody reads is an error of writing. */
void cli_stopped_hear(void);
bool cli_stopped(void);

#endif
