/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BASE_FRAGILE_H
#define AE_BASE_FRAGILE_H

/*
 * Memory that somebody less trusted can take away while it is in use: by shrinking the file,
 * punching holes into it, leaving the pool of huge pages empty. The kernel then sends SIGBUS, which
 * would end a process that does not expect it. Who expects it finds an empty page of its own in
 * place of the one that went, and `lost` set: it stops working there. A SIGBUS for any other
 * address is handled as it was before, and the handler is taken away with the last of such memory.
 */

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

struct ae_fragile {
    uint8_t *first;
    size_t size;
    size_t page;                 /* bytes, a power of two; first is a multiple */
    volatile sig_atomic_t *lost; /* set when a page was lost; never cleared from here */
    struct ae_fragile *next;     /* NULL and not linked before the first use: zeroed */
};

/* Expects it from now on. The structure must stay where it is until it is forgotten. */
int ae_fragile_expect(struct ae_fragile *fragile, void *first, size_t size, size_t page,
                      volatile sig_atomic_t *lost);

/* Before the memory is unmapped. One that never was expected is allowed. */
void ae_fragile_forget(struct ae_fragile *fragile);

#endif
