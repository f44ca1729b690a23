/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_KILLED_H
#define AE_TESTS_KILLED_H

/* Children that are killed wherever they are. */

#include <stdint.h>
#include <sys/types.h>

/* One that goes on until it is killed, or ends with a complaint. */
pid_t killed_start(void (*live)(uint64_t life), uint64_t life);
void killed_kill(pid_t child);

#endif
