/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PROOF_CERTIFICATE_H
#define AE_PROOF_CERTIFICATE_H

/* The inside of a certificate: one JSON object, written by several files, each its part. */

#include <jansson.h>

#include <aether/certificate.h>
#include <aether/partition.h>

#define AE_CERTIFICATE_SCHEMA 1

struct ae_certificate {
    json_t *all;
    int cpu;
    char partition[AE_PARTITION_NAME]; /* "": none */
    pid_t watcher;                     /* 0: none */
    int watch_fd;                      /* what it will have found */
};

/* A string member, or "" when there is none. */
const char *ae_certificate_text(const json_t *object, const char *name);

/* machine, kernel. */
void ae_certificate_add_machine(struct ae_certificate *certificate);

/* What this kernel cannot do for this CPU, as limits; and for each row that counted, why. */
void ae_certificate_add_reasons(struct ae_certificate *certificate);

/* partition: its file and journal. certificate->partition is set. */
int ae_certificate_add_partition(struct ae_certificate *certificate, struct ae_error *err);

/* Waits for the watcher and takes over what it has found: worker, knobs, level. What it has not, or not
 * before the counter read `end`, is noted as not seen. */
void ae_certificate_watched(struct ae_certificate *certificate, uint64_t end);

/* Reads an open file; `file` is its name for messages. */
int ae_certificate_read_fd(struct ae_certificate **certificate, int fd, const char *file,
                           struct ae_error *err);

/* Is the object whole, each member of the type it must have, and does it agree with itself? */
int ae_certificate_check(const json_t *all, struct ae_error *err);

/* The verdict that rows, causes and what was not seen come to. */
enum ae_proof_verdict ae_certificate_judge(const json_t *all);

#endif
