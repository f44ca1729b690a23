/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_RELAY_H
#define AE_WORKER_SUPERVISOR_RELAY_H

/*
 * What workers print on our terminal goes there by way of a process of its own. They never hold the
 * terminal, which they could read, steer and type into; what they print has no control characters
 * when it arrives (base/text.h); and a terminal that is held up holds up them, not the supervisor.
 */

#include "worker/supervisor/servant.h"

struct ae_relay {
    int output, errors;        /* for workers to write to */
    struct ae_servant servant; /* none: there is no terminal among the two */
};

/* output, errors: ours; those that are no terminal are given to workers as they are. */
int ae_relay_open(struct ae_relay *relay, int output, int errors, struct ae_error *err);

/* All writers are gone: waits until the rest is written, for at most a second. */
void ae_relay_close(struct ae_relay *relay);

#endif
