/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_REGISTERS_H
#define AE_WORKER_SUPERVISOR_REGISTERS_H

/*
 * A worker has its device's registers in its memory and never holds the device: with the descriptor
 * it, or whoever it gave it to, could turn bus mastering on, reset the device, and keep it for as
 * long as it likes. VFIO knows no other way to registers than mmap(2) of that descriptor, so the
 * worker is made to call it, and to close it again, before its program's first instruction
 * (worker/supervisor/tracee.h).
 *
 * So it is with the rings of a packet socket: its descriptor could be bound to another interface.
 *
 * An accomplice of the same user gets nothing meanwhile: the worker is not dumpable while the
 * descriptor is there, so that /proc/PID/fd, pidfd_getfd(2) and ptrace(2) are refused (ptrace(2),
 * "Ptrace access mode checking").
 */

#include "base/child.h"
#include "worker/shared.h"

/*
 * In place of ae_child_go: lets the child go, and maps registers and rings of all ports of
 * `shared`, where it then says what lies where. An error is from before the program ran; the child
 * was reaped then. One that was killed before is no error: it is for its watcher to find.
 */
int ae_registers_go(struct ae_child *child, struct ae_shared *shared, unsigned patience_ms,
                    const volatile sig_atomic_t *stop, struct ae_error *err);

/* Does any port have some? */
bool ae_registers_any(const struct ae_shared *shared);

#endif
