/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_CLI_JSON_H
#define AE_CLI_JSON_H

/*
 * What --json prints: one object, at the end, with the member "error" whenever the exit status says
 * that something failed (docs/json.md). A worker prints what it likes at once: its supervisor makes
 * the object.
 */

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

/* Before anything is parsed: a command line that is wrong is answered in JSON, too. */
void cli_json_begin(const char *verb, int argc, char *const *argv);

/* The parser met --json. */
void cli_json_ask(void);

/* The parser met a program: the words behind it are not ours. */
void cli_json_end_of_ours(void);

/* Why the verb fails, if it does; what stands last on standard error otherwise. */
void cli_json_because(const char *text);

/* Takes one more member for the object that was printed last, and prints it with it. In a worker,
 * and without --json, it is dropped. */
void cli_json_add(const char *name, json_t *value);

/* Takes the object. `flags`: of json_dumpf. Printed when this process ends, or at once in a
 * worker. */
void cli_json_print(json_t *object, size_t flags);

#endif
