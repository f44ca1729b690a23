/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_MADE_ROOT_H
#define AE_TESTS_MADE_ROOT_H

/* An empty root directory, for tests that make up a machine of a few files. */

/* cmocka fixtures. */
int made_root_begin(void **state);
int made_root_end(void **state);

/* Writes a file, making directories; NULL text: only the directory of that name. */
void made_root_put(const char *path, const char *text);

#endif
