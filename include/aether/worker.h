/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_WORKER_H
#define AETHER_WORKER_H

/*
 * The worker: the one process on a quiet CPU.
 *
 *     ae_worker_start(&worker, &err);             what the supervisor handed over
 *     queue = ae_port_queue(ae_worker_port(worker, 0), 0);
 *     ...                                         everything slow: files, memory, tables
 *     ae_quiet_enter(worker, NULL, &err);
 *     while (ae_worker_running(worker))
 *         ...                                     ae_receive, ae_send: no system call from here ...
 *     ae_quiet_leave(worker);                     ... to here
 *     ae_worker_finish(worker);
 *
 * A worker has one thread; no function here may be called from another.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <aether/error.h>
#include <aether/log.h>
#include <aether/net.h>
#include <aether/port.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AE_WORKER_PORTS    8
#define AE_WORKER_COUNTERS 32
#define AE_WORKER_NETS     AE_WORKER_PORTS
#define AE_WORKER_NAME     32

struct ae_worker;

/* Was this process started by a supervisor (`aether run`)? */
bool ae_worker_supervised(void);

/*
 * Takes what the supervisor handed over, or nothing at all. Without a supervisor there is no port,
 * but what the program attaches itself; ae_worker_start_alone (<aether/alone.h>) opens some.
 * -ENXIO: the supervisor mapped a card's registers into the program that it started, which executed
 * this one.
 */
int ae_worker_start(struct ae_worker **worker, struct ae_error *err);

/* Gives everything back. Leaves quiet first if need be. NULL is allowed. */
void ae_worker_finish(struct ae_worker *worker);

unsigned ae_worker_port_count(const struct ae_worker *worker);
struct ae_port *ae_worker_port(struct ae_worker *worker, unsigned index); /* NULL: no such port */

/* The CPU it runs on, or -1 when it is not tied to one. */
int ae_worker_cpu(const struct ae_worker *worker);

/* False once somebody wants the worker to stop: the supervisor, or SIGINT and SIGTERM without one.
 * Asked each turn of the loop: it is also here that a capture of its ports begins. */
static inline bool ae_worker_running(const struct ae_worker *worker);

/*
 * A number of the worker's own: whoever looks at the run sees it (`aether ps --json`), and the
 * supervisor's result has it in the end (struct ae_supervise_worker); writing it is one store.
 * Returns its place, or NULL: AE_WORKER_COUNTERS are taken, the name is empty, or the worker is
 * quiet. The name is cut to fit AE_WORKER_NAME, and shown without control characters.
 */
uint64_t *ae_worker_counter(struct ae_worker *worker, const char *name);

/*
 * A network (<aether/net.h>) whose counters whoever looks at the run sees; it goes with the worker,
 * or by ae_net_destroy. -ENOSPC: AE_WORKER_NETS have been made. The errors of ae_net_create.
 */
int ae_worker_net(struct ae_worker *worker, struct ae_net **net,
                  const struct ae_net_options *options, struct ae_error *err);

/*
 * What it logs, from start to finish: lines on the supervisor's standard error. Without a
 * supervisor they go to its own at once, which takes a system call each.
 */
struct ae_log *ae_worker_log(struct ae_worker *worker);

/* ---- Quiet ---- */

/* What ae_quiet_enter tolerates, each by name. */
enum ae_quiet_allow {
    AE_QUIET_ALLOW_TICK = 1 << 0,     /* the CPU is not in nohz_full: its timer tick goes on */
    AE_QUIET_ALLOW_SHARED = 1 << 1,   /* other tasks may run there; or we are not tied to one CPU */
    AE_QUIET_ALLOW_IRQS = 1 << 2,     /* device interrupts are routed there */
    AE_QUIET_ALLOW_UNLOCKED = 1 << 3, /* memory could not be locked */
    AE_QUIET_ALLOW_THREADS = 1 << 4,  /* the process has more than one thread */
    AE_QUIET_ALLOW_ALL = (1 << 5) - 1,
};

/* What becomes of a system call that the worker makes while it is quiet. The stricter of what the
 * program and what the supervisor (`--quiet`) wants holds. None of it costs a quiet loop anything.
 */
enum ae_quiet_calls {
    AE_QUIET_TRACE,   /* it is made; the proof's trace names it, where the kernel can be traced */
    AE_QUIET_OBSERVE, /* it is made, counted and named by the worker's process itself */
    AE_QUIET_ENFORCE, /* it is not made, returns EPERM, and is counted and named */
};

struct ae_quiet_options {
    uint32_t allow;    /* enum ae_quiet_allow */
    size_t stack;      /* bytes of stack to fault in; 0: 256 KiB */
    uint32_t proof_ms; /* how long to wait for a supervisor's snapshot; 0: 30000 */
    enum ae_quiet_calls calls;
};

/*
 * Locks and faults in all memory, checks that this process is alone on a CPU that nothing else
 * uses, and, under a supervisor, waits until it has taken its snapshot. After this a system call is
 * a bug.
 *
 * Under a supervisor stdout and stderr are other streams while it is quiet: what is printed there
 * goes into the worker's log, line by line, and from there to where it would have gone, a few
 * milliseconds later. What does not go by these two names (write(2), std::cout, a FILE that was
 * kept) is the system call that it always was.
 *
 * -EPERM: something is missing that is not allowed by name, here or by the supervisor (`--allow`);
 * the error lists everything that is, not only the first. -EALREADY: quiet already; or, under a
 * supervisor, quiet before: a start has one quiet time, so that its proof is about all of it. The
 * process is then as before, but for locked memory. -EOPNOTSUPP: what is wanted of system calls
 * needs Syscall User Dispatch (Linux 5.11, x86-64), or is AE_QUIET_ENFORCE with a port whose caller
 * is the worker. Such a port is no error otherwise: who opens it has named it, the supervisor says
 * what it means before the worker runs, and the proof says disturbed.
 */
int ae_quiet_enter(struct ae_worker *worker, const struct ae_quiet_options *options,
                   struct ae_error *err);

enum ae_call_fate {
    AE_CALL_MADE,
    AE_CALL_REFUSED,
    AE_CALL_LAST, /* made, and the last looked at: a process or a thread came of it, or the end */
    AE_CALL_OURS, /* made: the library's own, for a peer's memory that came or went */
};

struct ae_quiet_call {
    /* Or its number, where the kernel's headers have none; or "others". */
    char name[AE_WORKER_NAME];
    enum ae_call_fate fate;
    uint64_t times;
};

#define AE_QUIET_CALLS 17 /* the most that are told apart, and the others */

/* The system calls made while quiet, with AE_QUIET_OBSERVE or AE_QUIET_ENFORCE. Returns how many
 * kinds there were; fills at most `count`. */
unsigned ae_worker_calls(const struct ae_worker *worker, struct ae_quiet_call *calls,
                         unsigned count);

/* The end of quiet: waits, polling, for the supervisor's snapshot. No-op when not quiet. */
void ae_quiet_leave(struct ae_worker *worker);

/* ---- Shared with the supervisor; use the functions above ---- */

enum ae_worker_asked {
    AE_WORKER_STOP = 1 << 0,
    AE_WORKER_CAPTURE = 1 << 1, /* a copy of what goes through some port (aether capture) */
};

struct ae_worker_head {
    uint32_t asked; /* enum ae_worker_asked: set by the supervisor, read by the worker's hot loop */
};

/* A struct ae_worker begins with this. */
struct ae_worker_view {
    const struct ae_worker_head *head;
};

/* Does what is asked, unless it is to stop: then false. */
bool ae_worker_attend(const struct ae_worker *worker);

static inline bool ae_worker_running(const struct ae_worker *worker)
{
    const struct ae_worker_view *view = (const struct ae_worker_view *)(const void *)worker;

    return __builtin_expect(__atomic_load_n(&view->head->asked, __ATOMIC_RELAXED) == 0, 1) ||
           ae_worker_attend(worker);
}

#ifdef __cplusplus
}
#endif

#endif
