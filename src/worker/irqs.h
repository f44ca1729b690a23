/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_IRQS_H
#define AE_WORKER_IRQS_H

#include "worker/shared.h"

/* Writes down which interrupts go to this CPU that nobody can move: to find out takes rights that a
 * worker does not have. */
void ae_shared_note_irqs(struct ae_shared *shared, unsigned cpu);

#endif
