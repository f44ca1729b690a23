/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_BENCH_PROGRAM_H
#define AE_BENCH_PROGRAM_H

/*
 * What contenders written in C share: the protocol of docs/benchmark.md.
 *
 *     PROGRAM describe                              a line of JSON for each contender it has
 *     PROGRAM check NAME WIRE                       can it run here? Why not: on standard output
 *     PROGRAM respond NAME WIRE CPU                 returns frames until SIGTERM, then counts
 */

#include <stdbool.h>
#include <stdint.h>

#include <aether/error.h>

#define ANSWERED_PORT 7

struct setting {
    const char *what, *value;
    const char *source; /* who recommends it */
};

struct counts {
    uint64_t received, sent;
    uint64_t strange; /* no frame of the benchmark's */
    uint64_t calls;   /* to take frames */
    uint64_t empty;   /* those that found none */
    const char *path; /* where it is another than was described; or NULL */
};

struct contender {
    const char *name, *title;
    const char *wire;  /* "netdev" or "vhost-user": the part of WIRE before its colon */
    const char *layer; /* "socket": the kernel answers for 10.77.0.2; "frame": it has no address */
    const char *path, *caller;
    const struct setting *settings; /* ends with an empty one */
    /* What the interface is to be set to meanwhile, "NAME=VALUE NAME=VALUE" below
     * /sys/class/net/INTERFACE; or NULL. */
    const char *interface;
    /* Both get WIRE behind its colon. -errno: err says why. */
    int (*check)(const struct contender *self, const char *wire, struct ae_error *err);
    int (*respond)(const struct contender *self, const char *wire, struct counts *counts,
                   struct ae_error *err);
};

extern volatile bool program_ended; /* SIGTERM came */

/* main() of such a program. */
int program_main(int argc, char **argv, const struct contender *contenders, unsigned count);

/* Puts "WHAT: strerror(error)" into err and returns -error. */
int program_why(struct ae_error *err, const char *what, int error);

#endif
