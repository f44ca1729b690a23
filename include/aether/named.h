/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_NAMED_H
#define AETHER_NAMED_H

/*
 * Channels, broadcasts and loans that have a name: the supervisor makes their memory before it
 * starts the worker, hands it over, and gives it to host processes that ask for it and may have it.
 *
 *     aether run --name feed --channel quotes,kind=broadcast,size=1048576 --channel orders,kind=in
 * ...
 *
 *     ae_worker_named(worker, "quotes", &named, &err)                     the worker
 *     ae_broadcast_open_writer(&writer, named.memory, named.size, &err)
 *
 *     ae_named_open(&named, "feed:quotes", &err)                          a host process
 *     ae_broadcast_open_reader(&reader, named.memory, named.size, 0, &err)
 *
 * Root and the workers' user may open one, as they may look at the run. A channel has one peer at a
 * time: who holds its connection. The place is free again when that process ends, however it does,
 * and its successor goes on where it was (<aether/channel.h>). So does a worker that is started
 * again: the memory lasts as long as the supervisor. When that has ended the memory is the peer's
 * own, who may read what is left.
 *
 * A loan (<aether/loan.h>) is its worker's as long as that lives: the supervisor tells the worker
 * of a borrower's end and the borrower of the worker's, whose successor has a new one.
 *
 *     aether run --name feed --port ... --channel tap,kind=loan,size=256 ...
 *
 *     ae_worker_open_lender(worker, "tap", &lender, &err)                 the worker
 *
 *     ae_named_open(&named, "feed:tap", &err)                             who borrows
 *     ae_borrower_open(&borrower, named.memory, named.size, named.buffers, named.buffers_size,
 *                      &err)
 */

#include <stddef.h>

#include <aether/error.h>
#include <aether/loan.h>
#include <aether/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AE_WORKER_CHANNELS 16

enum ae_named_kind {
    AE_NAMED_OUT,       /* a channel whose producer is the worker */
    AE_NAMED_IN,        /* a channel whose consumer is the worker */
    AE_NAMED_BROADCAST, /* whose writer is the worker; any number of host processes read */
    AE_NAMED_LOAN,      /* whose lender is the worker */
    AE_NAMED_KINDS,
};

/* "out", "in", "broadcast", "loan". */
const char *ae_named_kind_name(enum ae_named_kind kind);

struct ae_named {
    enum ae_named_kind kind;
    void *memory; /* for a broadcast's readers, to be read alone */
    size_t size;
    int fd; /* the connection, that of a channel's peer: readable when the supervisor has ended, of
               a loan also when the worker has. -1: there is none. */
    /* Of a loan, for its borrower: the memory that its packets are in, to be read. Who can write
     * there, the worker and devices, can take it away: reading it may be SIGBUS. */
    const void *buffers;
    size_t buffers_size;
};

/* The worker's, by the name that it has in its run. It is unmapped by ae_worker_finish. -ENOENT:
 * there is none, and the error says which there are. */
int ae_worker_named(struct ae_worker *worker, const char *name, struct ae_named *named,
                    struct ae_error *err);

/*
 * A host process's, or another worker's before ae_quiet_enter, RUN:NAME. -ENOENT: there is no such
 * run, or it has no such channel; -EACCES: it is for root and the workers' user; -EBUSY: another
 * process has it, which the error names; -ESRCH: the worker has ended, and the loan with it;
 * -ETIMEDOUT: its supervisor does not answer.
 */
int ae_named_open(struct ae_named *named, const char *name, struct ae_error *err);

/*
 * Opens the lender's side of a loan that the worker was handed, with the packets that its queues of
 * the loan's port have; once, before ae_quiet_enter. To be closed before ae_worker_finish. -ENOENT:
 * there is no loan of this name; -EBUSY: it is open, or was; -ENOMEM.
 */
int ae_worker_open_lender(struct ae_worker *worker, const char *name, struct ae_lender **lender,
                          struct ae_error *err);

/* Unmaps it, and frees the place. Not of a worker's. */
void ae_named_close(struct ae_named *named);

#ifdef __cplusplus
}
#endif

#endif
