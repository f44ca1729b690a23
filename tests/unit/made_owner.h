/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_MADE_OWNER_H
#define AE_TESTS_MADE_OWNER_H

/* What the tests of the owners of cards on a made-up function share. */

#include <stdbool.h>

#include <aether/owner.h>

/* Opens the made-up function's port, and fails the test if it cannot. */
struct ae_port_owner *made_owner_open(const struct ae_port_options *options);

/* A teardown: -1 also if the function could have written to memory that is no longer its own. */
int made_owner_end(void **state);

/* Whether the function may master the bus. */
bool made_owner_masters(void);

struct ae_link made_owner_link(const struct ae_port_owner *owner);

#endif
