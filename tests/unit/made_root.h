/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_MADE_ROOT_H
#define AE_TESTS_MADE_ROOT_H

/* An empty root directory, for tests that make up a machine of a few files. */

/* cmocka fixtures. */
int made_root_begin(void **state);
int made_root_end(void **state);

/* Lets other users in. */
void made_root_open(void);

/* Writes a file, making directories; NULL text: only the directory of that name. */
void made_root_put(const char *path, const char *text);

void made_root_link(const char *path, const char *target);

/* Reads a file into a buffer that the next call reuses; NULL: it is not there. */
const char *made_root_get(const char *path);

#endif
