/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_VHOST_FORMAT_H
#define AE_PORT_VHOST_FORMAT_H

/*
 * What a message may look like - its size, its flags, how many descriptors come with it: one table.
 * A message that was received passed it: who gets one checks only what the values mean.
 */

#include <stdbool.h>

#include <aether/error.h>

#include "port/vhost/message.h"

/* "VHOST_USER_SET_OWNER"; "unknown" for a number that is not in the table. */
const char *ae_vhost_name(enum vhost_user_kind kind, uint32_t request);

/* What the descriptors of a message are for, if it has any. */
enum vhost_user_takes {
    VHOST_USER_TAKES_NOTHING,
    VHOST_USER_TAKES_MEMORY,
    VHOST_USER_TAKES_EVENTFD,
};
enum vhost_user_takes ae_vhost_takes(enum vhost_user_kind kind, uint32_t request);

/* Does this front-end request have an answer of its own (and so no acknowledgement)? */
bool ae_vhost_has_reply(uint32_t request);

/* Is it one of the table, with a size, flags and descriptors as there? -EPROTO says what is not.
 * The first looks at the header alone, of which there is all. */
int ae_vhost_check_header(const struct vhost_user_message *message, enum vhost_user_kind kind,
                          struct ae_error *err);
int ae_vhost_check(const struct vhost_user_message *message, enum vhost_user_kind kind,
                   struct ae_error *err);

#endif
