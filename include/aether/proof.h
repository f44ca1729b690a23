/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AETHER_PROOF_H
#define AETHER_PROOF_H

/*
 * Proof that a CPU was quiet: every per-CPU row of /proc/interrupts and /proc/softirqs, context
 * switches and faults of the worker, read from another CPU before and after, without touching the
 * one in question; and, where the kernel can be traced, what each disturbance was.
 *
 *     ae_proof_prepare(&proof, cpu, &err);   arms the trace, which itself disturbs every CPU a bit
 *     ae_proof_expect(proof, ns);            how long it was asked to be quiet, if anybody did
 *     ae_proof_begin(proof, pid, &err);      the worker spins at its gate
 *     ae_proof_end(proof, &err);             it spins again
 *     ae_proof_finish(proof);                disarms, compares
 *
 * What it counts is evidence of quiet only if it is about the worker, there and then. So the proof
 * looks at both ends where the worker is and where it may run, that it is the same process and had
 * the CPU, and that the trace is still aimed as it was. What does not hold is "not seen", and then
 * it is not quiet.
 *
 * Call it from another CPU. One thread at a time per proof; several proofs may exist. Of
 * libaether-host.
 */

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <aether/error.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ae_proof_verdict {
    AE_PROOF_QUIET,      /* everything looked at was zero, and everything could be looked at */
    AE_PROOF_DISTURBED,  /* something was not zero: see the causes */
    AE_PROOF_INCOMPLETE, /* all that could be seen was zero, but not all could be seen */
};

const char *ae_proof_verdict_name(enum ae_proof_verdict verdict); /* "quiet", ... */

struct ae_proof;

/* -EINVAL: no such CPU, or the caller may run on it. Missing evidence is no error: it is noted. */
int ae_proof_prepare(struct ae_proof **proof, int cpu, struct ae_error *err);

/*
 * Nanoseconds of quiet that were asked for; 0: nobody did. Less is AE_PROOF_INCOMPLETE, as is,
 * whatever was asked for, less than AE_PROOF_NS_MIN. Before ae_proof_finish.
 */
#define AE_PROOF_NS_MIN 100000000
void ae_proof_expect(struct ae_proof *proof, uint64_t ns);

/*
 * The first snapshot. pid: the worker. -ESRCH: it is gone. -EALREADY: it has begun; a proof is
 * about one stretch of quiet, so one that was to begin again stays with the first, and says that
 * there were more.
 */
int ae_proof_begin(struct ae_proof *proof, pid_t pid, struct ae_error *err);

/* The second snapshot. The worker may be a zombie by now, but not reaped. -EALREADY: it was
 * taken. */
int ae_proof_end(struct ae_proof *proof, struct ae_error *err);

/* A disturbance that somebody else than the kernel's counters and trace saw; before
 * ae_proof_finish. */
void ae_proof_add_cause(struct ae_proof *proof, const char *text, uint64_t times);

/* What a reader should know of the worker besides; it changes no verdict. At most 8; before
 * ae_proof_finish. */
void ae_proof_remark(struct ae_proof *proof, const char *text);

/* Disarms the trace and compares. After this the results below may be asked for. */
enum ae_proof_verdict ae_proof_finish(struct ae_proof *proof);

/* The reading of the counter (ae_clock_ticks) at the second snapshot; 0: there was none. */
uint64_t ae_proof_end_ticks(const struct ae_proof *proof);

void ae_proof_destroy(struct ae_proof *proof); /* NULL is allowed */

/* A table of zeros, or of names: for a person. */
void ae_proof_print(const struct ae_proof *proof, FILE *out);

/* The same as a JSON object, which the caller frees; NULL when memory is short. */
char *ae_proof_json(const struct ae_proof *proof);

#ifdef __cplusplus
}
#endif

#endif
