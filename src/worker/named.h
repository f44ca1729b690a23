/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_WORKER_NAMED_H
#define AE_WORKER_NAMED_H

/*
 * What a supervisor says to who asks for a channel. It listens for each at a socket of its own,
 * named RUN:NAME, in /run/aether/AE_NAMED_CHANNELS, or for a user other than root in
 * /run/user/UID/aether. Nothing is asked: whoever connects is sent a struct ae_named_message, and
 * with it, unless he is refused, a descriptor of the memory. The connection of a channel's peer is
 * kept; that of a broadcast's reader is closed.
 */

#include <stdint.h>

#include <aether/named.h>

#define AE_NAMED_CHANNELS "channels"
#define AE_NAMED_MAGIC    0x4d4e4541u /* "AENM" */

struct ae_named_message {
    uint32_t magic;
    uint32_t kind; /* enum ae_named_kind */
    uint64_t size;
    /* The process that has it, which is why there is no descriptor; -1: one of another PID
     * namespace; else 0. */
    int32_t holder;
    uint32_t ended;        /* not 0: the worker has, which is why */
    uint64_t buffers_size; /* of a loan, bytes; then a second descriptor is of the buffers */
};

/* Letters, digits, '-', '_' and '.', from 1 to AE_WORKER_NAME - 1 of them. */
bool ae_named_is_name(const char *name);

/* What is in an ae_shared, for a worker. */
struct ae_shared_channel {
    char name[AE_WORKER_NAME];
    uint32_t kind;
    int32_t fd;
    uint64_t size;
    uint32_t port; /* of a loan: which of the worker's ports */
    uint32_t reserved;
};

#endif
