/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_SHARES_H
#define AE_WORKER_SUPERVISOR_SHARES_H

/* Which worker has which queues: the table of struct ae_supervise_options, or none. */

#include <aether/supervise.h>

/* -EINVAL names what is wrong: who is not there, what overlaps, what is nobody's. */
int ae_shares_check(const struct ae_supervise_options *options, struct ae_error *err);

/* False: this worker has none of this port's. Of a table that was checked, as below. */
bool ae_shares_find(const struct ae_supervise_options *options, unsigned worker, unsigned port,
                    unsigned *first, unsigned *count);

/* How many queues the port is opened with. */
unsigned ae_shares_queues(const struct ae_supervise_options *options, unsigned port);

#endif
