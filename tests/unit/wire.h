/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_WIRE_H
#define AE_TESTS_WIRE_H

#include <stdbool.h>

/* This process is in a network namespace of its own from now on, and may change it (ip(8)). False:
 * it cannot have one, and says so. */
bool wire_have_namespace(void);

#endif
