/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_TESTS_SEEN_H
#define AE_TESTS_SEEN_H

/* The runs that are found in a made-up root. */

#include "worker/view.h"

struct seen {
    struct ae_view *view; /* the last that may be looked at */
    unsigned count, refused;
    struct ae_error refusal; /* the last */
};
extern struct seen seen;

/* Looks anew; what ae_view_each returns. */
int seen_look(void);

/* A cmocka fixture; made_root_begin is the other. */
int seen_end(void **state);

#endif
