/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PORT_POLLER_H
#define AE_PORT_POLLER_H

/*
 * A process of the owner's that makes a queue's system calls, so that neither worker nor supervisor
 * waits for what those take. Of what the owner has open it has the queue's socket and nothing else,
 * and it ends with the owner.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <aether/error.h>

struct ae_poller {
    pid_t pid; /* 0: none */
    int end;   /* it ends when this is closed; while there is a process */
};

struct ae_poller_options {
    int socket;
    int cpu;               /* where it runs, -1: wherever the owner may */
    uint32_t capabilities; /* that it keeps, a bit each: of the first 32 */
    /* What it does, until ae_poller_is_over(end). */
    void (*run)(const void *context, int end);
    const void *context;
};

int ae_poller_start(struct ae_poller *poller, const struct ae_poller_options *options,
                    struct ae_error *err);
/* Has it ended by itself? Then there is none any more. */
bool ae_poller_ended(struct ae_poller *poller);
void ae_poller_stop(struct ae_poller *poller); /* none is allowed: zeroed */

/* In the process: is the owner gone, or does it want no more? */
bool ae_poller_is_over(int end);

#endif
