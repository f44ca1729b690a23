/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_LOAN_H
#define AETHER_LOAN_H

/*
 * A loan: packets of a pool, read by another process without a copy. The pool's owner, the lender,
 * lends a packet; the borrower, who maps the memory that the pool's buffers are in, reads the frame
 * where it lies, and returns it. get and put of the pool stay with its one process and thread.
 *
 *     lender                                     borrower
 *     done = ae_loan_lend(lender, packets, n);   n = ae_loan_borrow(&borrower, frames, 32);
 *     ae_loan_reclaim(lender, 32);               ... read frames[i].length bytes at .data ...
 *                                                ae_loan_return(&borrower, frames, n);
 *
 * A packet that is lent is neither in the pool nor the caller's: a port does not send it, and a put
 * of it is counted as misuse. No more than `limit` are lent at a time, so a borrower that stops
 * cannot starve the pool. Neither side waits, locks or enters the kernel; each is one thread's. The
 * lender of a quiet worker opens its side before ae_quiet_enter.
 *
 * Either may end anywhere, by SIGKILL as well:
 *   - The borrower: whoever knows (its supervisor, who waits for it; its successor, by opening)
 *     makes it known, and the lender takes back everything that was lent to it.
 *   - The lender: whoever knows makes it known; the borrower's mapping stays valid, and what it
 *     reads there may be changed by whoever has the memory next. A new lender needs a new loan.
 *
 * What is relied on each side keeps in its own memory. What it reads of the other's is read once
 * and checked: a hostile borrower can keep what was lent to it, no longer than it lives, and a
 * hostile lender can show any bytes of the memory that the borrower maps. Map it read-only where
 * the borrower has nothing to write, and note that it sees all of it, not only what it was lent.
 *
 * The shared memory holds no pointer, and may be mapped at any address aligned to 128 bytes;
 * whoever makes it keeps it from being cut (F_SEAL_SHRINK, fcntl(2)).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <aether/channel.h>
#include <aether/error.h>
#include <aether/packet.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AE_LOAN_LIMIT_MAX 65536u

/* Bytes of shared memory for a loan of at most `limit` packets at a time, 1 to AE_LOAN_LIMIT_MAX;
 * 0: not possible. */
size_t ae_loan_size(uint32_t limit);

/* Lays out a loan in memory of ae_loan_size(limit), before either side opens it. -EINVAL: no such
 * limit, or the memory is not aligned. */
int ae_loan_create(void *memory, uint32_t limit, struct ae_error *err);

/* For who knows that a side's process has ended. A borrower may have a successor, which says so by
 * opening: call this before that, or not at all. The memory must have been created. */
void ae_loan_borrower_ended(void *memory);
void ae_loan_lender_ended(void *memory);

/* ---- The lender ---- */

struct ae_lender;

struct ae_loan_counters {
    uint64_t lent;
    uint64_t returned;  /* by the borrower that they were lent to */
    uint64_t recovered; /* taken back, since it ended */
    uint64_t refused;   /* not lent: over the limit, no borrower, no room in the ring */
    uint64_t bad;       /* calls that ended at a packet which cannot be lent */
    uint64_t misuse;    /* returns of what is not lent, and those that an ended borrower left */
};

/*
 * Opens the lender's side, once in a loan's life. size: bytes of the mapping. offset: bytes from
 * where the borrower's mapping begins to the pool's memory. Memory and pool are borrowed until
 * ae_lender_close. -EPROTO: there is no loan, or it does not fit; -ENOMEM.
 */
int ae_lender_open(struct ae_lender **lender, void *memory, size_t size, struct ae_pool *pool,
                   uint64_t offset, struct ae_error *err);

/* Says that it is over, and returns everything that is lent to the pool. NULL is allowed. */
void ae_lender_close(struct ae_lender *lender);

/*
 * Lends packets that are the caller's, of the lender's pool, each a frame in one packet inside its
 * buffer. Returns how many, from the first: the others are the caller's still. Fewer than count:
 * the limit is reached, nobody borrows, or one cannot be lent (counted as bad); do not wait.
 */
uint32_t ae_loan_lend(struct ae_lender *lender, struct ae_packet **packets, uint32_t count);

/* Returns to the pool what the borrower returned, and what was lent to one that has ended, looking
 * at no more than count of each. Returns how many. To be called in every turn. */
uint32_t ae_loan_reclaim(struct ae_lender *lender, uint32_t count);

/* Packets that are lent. */
uint32_t ae_loan_outstanding(const struct ae_lender *lender);
const struct ae_loan_counters *ae_loan_counters(const struct ae_lender *lender);

/* ---- The borrower ---- */

struct ae_loan_memory;

struct ae_borrower {
    struct ae_loan_memory *shared;
    const uint8_t *memory;
    size_t memory_size;
    uint32_t generation;
    struct ae_channel_consumer lent;
    struct ae_channel_producer returned;
    uint64_t bad; /* records that cannot be: skipped */
};

/* What was borrowed. All but data, slot and serial is as in struct ae_packet, by the lender's
 * word. */
struct ae_loan_frame {
    const uint8_t *data;
    uint32_t length; /* bytes, all of them in the borrower's mapping */
    uint32_t flags;
    uint64_t timestamp;
    uint32_t hash;
    uint16_t vlan;
    uint16_t queue;
    uint32_t slot; /* which of the loans, and how often that was made */
    uint32_t serial;
};

/*
 * Opens the borrower's side, in place of one that ended. loan, size: the shared memory; memory,
 * memory_size: the mapping that the pool's buffers are in. -EPROTO: there is no loan, it does not
 * fit, or the last borrower left positions that cannot be: then the lender has to begin a new one.
 */
int ae_borrower_open(struct ae_borrower *borrower, void *loan, size_t size, const void *memory,
                     size_t memory_size, struct ae_error *err);

/* What is not returned yet, the lender takes back. */
void ae_borrower_close(struct ae_borrower *borrower);

/* The next frames, up to count. Returns how many; fewer need not mean that there are no more. */
uint32_t ae_loan_borrow(struct ae_borrower *borrower, struct ae_loan_frame *frames, uint32_t count);

/* Gives them back: their bytes are not to be read any more. Returns how many; fewer than count only
 * if the lender is hostile. */
uint32_t ae_loan_return(struct ae_borrower *borrower, const struct ae_loan_frame *frames,
                        uint32_t count);

/* The lender closed the loan, or has ended: what was borrowed is not kept as it is any more. */
bool ae_loan_is_over(const struct ae_borrower *borrower);

#ifdef __cplusplus
}
#endif

#endif
