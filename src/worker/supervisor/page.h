/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_PAGE_H
#define AE_WORKER_SUPERVISOR_PAGE_H

/* The page that a worker and its supervisor share (worker/shared.h). */

#include "worker/supervisor/supervisor.h"

int ae_supervisor_make_page(struct ae_ward *ward, const struct ae_supervise_options *options,
                            struct ae_error *err);
void ae_supervisor_drop_page(struct ae_ward *ward);

#endif
