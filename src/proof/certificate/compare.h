/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AE_PROOF_CERTIFICATE_COMPARE_H
#define AE_PROOF_CERTIFICATE_COMPARE_H

/* Two certificates side by side: compare.c judges, surroundings.c lists what may have caused it,
 * and both tell through difference.c. */

#include "proof/certificate/certificate.h"

struct ae_compare {
    const json_t *before, *after;
    struct ae_certificate_tolerance tolerance;
    void (*report)(enum ae_certificate_change change, const char *text, void *context);
    void *context;
    unsigned worse;
};

void ae_compare_tell(struct ae_compare *compare, enum ae_certificate_change change,
                     const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Machine, kernel, command line, configuration, worker: each difference by name. */
void ae_compare_surroundings(struct ae_compare *compare);

#endif
