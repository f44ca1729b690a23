/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PROOF_CERTIFICATE_CERTIFICATE_H
#define AE_PROOF_CERTIFICATE_CERTIFICATE_H

/*
 * The inside of a certificate: one JSON object, in which each of these files has its part. A file
 * uses those above it, and make.c and compare.c what is named below them.
 *
 *     texts.c         its texts, most of which others chose: made plain
 *     model.c         the object: limits, what was not seen, the verdict
 *     subject.c       what it is about, and whether that was asked for
 *     check.c         its shape, and whether it agrees with itself
 *     make.c          made from a proof, out of
 *       machine.c       machine, kernel and partition,
 *       watch.c         the worker, and the evidence of the knobs while it ran,
 *       reasons.c       and why a row counted
 *     loops.c         what the worker says of its loops, put down and printed
 *     page.c          the page for people
 *     read.c          from a file
 *     sign.c          signed and verified, by ssh-keygen
 *     write.c         to its files
 *     compare.c       against an earlier one; inside is compare.h
 *       surroundings.c  what may have caused a difference
 *       difference.c    how each is told
 */

#include <jansson.h>

#include <aether/certificate.h>
#include <aether/loop.h>
#include <aether/partition.h>

/*
 * The format that is written; every earlier one is read. 1: as released first. 2: machine_identity,
 * name and nonce. 3: no name has a hyphen any more, all are in snake_case. 4: worker_loops. 5:
 * ports have names, paths and callers, and counts of the quiet time alone. What a later format adds
 * is printed where it is there and never asked of an earlier one, for the page of an old
 * certificate has to come out as it was.
 */
#define AE_CERTIFICATE_SCHEMA 5

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

/* ---- texts.c ---- */

/* A string member, or "" when there is none. */
const char *ae_certificate_text(const json_t *object, const char *name);

/* A new JSON string of what may be shown of a text from elsewhere, which JSON could not hold
 * otherwise. */
json_t *ae_certificate_string(const char *text);

/* Replaces what must not be shown in every text of it; the partition's file keeps its lines. */
void ae_certificate_make_plain(json_t *all);

/* ---- model.c ---- */

/* What a certificate says of its machine or kernel, by the name it has now; formats before the
 * third had hyphens where that has '_'. NULL: it is not told. */
const json_t *ae_certificate_fact(const json_t *facts, const char *name);

/* Does its worker itself enter the kernel for the frames of a port? */
bool ae_certificate_worker_calls(const json_t *all);

/* The verdict that rows, causes, ports and what was not seen come to. */
enum ae_proof_verdict ae_certificate_judge(const json_t *all);

/* ---- subject.c ---- */

/* Seconds since 1970 of "2026-01-02T03:04:05Z"; -EINVAL: it is no such text. */
int ae_certificate_parse_time(const char *text, int64_t *seconds);

/* 1 to AE_CERTIFICATE_NONCE bytes of plain text? */
bool ae_certificate_is_nonce(const char *text);

/* ---- check.c ---- */

/* Is the object whole, each member of the type it must have, and does it agree with itself? */
int ae_certificate_check(const json_t *all, struct ae_error *err);

/* Is this what the member of that name has to be? Names that are not looked at take anything. */
int ae_certificate_check_one(const char *name, const json_t *value, struct ae_error *err);

/* ---- make.c ---- */

/* ae_certificate_add of a value, which it takes over; NULL: -EINVAL. */
int ae_certificate_add_value(struct ae_certificate *certificate, const char *name, json_t *value);

/* ---- machine.c ---- */

/* machine, kernel. */
void ae_certificate_add_machine(struct ae_certificate *certificate);

/* partition: its file and journal. certificate->partition is set. */
int ae_certificate_add_partition(struct ae_certificate *certificate, struct ae_error *err);

/* ---- watch.c ---- */

/* Waits for the watcher and takes over what it has found: worker, knobs, level. What it has not, or
 * not before the counter read `end`, is noted as not seen. */
void ae_certificate_watched(struct ae_certificate *certificate, uint64_t end);

/* ---- reasons.c ---- */

/* What this kernel cannot do for this CPU, as limits; and for each row that counted, why. */
void ae_certificate_add_reasons(struct ae_certificate *certificate);

/* ---- loops.c ---- */

/* The member "worker_loops". */
json_t *ae_certificate_loops(const struct ae_worker_loop *loops, unsigned count);

/* Prints one that was checked; nothing when it is NULL or empty. */
void ae_certificate_print_loops(const json_t *loops, FILE *out);

/* ---- page.c ---- */

/* The page as text, which the caller frees; NULL when memory is short. */
char *ae_certificate_page(const struct ae_certificate *certificate);

/* ---- read.c ---- */

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

/* ---- sign.c ---- */

/* Signs these bytes with the key; the signature's text is checked against them. */
int ae_certificate_sign_bytes(const struct ae_certificate_bytes *text, const char *key,
                              struct ae_certificate_bytes *signature, struct ae_error *err);

#endif
