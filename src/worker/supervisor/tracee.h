/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_SUPERVISOR_TRACEE_H
#define AE_WORKER_SUPERVISOR_TRACEE_H

/*
 * Having a child call the kernel before its program's first instruction: ptrace(2). The child is
 * held where its execve(2) returns; it has one thread, its own descriptors and no signal handler
 * then, and what it calls, and with what, is ours. Nothing of the program runs before it is let go.
 *
 * By the thread that seized it. Every wait ends at a deadline, or when *stop becomes non-zero.
 */

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include <aether/error.h>

#define AE_TRACEE_SCRATCH 1024 /* bytes of its memory for arguments */

struct ae_tracee {
    pid_t pid;
    int64_t end_ms;
    const volatile sig_atomic_t *stop; /* NULL: nothing ends a wait early */
    struct user_regs_struct start;     /* as its program is to find them */
    uint64_t code;                     /* where its program begins */
    long instructions;                 /* that stand there */
    uint64_t scratch;
};

/* Before the child is let go. -ECHILD: it has ended, and was not reaped; -EPERM: this machine
 * forbids it. */
int ae_tracee_seize(struct ae_tracee *tracee, pid_t pid, unsigned patience_ms,
                    const volatile sig_atomic_t *stop, struct ae_error *err);

/* Holds it behind its execve. -ECHILD: it has ended before, and was not reaped. */
int ae_tracee_await_exec(struct ae_tracee *tracee, struct ae_error *err);

/* *result: as the kernel returns it, -errno for failure. Fewer arguments: the rest is zero. */
int ae_tracee_call(struct ae_tracee *tracee, long number, const uint64_t arguments[6],
                   int64_t *result, struct ae_error *err);

/* To and from its memory. */
int ae_tracee_put(struct ae_tracee *tracee, uint64_t address, const void *data, size_t size,
                  struct ae_error *err);
int ae_tracee_get(struct ae_tracee *tracee, uint64_t address, void *data, size_t size,
                  struct ae_error *err);

/* Lets its program run, untraced. */
int ae_tracee_release(struct ae_tracee *tracee, struct ae_error *err);

#endif
