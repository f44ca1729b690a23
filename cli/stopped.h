/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_STOPPED_H
#define AE_CLI_STOPPED_H

/* For a verb that goes on until SIGINT or SIGTERM ends it in peace. */

#include <stdbool.h>

#define CLI_STOPPED_PATIENCE 1 /* s */

/* From now on they are only heard, and a pipe that nobody reads is an error of writing. A write
 * that is held up goes on for as long as that after the signal, and is then EINTR. */
void cli_stopped_hear(void);
bool cli_stopped(void);

#endif
