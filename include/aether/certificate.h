/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_CERTIFICATE_H
#define AETHER_CERTIFICATE_H

/*
 * The record of one proof: which machine, which kernel, which partition, what was counted, what
 * each knob did, and what could not be seen. A file of JSON, FILE, a page for people made from it,
 * FILE.txt, and, if somebody signs, FILE.sig.
 *
 *     ae_certificate_begin(&certificate, cpu, NULL, &err);
 *     ae_proof_prepare(...), start the worker
 *     ae_certificate_watch(certificate, pid, window_ms, &err);   the worker is at its gate, or runs
 *     ae_proof_begin(...), time passes, ae_proof_end(...), ae_proof_finish(...)
 *     ae_certificate_finish(certificate, proof);
 *     ae_certificate_write(certificate, "/var/lib/me/today.json", NULL, &err);
 *
 * It says "zero" only where everything was looked at. One thread at a time per certificate.
 * Of libaether-host.
 */

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include <aether/error.h>
#include <aether/proof.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Rare causes come hours apart: a shorter proof is a check, not a statement. */
#define AE_CERTIFICATE_SECONDS (12 * 3600)

/* Bytes in a nonce at most. */
#define AE_CERTIFICATE_NONCE 128

struct ae_certificate;

/*
 * Notes the machine, the kernel and the partition as they are before the worker runs. partition:
 * NULL takes the applied one that has the CPU; there may be none. -ENOENT: there is no such
 * partition.
 */
int ae_certificate_begin(struct ae_certificate **certificate, int cpu, const char *partition,
                         struct ae_error *err);

/*
 * Starts to gather, beside the worker and in a process of its own, who the worker is and, over
 * `window_ms`, the evidence of every knob. That process stays on the caller's CPUs and ends with
 * it.
 */
int ae_certificate_watch(struct ae_certificate *certificate, pid_t worker, unsigned window_ms,
                         struct ae_error *err);

/* What a reader demanded to see in it, so that an older certificate is none: up to
 * AE_CERTIFICATE_NONCE bytes of plain text. -EINVAL: it is not. */
int ae_certificate_add_nonce(struct ae_certificate *certificate, const char *nonce);

/* Members of the JSON object that the caller knows: "gaps", "command", "ports", "system_calls",
 * "worker_loops", "worker_output".
 * -EINVAL: not JSON, or not a name of these. -E2BIG: too much, or nested too deep, for a
 * certificate that has to stay readable; it is left out then, and the certificate says so. */
int ae_certificate_add(struct ae_certificate *certificate, const char *name, const char *json);

/* Something this certificate cannot say, though nothing counted is missing. */
void ae_certificate_limit(struct ae_certificate *certificate, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Something that should have been looked at and could not be: it makes the certificate
 * incomplete. */
void ae_certificate_miss(struct ae_certificate *certificate, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts everything together; the proof is finished. Its verdict, or AE_PROOF_INCOMPLETE where the
 * evidence of the knobs is missing. */
enum ae_proof_verdict ae_certificate_finish(struct ae_certificate *certificate,
                                            const struct ae_proof *proof);

/*
 * Writes FILE, FILE.txt and, with a key, FILE.sig, each whole or not at all; an older FILE.sig
 * goes. key: a private key file, or a public one whose private half an agent or a security token
 * holds; NULL: nobody signs. What is signed is the text in memory, which carries FILE's own name,
 * after the reader has read it; nothing is published before the signature was checked against it.
 * -EBADMSG: it could not be read again; -EINVAL: FILE is a device, a pipe or a directory.
 */
int ae_certificate_write(struct ae_certificate *certificate, const char *file, const char *key,
                         struct ae_error *err);

/* -EBADMSG: not a certificate, or one that contradicts itself; the text says where. Control
 * characters in its texts are replaced. */
int ae_certificate_read(struct ae_certificate **certificate, const char *file,
                        struct ae_error *err);
int ae_certificate_parse(struct ae_certificate **certificate, const char *text, size_t length,
                         struct ae_error *err);

void ae_certificate_free(struct ae_certificate *certificate); /* NULL is allowed */

enum ae_proof_verdict ae_certificate_verdict(const struct ae_certificate *certificate);

/* The page. */
void ae_certificate_print(const struct ae_certificate *certificate, FILE *out);

/* The JSON text, which the caller frees; NULL when memory is short. */
char *ae_certificate_json(const struct ae_certificate *certificate);

/* ---- Against an earlier one ---- */

enum ae_certificate_change {
    AE_CERTIFICATE_CHANGED, /* different, neither better nor worse: the kernel, the command line */
    AE_CERTIFICATE_BETTER,
    AE_CERTIFICATE_WORSE,
};

/* What may differ without being worse. */
struct ae_certificate_tolerance {
    double percent; /* of rates and gap lengths; 0: 20 */
    double gap_us;  /* gap lengths closer than this are equal; 0: 1 */
};

/* Calls report for every difference; returns how many are worse. */
unsigned ae_certificate_compare(const struct ae_certificate *before,
                                const struct ae_certificate *after,
                                const struct ae_certificate_tolerance *tolerance,
                                void (*report)(enum ae_certificate_change change, const char *text,
                                               void *context),
                                void *context);

/* ---- Signatures, by ssh-keygen(1) -Y ---- */

/* Whom to believe: one public key, or an allowed-signers file and a name in it. */
struct ae_certificate_trust {
    const char *key;      /* public key file; NULL: see signers */
    const char *signers;  /* ssh-keygen(1), "ALLOWED SIGNERS" */
    const char *identity; /* a name there */
};

/*
 * Is FILE.sig a signature of FILE by somebody trusted, is FILE a certificate, and is FILE.txt, if
 * it is there, the page made from it? Each file is opened once. -EBADMSG: no; the text says which.
 * -ENODATA: there is no signature. -ENOKEY: a good signature, but by nobody who was named; signer
 * tells by whom. On success the certificate is handed out, unless NULL was given for it. What it
 * says - a verdict, of a machine, at a time - is for the caller to look at: see
 * ae_certificate_meets.
 */
int ae_certificate_verify(struct ae_certificate **certificate, const char *file,
                          const struct ae_certificate_trust *trust, char signer[128],
                          struct ae_error *err);

/* ---- Is it the one that was asked for? ---- */

/* What a certificate says of itself. Texts live as long as it does; "" where it does not tell. */
struct ae_certificate_subject {
    const char *machine; /* 32 digits, see ae_certificate_this_machine */
    const char *host;
    const char *name; /* of the file that it was issued as */
    const char *nonce;
    const char *issued; /* "2026-01-02T03:04:05Z" */
    const char *statement;
    int cpu;
    double seconds; /* proved */
    double age;     /* in seconds, by this machine's clock */
};

void ae_certificate_subject(const struct ae_certificate *certificate,
                            struct ae_certificate_subject *subject);

/* NULL and 0: any will do. */
struct ae_certificate_demand {
    const char *machine; /* digits of either case, dashes do not matter */
    const char *name;
    const char *nonce;
    double greatest_age; /* in seconds since it was issued */
};

/* -ESTALE: it is of another machine, by another name, without the nonce, too old or from the
 * future; the text says which. */
int ae_certificate_meets(const struct ae_certificate *certificate,
                         const struct ae_certificate_demand *demand, struct ae_error *err);

/* The 33 bytes by which certificates of this machine name it: /etc/machine-id, hashed for this
 * purpose as systemd-id128(1) --app-specific does. -ENOENT, -EINVAL: it has none. */
int ae_certificate_this_machine(char text[33], struct ae_error *err);

#ifdef __cplusplus
}
#endif

#endif
