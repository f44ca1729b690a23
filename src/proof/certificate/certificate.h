/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PROOF_CERTIFICATE_CERTIFICATE_H
#define AE_PROOF_CERTIFICATE_CERTIFICATE_H

/* The inside of a certificate: one JSON object, written by several files, each its part. */

#include <jansson.h>

#include <aether/certificate.h>
#include <aether/partition.h>

/*
 * The format that is written; every earlier one is read. 1: as released first. 2: machine_identity,
 * name and nonce. 3: no name has a hyphen any more, all are in snake_case. What a later format adds
 * is printed where it is there and never asked of an earlier one, for the page of an old
 * certificate has to come out as it was.
 */
#define AE_CERTIFICATE_SCHEMA 3

/* Bytes of FILE, and of FILE.txt, at most; a certificate of a big machine has a tenth of it. JSON
 * takes up to fifty times as much memory as text. */
#define AE_CERTIFICATE_MOST (4 << 20)

struct ae_certificate {
    json_t *all;
    int cpu;
    char partition[AE_PARTITION_NAME]; /* "": none */
    pid_t watcher;                     /* 0: none */
    int watch_fd;                      /* what it will have found */
};

/* A string member, or "" when there is none. */
const char *ae_certificate_text(const json_t *object, const char *name);

/* What a certificate says of its machine or kernel, by the name it has now; formats before the
 * third had hyphens where that has '_'. NULL: it is not told. */
const json_t *ae_certificate_fact(const json_t *facts, const char *name);

/* A new JSON string of what may be shown of a text from elsewhere, which JSON could not hold
 * otherwise. */
json_t *ae_certificate_string(const char *text);

/* Replaces what must not be shown in every text of it; the partition's file keeps its lines. */
void ae_certificate_make_plain(json_t *all);

/* machine, kernel. */
void ae_certificate_add_machine(struct ae_certificate *certificate);

/* What this kernel cannot do for this CPU, as limits; and for each row that counted, why. */
void ae_certificate_add_reasons(struct ae_certificate *certificate);

/* partition: its file and journal. certificate->partition is set. */
int ae_certificate_add_partition(struct ae_certificate *certificate, struct ae_error *err);

/* Waits for the watcher and takes over what it has found: worker, knobs, level. What it has not, or
 * not before the counter read `end`, is noted as not seen. */
void ae_certificate_watched(struct ae_certificate *certificate, uint64_t end);

/* ---- Files ---- */

struct ae_certificate_bytes {
    char *data; /* NUL-terminated; the caller frees it */
    size_t length;
};

/* A regular file of at most `most` bytes, opened once. -EBADMSG: it is something else, or
 * bigger. */
int ae_certificate_take(struct ae_certificate_bytes *bytes, const char *file, size_t most,
                        struct ae_error *err);

/* The same of FILE with an ending. */
int ae_certificate_take_beside(struct ae_certificate_bytes *bytes, const char *file,
                               const char *ending, size_t most, struct ae_error *err);

/* The page as text, which the caller frees; NULL when memory is short. */
char *ae_certificate_page(const struct ae_certificate *certificate);

/* What stands behind the last slash, as a certificate holds it: freed by the caller. */
char *ae_certificate_name(const char *file);

/* ---- ssh-keygen ---- */

/* Signs these bytes with the key; the signature's text is checked against them. */
int ae_certificate_sign_bytes(const struct ae_certificate_bytes *text, const char *key,
                              struct ae_certificate_bytes *signature, struct ae_error *err);

/* ---- Checks ---- */

/* Is the object whole, each member of the type it must have, and does it agree with itself? */
int ae_certificate_check(const json_t *all, struct ae_error *err);

/* Is this what the member of that name has to be? Names that are not looked at take anything. */
int ae_certificate_check_one(const char *name, const json_t *value, struct ae_error *err);

/* Seconds since 1970 of "2026-01-02T03:04:05Z"; -EINVAL: it is no such text. */
int ae_certificate_parse_time(const char *text, int64_t *seconds);

/* The verdict that rows, causes and what was not seen come to. */
enum ae_proof_verdict ae_certificate_judge(const json_t *all);

#endif
